// Attempt: one try to place a gang as things stand.
#pragma once

#include <optional>
#include <vector>

#include "scheduler/books/state.h"

namespace millrace::scheduler {

struct Attempted {
  std::vector<TaskPlace> places;          // of all its tasks, occupied; empty: there are none
  std::vector<ScopeDraw> draws;           // there
  std::optional<PowerLedger::Lack> lack;  // of power, that kept it from a place
};

/// A place for each task, for work that is over by `until` and starts at `now` under a cap; job.end becomes what that gives.
/// Kinds that it prefers come first; of those one domain, where it prefers or needs one; then the part (shape.h) of the best
/// place for one of its tasks, or where that has no room for all, the next.
Attempted attempt(State& state, Job& job, TimePoint now, std::int32_t cap_milli, TimePoint until);

/// In one domain, of these parts.
Attempted attempt_in_one_domain(State& state, Job& job, TimePoint now, std::int32_t cap_milli,
                                const Parts& parts, TimePoint until);

}  // namespace millrace::scheduler
