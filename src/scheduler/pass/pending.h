// Pending work is walked in order, then what the walk asked for is done; repeated while that gave something back. During a walk
// capacity, power and quota only shrink, so that what failed once fails again; but where an owner starts instead of a borrower,
// what the borrower was promised is free at once, and what failed before is looked at in the next walk.
#pragma once

#include "scheduler/books/state.h"

namespace millrace::scheduler {

struct Looked {
  int walks = 0;
  bool is_unsettled = false;  // it goes on in the next pass, at once
  bool is_cut = false;        // since there is more to start than one pass may
  bool comes_back = false;    // a moment later there may be room for more
};

/// `full`: at all that is pending, once; else at what may have changed.
Looked look_at_pending(State& state, TimePoint now, bool full, Plan& plan);

}  // namespace millrace::scheduler
