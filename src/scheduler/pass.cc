// A pass: budgets are kept, then pending work is walked in order, then what the walk asked for is done; repeated while that
// gave something back. During a walk capacity, power and quota only shrink, so that what failed once fails again.
#include <algorithm>

#include "scheduler/collect.h"
#include "scheduler/place.h"
#include "scheduler/state.h"
#include "scheduler/walk.h"

namespace millrace::scheduler {
namespace {

/// A pass that did not settle in so many walks goes on in the next, at once.
constexpr int kWalksMax = 8;

class Pass {
 public:
  Pass(State& state, TimePoint now, Plan& plan) : state_(state), now_(now), plan_(plan) {}

  void run(bool full) {
    unsettled_ = true;
    for (; walks_ < kWalksMax && unsettled_; ++walks_) {
      unsettled_ = walk(full);
      full = again_full_;
    }
  }
  int walks() const { return walks_; }
  bool unsettled() const { return unsettled_; }

 private:
  // One walk and what follows it; whether another is due.
  bool walk(bool full) {
    full_ = full;
    again_full_ = false;
    drop_below_ = INT32_MIN;
    preemptors_.clear();
    ++state_.walk;
    Walk order(state_.accounts, now_);
    collect(state_, order, now_, full_);
    while (auto entry = order.next()) {
      Job& job = *entry->turn.job;
      visit(job);
      if (entry->follow != nullptr) follow(order, *entry->follow, entry->turn);
    }
    return settle();
  }

  void visit(Job& job) {
    if (job.seen_walk == state_.walk || job.phase != Phase::kPending) return;
    job.seen_walk = state_.walk;
    const bool consider = std::exchange(job.fresh, false) || full_;
    Reason reason;
    if (try_start(job, reason, consider)) return;
    const bool claims = job.promise && job.promise->claim;
    if (!claims) plan_for(job, reason, consider);
    if (consider) tell(job, std::move(reason));
  }

  void follow(Walk& order, Group& group, const Turn& turn) {
    const Job& job = *turn.job;
    if (job.phase == Phase::kRunning || job.promise) {
      order.add_after(group, turn);
      return;
    }
    if (full_) tell_group(group, job);
  }

  bool try_start(Job& job, Reason& reason, bool consider) {
    if (job.shape->holds_most < job.shape->key.tasks) {
      reason = never_fits(*job.shape);
      return false;
    }
    if (job.charged ? waits_for_quota(job) : blocked_by_quota(job, reason, consider)) return false;
    job.end = job.work.limit ? now_ + *job.work.limit : kNever;
    std::optional<Found> found;
    if (job.promise) found = find_promised(state_, job, now_);
    if (!found) found = find(job, reason);
    if (!found) {
      job.end = kNever;
      return false;
    }
    start(job, std::move(*found));
    return true;
  }

  std::optional<Found> find(Job& job, Reason& reason) {
    Shape& shape = *job.shape;
    if (shape.failed_walk == state_.walk && job.limit_s >= shape.failed_limit_s) {
      reason = shape.failure;
      return std::nullopt;
    }
    auto found = find_places(state_, job, now_, reason);
    if (found) return found;
    shape.failed_walk = state_.walk;
    shape.failed_limit_s = job.limit_s;
    shape.failure = reason;
    return std::nullopt;
  }

  static Reason never_fits(const Shape& shape) {
    Reason reason;
    reason.code = ReasonCode::kNeverFits;
    reason.needed = shape.key.tasks;
    reason.free = shape.holds_most;
    reason.resource = "tasks";
    return reason;
  }

  // What is left of a quota is kept for the first that it is too little for, from when that is considered until it starts,
  // leaves, or all is considered again.
  bool blocked_by_quota(Job& job, Reason& reason, bool consider) {
    AccountTree& accounts = state_.accounts;
    if (const auto lack = accounts.lack(job.work.account, job.shape->request)) {
      auto& entry = accounts.at(lack->account);
      entry.blocked_groups.insert(job.group);
      if (consider && lack->ever && (!entry.kept || entry.kept->rank < job.rank))
        entry.kept = Kept{job.rank, job.work.id};
      reason.code = ReasonCode::kQuota;
      reason.needed = lack->needed;
      reason.free = lack->free;
      reason.subject = entry.account.name;
      reason.resource = lack->resource;
      return true;
    }
    for (AccountIndex a = job.work.account; a != kNoAccount; a = accounts.at(a).account.parent) {
      auto& entry = accounts.at(a);
      if (!entry.kept || entry.kept->rank <= job.rank) continue;
      entry.blocked_groups.insert(job.group);
      reason.code = ReasonCode::kQuotaKept;
      reason.other = entry.kept->id;
      reason.subject = entry.account.name;
      return true;
    }
    return false;
  }

