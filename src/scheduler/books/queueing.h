// Pending work: comes into the queue, is looked at again, leaves.
#pragma once

#include "scheduler/books/state.h"

namespace millrace::scheduler {

/// When it will have waited too long; kNever where nothing does.
TimePoint starves_at(const State& state, const Job& job);
void enqueue(State& state, Job& job);
/// The next walk looks at it as if it had just come.
void look_again(State& state, Job& job);
/// A time that has come, or none, for work that is pending already: its promise stays.
void change_not_before(State& state, Job& job, std::optional<TimePoint> not_before);
void unqueue(State& state, Job& job);
/// What was kept of a quota for work that started, or left, in or before this pass is kept for the next that it is too little
/// for: all that waits below the account is looked at, since starts may have made it too little meanwhile.
void unkeep_quota(State& state, AccountIndex account, std::uint64_t pass);
/// Forgets a job that is neither queued nor running any more.
void forget(State& state, Job& job);

}  // namespace millrace::scheduler
