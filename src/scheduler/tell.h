// What people are told of work that waits: kept with the work, and in the plan where it is another thing than before.
#pragma once

#include "scheduler/state.h"

namespace millrace::scheduler {

void tell(State& state, Job& job, Reason reason, TimePoint now, Plan& plan);
/// The rest of a group shares the fate of the member that was looked at last.
void tell_group(State& state, Group& group, const Job& last, Plan& plan);
/// Work that came since the last pass, and waits for its time.
void tell_waiting(State& state, Plan& plan);
/// Of several walks only the last word on a workload counts.
void settle_holds(State& state, Plan& plan);
/// What was promised to work that has started since it was told keeps others from nothing: they are told what does.
void retell_promised(State& state, TimePoint now, Plan& plan);

}  // namespace millrace::scheduler
