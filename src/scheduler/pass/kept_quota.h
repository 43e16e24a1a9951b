// Kept quota: what is left of a quota is kept for the first workload that it is too little for, until that starts, leaves, or
// all is considered again; then for the next. From an owner it is not kept for a borrower.
#pragma once

#include <cstdint>
#include <vector>

#include "scheduler/books/state.h"

namespace millrace::scheduler {

/// For work that too little is left for.
enum class Keeping : std::uint8_t {
  kLook,     // nothing is changed, and it is not looked at again when the quota is eased
  kNothing,
  kNext,    // what is left is kept for it, if in this pass it was kept for another and is for nobody now
  kAtOnce,  // the same, if it is kept for nobody or for work of a lower rank
};

/// Whether a quota keeps a pending job from starting: too little is left of it, or what is left is kept for another. Then
/// `reason` says so (but for a claim's, which is told already), and it is looked at again when that quota is eased.
bool blocked_by_quota(State& state, Job& job, TimePoint now, Keeping keeping, Reason& reason);

/// For a job that starts: takes its request off what is spare beside the ones that quota is kept for. The accounts whose
/// quota was kept for itself, and is so until the end of the walk.
std::vector<AccountIndex> take_of_kept_quota(State& state, Job& job, TimePoint now);

}  // namespace millrace::scheduler
