// One pass: what ended, budgets, pending work, caps that may be lifted, and when the next is due.
#pragma once

#include "scheduler/books/state.h"

namespace millrace::scheduler {

Plan run_pass(State& state, TimePoint now, bool full);

}  // namespace millrace::scheduler
