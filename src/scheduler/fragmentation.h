// Fragmentation: how much of what is free on a node the expected work cannot use (Weng et al., "Beware of Fragmentation:
// Scheduling GPU-Sharing Workloads with Fragmentation Gradient Descent", USENIX ATC 2023, section 3).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "scheduler/placement.h"

namespace millrace::scheduler {

/// What is free on a node, without which device is which: nodes that are equal here are worth the same.
struct FreeNode {
  std::int64_t cpu_milli = 0;
  std::int64_t memory_mib = 0;
  std::int32_t devices_milli = 0;  // of all devices together
  KindIndex kind = 0;
  std::uint16_t devices = 0;                             // with anything free
  std::array<std::int16_t, kDevicesMax> device_milli{};  // largest first; 0 beyond `devices`

  bool operator==(const FreeNode&) const = default;
  bool fits(const Demand& demand) const;
  /// Whether a demand fits, and what is left after it; a fraction goes to the device with the least room that suffices.
  bool take(const Demand& demand);

 private:
  /// Devices with that much room; they come first.
  std::size_t with_room(std::int32_t milli) const {
    std::size_t count = devices;
    while (count > 0 && device_milli[count - 1] < milli) --count;
    return count;
  }
};
FreeNode free_of(const NodeState& node);

struct FreeNodeHash {
  std::size_t operator()(const FreeNode& node) const;
};

/// What the study calls typical: shapes that make up so much of the arrivals.
inline constexpr std::int64_t kTypicalPercent = 95;

/// The most frequent shapes which together are at least `percent` of all arrivals, most frequent first. Memory is dropped,
/// and shapes that are equal without it count as one (as in the study).
std::vector<TypicalDemand> most_common(std::span<const TypicalDemand> typical, std::int64_t percent);

class Fragmentation {
 public:
  Fragmentation() = default;
  /// All weights together at most kTypicalWeightMax x kDevicesMax.
  explicit Fragmentation(std::vector<TypicalDemand> typical);

  /// The sum over the typical demands of weight x thousandths of a device that are free but of no use to it: everything
  /// where it does not fit or needs no device, else the devices with too little room.
  std::int64_t unusable(const FreeNode& node) const;
  /// unusable / weight is the expectation.
  std::int64_t weight() const { return weight_; }

 private:
  std::vector<TypicalDemand> typical_;
  std::int64_t weight_ = 0;
};

}  // namespace millrace::scheduler
