// Collect: which pending work a walk has to look at.
#pragma once

#include "scheduler/books/state.h"
#include "scheduler/pass/walk.h"

namespace millrace::scheduler {

/// A full walk looks at everything. Any other leaves out what cannot start for certain, because it failed before and since
/// then nothing that it failed for has grown: no node where one of its tasks fits has gained, no account that held it uses
/// less, no budget that held it has more room. (Time alone only makes the time before a promise shorter.)
void collect(State& state, Walk& order, TimePoint now, bool full);

}  // namespace millrace::scheduler
