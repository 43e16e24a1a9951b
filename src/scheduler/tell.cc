#include "scheduler/tell.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "scheduler/kept_quota.h"
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

namespace {

bool is_about_room(ReasonCode code) {
  return code == ReasonCode::kCapacity || code == ReasonCode::kDomain || code == ReasonCode::kSpread ||
         code == ReasonCode::kPromised;
}

/// Whether what it says of room may have been otherwise before the pass was over.
bool may_be_stale(State& state, const Reason& reason, const Plan& plan) {
  if (!is_about_room(reason.code)) return false;
  if (!plan.starts.empty()) return true;
  if (reason.code != ReasonCode::kPromised) return false;
  const Job* other = reason.other ? state.find(*reason.other) : nullptr;
  return other == nullptr || !other->promise || (reason.at && other->promise->begin != *reason.at);
}

}  // namespace

void retell(State& state, TimePoint now, Plan& plan) {
  std::map<const Group*, std::optional<Reason>> of_group;  // of members without a promise
  for (Hold& hold : plan.holds) {
    if (!may_be_stale(state, hold.reason, plan)) continue;
    Job& job = *state.find(hold.id);
    const auto known = job.promise ? of_group.end() : of_group.find(job.group);
    auto reason = known != of_group.end() ? known->second : no_room(state, job, window_end(now, job.limit_s));
    if (!reason && !job.charged) {
      Reason of_quota;
      if (blocked_by_quota(state, job, now, false, of_quota)) reason = std::move(of_quota);
    }
    if (!job.promise && known == of_group.end()) of_group.emplace(job.group, reason);
    if (!reason) continue;
    if (job.promise) add_expected(state, *job.promise, now, *reason);
    forget_past(state, now, *reason);
    if (!job.reason && reason->code == job.group->code) {
      job.group->reason = std::make_shared<const Reason>(*reason);
    } else {
      keep(job, *reason);
    }
    hold.reason = *std::move(reason);
  }
}

}  // namespace millrace::scheduler
