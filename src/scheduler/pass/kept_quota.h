// Kept quota: what is left of a quota is kept for the first workload that it is too little for, from when that is considered
// until it starts, leaves, or all is considered again.
#pragma once

#include <vector>

#include "scheduler/books/state.h"

namespace millrace::scheduler {

/// Whether a quota keeps a pending job from starting: too little is left of it, or what is left is kept for another. Then
/// `reason` says so (but for a claim's, which is told already), and it is looked at again when that quota is eased. With
/// `consider` what is left is kept for it.
bool blocked_by_quota(State& state, Job& job, TimePoint now, bool consider, Reason& reason);

/// For a job that starts: takes its request off what is spare beside the ones that quota is kept for. The accounts whose
/// quota was kept for itself, and is so until the end of the walk.
std::vector<AccountIndex> take_of_kept_quota(State& state, Job& job, TimePoint now);

}  // namespace millrace::scheduler
