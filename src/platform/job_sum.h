// The figures of an array from those of its elements. Pure. Private to platform.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "control/work.h"

namespace millrace::platform {

inline constexpr std::size_t kWorkStates = static_cast<std::size_t>(control::WorkState::kLost) + 1;
/// How many elements are in each state.
using StateCounts = std::array<std::int64_t, kWorkStates>;

inline constexpr std::size_t kFailedShown = 16;

struct ArraySum {
  StateCounts counts{};
  std::vector<std::size_t> failed;  // positions of the first kFailedShown that failed, timed out or were lost
  std::int64_t failed_more = 0;     // so many besides
  control::ObservedWork whole;
};

/// `elements`: at least one, in order of their indices. The state of the whole is: the busiest of those that are not over
/// (running, pausing, starting, queued), else the worst end (failed, timed out, lost, cancelled, succeeded). Its exit code
/// is 0 only if every element succeeded, else that of the first that did not, or 1 where that has none.
ArraySum sum_of(const std::vector<control::ObservedWork>& elements);

}  // namespace millrace::platform
