// What is stopped for others.
#pragma once

#include "scheduler/books/state.h"

namespace millrace::scheduler {

/// Stops the running work whose loss is least so that `job` can start, and gives it a claim; false if no set of victims
/// that it may stop would do.
bool preempt_for(State& state, Job& job, TimePoint now, Plan& plan);

}  // namespace millrace::scheduler
