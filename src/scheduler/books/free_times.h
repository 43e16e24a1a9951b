// FreeTimes: when each node of a class will have k whole devices free, and the earliest nodes first.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <queue>
#include <vector>

#include "scheduler/cluster.h"

namespace millrace::scheduler {

/// A tournament tree for each k, and one of when the first work on a node ends, before which nothing fits that does not fit
/// now. Times are microseconds since the epoch; 0 is now, INT64_MAX never. Lower bounds for demands that need cpu or memory
/// as well.
class FreeTimes {
 public:
  static constexpr std::int32_t kFirstEnd = kDevicesMax + 1;
  using Times = std::array<std::int64_t, kFirstEnd + 1>;  // by k; [0]: when any part of a device is free

  FreeTimes() = default;
  FreeTimes(std::size_t nodes, std::int32_t devices);

  /// Logarithmic in the nodes for each k.
  void set(std::uint32_t place, const Times& times);
  std::int64_t at(std::int32_t k, std::uint32_t place) const { return tree(k)[leaves_ + place]; }

  /// Walks the nodes by (time, place). Invalid after set().
  class Walk {
   public:
    Walk(const FreeTimes& times, std::int32_t k);
    struct Step {
      std::int64_t at;
      std::uint32_t place;
    };
    /// nullopt when no node is left that will ever have k devices.
    std::optional<Step> peek();
    void pop();
    std::uint64_t steps = 0;

   private:
    struct Open {
      std::int64_t at;
      std::uint32_t first;  // place of the first leaf below
      std::uint32_t tree_node;
      bool operator>(const Open& other) const { return at != other.at ? at > other.at : first > other.first; }
    };
    void push(std::uint32_t tree_node, std::uint32_t first);

    const std::vector<std::int64_t>* tree_;
    std::uint32_t leaves_;
    std::priority_queue<Open, std::vector<Open>, std::greater<>> open_;
  };

 private:
  const std::vector<std::int64_t>& tree(std::int32_t k) const {
    return k == kFirstEnd ? trees_.back() : trees_[static_cast<std::size_t>(k)];
  }

  std::uint32_t leaves_ = 0;  // a power of two
  std::vector<std::vector<std::int64_t>> trees_;
};

}  // namespace millrace::scheduler