  /// A claim is charged already, on top of the work that was told to stop for it.
  bool waits_for_quota(const Job& job) {
    const auto over = state_.accounts.over(job.work.account);
    if (over) state_.accounts.at(*over).blocked_groups.insert(job.group);
    return over.has_value();
  }

  void start(Job& job, Found found) {
    for (AccountIndex a = job.work.account; a != kNoAccount; a = state_.accounts.at(a).account.parent) {
      if (state_.accounts.at(a).kept && state_.accounts.at(a).kept->id == job.work.id) unkept_.push_back(a);
    }
    if (job.promise) retire_promise(state_, job);
    unqueue(state_, job);
    std::ranges::sort(found.places, {}, [](const TaskPlace& p) { return std::pair(p.node, p.devices); });
    Start decision{.id = job.work.id, .places = found.places, .cap_milli = found.cap_milli, .reason = {}};
    if (found.cap_milli < 1000) {
      decision.reason.code = ReasonCode::kBudgetStart;
      decision.reason.subject = state_.power.name_of(found.draws.back().budget->scope);
    }
    plan_.starts.push_back(std::move(decision));
    begin_running(state_, job, std::move(found.places), found.cap_milli, now_);
    job.reason.reset();
  }

  bool lower_promises(std::int32_t rank) const {
    return std::ranges::any_of(state_.promised, [&](const auto& entry) {
      return entry.second->rank < rank && !entry.second->promise->claim;
    });
  }

  // What is done for work that could not start: a promise, or what clears the way for it after the walk.
  void plan_for(Job& job, Reason& reason, bool consider) {
    const bool room = reason.code == ReasonCode::kCapacity || reason.code == ReasonCode::kDomain ||
                      reason.code == ReasonCode::kRacks || reason.code == ReasonCode::kPromised ||
                      reason.code == ReasonCode::kPower;
    if (reason.code == ReasonCode::kPromised && fits_without_lower(job)) {
      ask_drop(job);
      return;
    }
    if (!consider) return;
    if (state_.policies.preempt && (room || reason.code == ReasonCode::kQuota)) preemptors_.push_back(&job);
    if (!room) return;
    if (job.promise) {
      if (full_) bring_forward(job);
    } else if (!job.group->unplannable && lower_promises(job.rank)) {
      ask_drop(job);
    } else if (std::ssize(state_.promised) < state_.policies.reservations) {
      promise(job);
    }
  }

  void promise(Job& job) {
    if (job.shape->unplannable_walk == state_.walk && job.limit_s >= job.shape->unplannable_limit_s) {
      job.group->unplannable = true;
      return;
    }
    auto planned = plan_promise(state_, job, now_);
    job.group->unplannable = !planned;
    if (planned) {
      give_promise(state_, job, std::move(*planned), now_);
    } else {
      job.shape->unplannable_walk = state_.walk;
      job.shape->unplannable_limit_s = job.limit_s;
    }
  }

  void bring_forward(Job& job) {
    auto better = plan_promise(state_, job, now_);
    if (!better) return;
    retire_promise(state_, job);
    give_promise(state_, job, std::move(*better), now_);
  }

  void ask_drop(Job& job) {
    drop_below_ = std::max(drop_below_, job.rank);
    if (full_) {
      again_full_ = true;
    } else {
      job.fresh = true;
      state_.fresh.push_back(job.work.id);
    }
  }

  /// Whether it would have room if nothing were promised to work of a lower rank.
  bool fits_without_lower(const Job& job) {
    if (!lower_promises(job.rank)) return false;
    std::vector<Job*> lower;
    for (const auto& [id, other] : state_.promised) {
      if (other->rank < job.rank && !other->promise->claim) lower.push_back(other);
    }
    for (Job* other : lower) state_.pool.unpromise(*other, *other->promise);
    const std::int64_t count = count_places(state_, job, window_end(now_, job.limit_s));
    for (Job* other : lower) state_.pool.promise(*other, *other->promise);
    return count >= job.shape->key.tasks;
  }

  void tell(Job& job, Reason reason) {
    if (job.promise) {
      reason.at = job.promise->begin;
      reason.other = job.promise->because;
      if (job.promise->claim) reason.code = ReasonCode::kPreempting;
    }
    if (job.code != reason.code) plan_.holds.push_back({job.work.id, reason});
    job.code = reason.code;
    if (job.group->code != reason.code) job.group->mixed = true;
    job.reason = std::make_shared<const Reason>(std::move(reason));
  }

