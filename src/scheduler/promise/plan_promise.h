// When and where blocked work will start.
#pragma once

#include <optional>

#include "scheduler/books/state.h"

namespace millrace::scheduler {

/// The earliest that the limits of what runs and of what is promised allow, before `cutoff`; nullopt if there is none for
/// certain. If the job has a promise: only one that begins clearly earlier. Promises of ranks below `heed_rank_min` are not
/// there, but claims; the power of those must be given back before.
std::optional<Promise> plan_promise(State& state, const Job& job, TimePoint now,
                                    std::int32_t heed_rank_min = INT32_MIN, TimePoint cutoff = kNever);
/// What a promise must begin before to be worth moving from `begin`.
TimePoint sooner_than(const State& state, TimePoint begin, TimePoint now);

}  // namespace millrace::scheduler
