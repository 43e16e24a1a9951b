// What an account may take back.
#pragma once

#include <vector>

#include "scheduler/books/state.h"

namespace millrace::scheduler {

/// Whether a job may take back from an account that uses more of what is `counted` than its own: as quotas stand.
bool may_take_back(const State& state, const Job& job, AccountIndex holder, const Amount& counted);
/// Whether the job's account takes back from such work at all.
bool reclaims_from(const State& state, const Job& job, const Job& holder);
/// Whether the job may take back at once what the holder would borrow by its start.
bool would_take_back(const State& state, const Job& job, const Job& holder);
/// Promises that give way to a job that could start without them: those of lower ranks, and those by which others would
/// borrow what it may take back at once. In the order in which they give way.
std::vector<Job*> yielding_promises(const State& state, const Job& job);

/// Work that could take back at once what the job would borrow by its start: the highest rank first.
std::vector<Job*> owners_waiting(State& state, const Job& job);

}  // namespace millrace::scheduler