  // The rest of a group shares the fate of the member that was looked at last.
  void tell_group(Group& group, const Job& last) {
    const bool same = group.code == last.code;
    group.code = last.code;
    group.reason = last.reason;
    if (same && !group.mixed) return;
    for (const Turn& turn : group.members) {
      Job& job = *turn.job;
      if (job.promise || job.seen_walk == state_.walk) continue;
      if (job.code != group.code) plan_.holds.push_back({job.work.id, *group.reason});
      job.fresh = false;
      job.code = group.code;
      job.reason.reset();
    }
    group.mixed = false;
  }

  // After the walk: what was given back is free again, and may let others start.
  bool settle() {
    bool again = !state_.ghosts.empty();
    lay_ghosts(state_);
    for (const AccountIndex a : std::exchange(unkept_, {})) {
      state_.accounts.unkeep(a);
      again = true;
    }
    if (drop_below_ != INT32_MIN) again = drop_lower() || again;
    again = preempt() || again;
    return again || again_full_;
  }

  bool drop_lower() {
    std::vector<Job*> lower;
    for (const auto& [id, job] : state_.promised) {
      if (job->rank < drop_below_ && !job->promise->claim) lower.push_back(job);
    }
    for (Job* job : lower) {
      drop_promise(state_, *job, now_);
      job->fresh = true;
      state_.fresh.push_back(job->work.id);
    }
    return !lower.empty();
  }

  bool preempt() {
    bool any = false;
    std::int32_t left = state_.policies.preemptors_per_pass;
    for (Job* job : preemptors_) {
      if (left-- <= 0) break;
      if (job->phase == Phase::kPending && !(job->promise && job->promise->claim) &&
          preempt_for(state_, *job, now_, plan_)) {
        Reason reason;
        reason.code = ReasonCode::kPreempting;
        tell(*job, std::move(reason));
        any = true;
      }
    }
    return any;
  }

  State& state_;
  TimePoint now_;
  Plan& plan_;
  bool full_ = false;
  bool again_full_ = false;
  bool unsettled_ = false;
  int walks_ = 0;
  std::int32_t drop_below_ = INT32_MIN;
  std::vector<Job*> preemptors_;
  std::vector<AccountIndex> unkept_;
};

void stop_lost(State& state, TimePoint now, Plan& plan) {
  for (const WorkloadId id : state.lost) {
    Job& job = *state.find(id);
    if (job.stopping && job.end <= now) continue;
    Reason reason;
    reason.code = ReasonCode::kNodeDown;
    for (const TaskPlace& place : job.places) {
      if (state.pool.node(place.node).health == Health::kDown)
        reason.subject = state.cluster.nodes[place.node].name;
    }
    stop_running(state, job, now);
    plan.preempts.push_back({id, std::chrono::microseconds(0), std::move(reason)});
  }
  state.lost.clear();
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

/// Of several walks only the last word on a workload counts.
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

std::optional<TimePoint> earlier(std::optional<TimePoint> a, std::optional<TimePoint> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

std::optional<TimePoint> wake_time(const State& state, TimePoint now, bool unsettled) {
  if (unsettled) return now;
  std::optional<TimePoint> wake = next_budget_time(state, now);
  if (!state.waiting.empty()) wake = earlier(wake, state.waiting.begin()->first);
  if (!state.starving.empty()) wake = earlier(wake, state.starving.begin()->first);
  if (state.released && state.queue.size() > 0 && state.last_full) {
    wake = earlier(wake, *state.last_full + state.policies.replan_every);
  }
  return wake;
}

}  // namespace

Plan run_pass(State& state, TimePoint now, bool full) {
  Plan plan;
  ++state.counters.passes;
  fire_timers(state, now);
  tell_waiting(state, plan);
  stop_lost(state, now, plan);
  keep_budgets(state, now, plan);
  lift_caps(state, now, plan);
  if (!state.last_full || (state.released && now - *state.last_full >= state.policies.replan_every))
    full = true;
  if (full) {
    state.last_full = now;
    state.released = false;
  }
  Pass pass(state, now, plan);
  pass.run(full);
  state.queue.sweep([&](Group& group) {
    for (AccountIndex a = group.key.account; a != kNoAccount; a = state.accounts.at(a).account.parent) {
      state.accounts.at(a).blocked_groups.erase(&group);
    }
  });
  if (pass.walks() > 1) settle_holds(state, plan);
  plan.wake = wake_time(state, now, pass.unsettled());
  return plan;
}

}  // namespace millrace::scheduler
