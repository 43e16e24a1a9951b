#include "scheduler/pass/tell.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "scheduler/books/queueing.h"
#include "scheduler/fit/place.h"
#include "scheduler/fit/why.h"
#include "scheduler/pass/kept_quota.h"

namespace millrace::scheduler {

namespace {

void keep(Job& job, const Reason& reason) {
  job.told = told_of(reason);
  if (job.group->told != job.told) job.group->mixed = true;
  job.reason = std::make_shared<const Reason>(reason);
}

}  // namespace

void tell(State& state, Job& job, Reason reason, TimePoint now, Plan& plan) {
  if (job.promise) add_expected(state, *job.promise, now, reason);
  forget_past(state, now, reason);
  if (job.told != told_of(reason)) plan.holds.push_back({job.work.id, reason});
  keep(job, reason);
}

void tell_group(State& state, Group& group, const Job& last, Plan& plan) {
  const bool same = group.told == last.told;
  group.told = last.told;
  group.reason = last.reason;
  if (same && !group.mixed) return;
  for (const Turn& turn : group.members) {
    Job& job = *turn.job;
    if (job.promise || job.seen_walk == state.walk) continue;
    if (job.told != group.told) plan.holds.push_back({job.work.id, *group.reason});
    job.fresh = false;
    job.told = group.told;
    job.reason.reset();
  }
  group.mixed = false;
}

void tell_waiting(State& state, Plan& plan) {
  for (const WorkloadId id : state.fresh) {
    Job* job = state.find(id);
    if (job == nullptr || job->phase != Phase::kWaiting || job->told.code == ReasonCode::kNotBefore) continue;
    Reason reason;
    reason.code = ReasonCode::kNotBefore;
    reason.at = job->work.not_before;
    job->told = told_of(reason);
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

/// Whether what it says may have been otherwise before the pass was over: starts took room, promises moved.
bool may_be_stale(const Reason& reason, const Plan& plan) {
  if (reason.code == ReasonCode::kPromised || reason.code == ReasonCode::kPower) return true;
  return changes_by_itself(reason.code) && !plan.starts.empty();
}

}  // namespace

bool changes_by_itself(ReasonCode code) {
  return lacks_room(code) || comes_before_room(code) || code == ReasonCode::kPromised;
}

Reason as_it_is(const State& state, Reason told, Reason keeps, TimePoint now) {
  if (told.code != ReasonCode::kPower || keeps.code == told.code) return keeps;
  const Budgeted* budget = told.scope ? state.power.find(*told.scope) : nullptr;
  if (budget == nullptr) return keeps;
  if (told.at && *told.at <= now) told.at.reset();
  told.free = state.power.left_mw(*budget, now, told.at.value_or(now));
  return told.free < told.needed ? told : keeps;
}

std::optional<Reason> what_keeps(State& state, Job& job, TimePoint now, Keeping keeping) {
  Reason reason;
  if (!job.charged && blocked_by_quota(state, job, now, keeping, reason)) return reason;
  const bool power_blocked = job.shape->power_blocked;
  std::optional<Found> found;
  job.end = end_of(job.work, now);
  if (job.promise) found = find_promised(state, job, now, reason);
  if (!found && reason.code != ReasonCode::kPower)
    found = find_places_beside_promise(state, job, now, reason);
  if (found) undo(state, job, found->places);
  job.end = kNever;
  if (keeping == Keeping::kLook) job.shape->power_blocked = power_blocked;
  if (found) return std::nullopt;
  if (job.promise) add_expected(state, *job.promise, now, reason);
  forget_past(state, now, reason);
  return reason;
}

bool retell(State& state, TimePoint now, Plan& plan) {
  std::set<WorkloadId> free_to_start;
  std::map<const Group*, std::optional<Reason>> of_group;  // of members without a promise
  for (Hold& hold : plan.holds) {
    if (!may_be_stale(hold.reason, plan)) continue;
    Job& job = *state.find(hold.id);
    const auto known = job.promise ? of_group.end() : of_group.find(job.group);
    auto reason = known != of_group.end() ? known->second : what_keeps(state, job, now, Keeping::kNothing);
    if (!job.promise && known == of_group.end()) of_group.emplace(job.group, reason);
    if (!reason) {
      if (!job.charged && !comes_before_room(hold.reason.code)) free_to_start.insert(hold.id);
      continue;
    }
    reason = as_it_is(state, hold.reason, *std::move(reason), now);
    if (!job.reason && told_of(*reason) == job.group->told) {
      job.group->reason = std::make_shared<const Reason>(*reason);
    } else {
      keep(job, *reason);
    }
    hold.reason = *std::move(reason);
  }
  for (const WorkloadId id : free_to_start) {
    Job& job = *state.find(id);
    look_again(state, job);
    job.told = {};
    job.group->mixed = true;
  }
  std::erase_if(plan.holds, [&](const Hold& hold) { return free_to_start.contains(hold.id); });
  return !free_to_start.empty();
}

}  // namespace millrace::scheduler
