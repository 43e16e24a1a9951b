#include "scheduler/tell.h"

#include <algorithm>
#include <set>
#include <utility>

#include "scheduler/place.h"
#include "scheduler/why.h"

namespace millrace::scheduler {

namespace {

void keep(Job& job, const Reason& reason) {
  job.code = reason.code;
  if (job.group->code != reason.code) job.group->mixed = true;
  job.reason = std::make_shared<const Reason>(reason);
}

}  // namespace

void tell(State& state, Job& job, Reason reason, TimePoint now, Plan& plan) {
  if (job.promise) add_expected(state, *job.promise, now, reason);
  forget_past(state, now, reason);
  if (job.code != reason.code) plan.holds.push_back({job.work.id, reason});
  keep(job, reason);
}

void tell_group(State& state, Group& group, const Job& last, Plan& plan) {
  const bool same = group.code == last.code;
  group.code = last.code;
  group.reason = last.reason;
  if (same && !group.mixed) return;
  for (const Turn& turn : group.members) {
    Job& job = *turn.job;
    if (job.promise || job.seen_walk == state.walk) continue;
    if (job.code != group.code) plan.holds.push_back({job.work.id, *group.reason});
    job.fresh = false;
    job.code = group.code;
    job.reason.reset();
  }
  group.mixed = false;
}

void tell_waiting(State& state, Plan& plan) {
  for (const WorkloadId id : state.fresh) {
    Job* job = state.find(id);
    if (job == nullptr || job->phase != Phase::kWaiting || job->code == ReasonCode::kNotBefore) continue;
    Reason reason;
    reason.code = ReasonCode::kNotBefore;
    reason.at = job->work.not_before;
    job->code = reason.code;
    job->reason = std::make_shared<const Reason>(reason);
    plan.holds.push_back({id, std::move(reason)});
  }
}

void settle_holds(State& state, Plan& plan) {
  std::set<WorkloadId> said;
  std::vector<Hold> kept;
  for (auto it = plan.holds.rbegin(); it != plan.holds.rend(); ++it) {
    const Job* job = state.find(it->id);
    if (job->phase != Phase::kRunning && said.insert(it->id).second) kept.push_back(std::move(*it));
  }
  std::ranges::reverse(kept);
  plan.holds = std::move(kept);
}

void retell_promised(State& state, TimePoint now, Plan& plan) {
  for (Hold& hold : plan.holds) {
    if (hold.reason.code != ReasonCode::kPromised) continue;
    const Job* other = hold.reason.other ? state.find(*hold.reason.other) : nullptr;
    if (other != nullptr && other->promise && (!hold.reason.at || other->promise->begin == *hold.reason.at))
      continue;
    Job& job = *state.find(hold.id);
    auto reason = no_room(state, job, window_end(now, job.limit_s));
    if (!reason) continue;
    if (job.promise) add_expected(state, *job.promise, now, *reason);
    forget_past(state, now, *reason);
    keep(job, *reason);
    hold.reason = *std::move(reason);
  }
}

}  // namespace millrace::scheduler
