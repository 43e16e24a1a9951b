// What people are told of work that waits: kept with the work, and in the plan where it is another thing than before.
#pragma once

#include <optional>

#include "scheduler/books/state.h"
#include "scheduler/pass/kept_quota.h"

namespace millrace::scheduler {

void tell(State& state, Job& job, Reason reason, TimePoint now, Plan& plan);
/// The rest of a group shares the fate of the member that was looked at last.
void tell_group(State& state, Group& group, const Job& last, Plan& plan);
/// Work that came since the last pass, and waits for its time.
void tell_waiting(State& state, Plan& plan);
/// Of several walks only the last word on a workload counts.
void settle_holds(State& state, Plan& plan);
/// What keeps pending work from starting now: room, its quota, or power; nullopt if none of them does. Changes nothing that a
/// pass decides by, but (unless `keeping` is kLook) has it looked at when that is eased.
std::optional<Reason> what_keeps(State& state, Job& job, TimePoint now, Keeping keeping);
/// Whether others change what such a reason says.
bool changes_by_itself(ReasonCode code);
/// What is told in place of `told`, where `keeps` is what keeps the work now. Power that lacks still is told with its figures,
/// though room may lack, too: what came after it in order may have taken that.
Reason as_it_is(const State& state, Reason told, Reason keeps, TimePoint now);
/// What was told of room is told as it is when the pass is over: what was free may be taken by then, and what was promised to
/// work that has started keeps others from nothing. Of work that nothing keeps any more nothing is told: it is looked at again.
/// Whether there is such.
bool retell(State& state, TimePoint now, Plan& plan);

}  // namespace millrace::scheduler
