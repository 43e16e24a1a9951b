// ExpectedWork: what tasks have come, for placement policies that look ahead. What comes is taken to be like what came, the
// newer the more. Work that was stopped and waits again has come again: it asks for room once more.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "scheduler/placement.h"

namespace millrace::scheduler {

class ExpectedWork {
 public:
  /// The counts are halved each time that so many tasks have come.
  static constexpr std::int64_t kWindow = 8192;
  /// Of more the most common are told.
  static constexpr std::size_t kToldMax = 64;

  /// `kinds` as in TypicalDemand. A gang counts as at most 256 tasks.
  void came(const Demand& demand, std::uint64_t kinds, std::int32_t tasks);
  /// What is expected, if that may have changed much since it was told last: after 16, 32, 64, ... tasks, then after each
  /// window.
  std::optional<std::vector<TypicalDemand>> news();

 private:
  using Key = std::tuple<std::int32_t, std::int32_t, std::int64_t, std::int64_t, std::uint64_t>;
  std::map<Key, TypicalDemand> seen_;
  std::int64_t came_ = 0;  // since the counts were halved
  std::int64_t next_ = 16;
};

}  // namespace millrace::scheduler
