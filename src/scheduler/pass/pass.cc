// A pass: what ended, budgets, then pending work, caps that may be lifted, and when the next is due.
#include "scheduler/pass/pass.h"

#include <algorithm>

#include "scheduler/books/queueing.h"
#include "scheduler/books/run.h"
#include "scheduler/pass/pending.h"
#include "scheduler/pass/tell.h"
#include "scheduler/promise/promise.h"
#include "scheduler/stop/caps.h"
#include "scheduler/stop/shed.h"

namespace millrace::scheduler {
namespace {

void fire_timers(State& state, TimePoint now) {
  while (!state.waiting.empty() && state.waiting.begin()->first <= now) {
    Job& job = *state.find(state.waiting.begin()->second);
    state.waiting.erase(state.waiting.begin());
    enqueue(state, job);
  }
  while (!state.starving.empty() && state.starving.begin()->first <= now) {
    Job& job = *state.find(state.starving.begin()->second);
    unqueue(state, job);
    set_rank(state, job, kStarvedRank);
    enqueue(state, job);
  }
}

void stop_lost(State& state, TimePoint now, Plan& plan) {
  for (const auto& [id, node] : state.lost) {
    Job& job = *state.find(id);
    if (job.stopping && job.end <= now) continue;
    Reason reason;
    reason.code = ReasonCode::kNodeDown;
    reason.subject = state.cluster.nodes[node].name;
    stop_running(state, job, now);
    plan.preempts.push_back({id, std::chrono::microseconds(0), std::move(reason)});
  }
  state.lost.clear();
}

void note_budget_changes(State& state, TimePoint now) {
  for (const Budgeted* b : state.power.timed()) {
    const auto due = state.last_pass ? b->changes.upper_bound(*state.last_pass) : b->changes.begin();
    if (due != b->changes.end() && due->first <= now) state.power_eased = state.released = true;
  }
  state.last_pass = now;
}

std::optional<TimePoint> earlier(std::optional<TimePoint> a, std::optional<TimePoint> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

std::optional<TimePoint> wake_time(State& state, TimePoint now, bool unsettled) {
  if (unsettled) return now;
  std::optional<TimePoint> wake = next_budget_time(state, now);
  if (!state.waiting.empty()) wake = earlier(wake, state.waiting.begin()->first);
  if (!state.starving.empty()) wake = earlier(wake, state.starving.begin()->first);
  if ((state.released || state.stale) && state.queue.size() > 0 && state.last_full) {
    wake = earlier(wake, *state.last_full + state.policies.replan_every);
  }
  return wake;
}

void tell_policy(State& state) {
  const auto news = state.expected.news();
  if (!news) return;
  state.policy->expect(*news);
  state.pool.forget_scores();
}

}  // namespace

Plan run_pass(State& state, TimePoint now, bool full) {
  Plan plan;
  ++state.counters.passes;
  tell_policy(state);
  fire_timers(state, now);
  note_budget_changes(state, now);
  tell_waiting(state, plan);
  stop_lost(state, now, plan);
  keep_budgets(state, now, plan);
  const bool eased = state.power_eased;
  const bool is_due = state.last_full && now - *state.last_full >= state.policies.replan_every;
  if (!state.last_full || state.cut || ((state.released || state.stale) && is_due)) full = true;
  if (full) {
    state.last_full = now;
    drop_overdrawn(state, now);
    state.released = state.stale = false;
  }
  const Looked looked = look_at_pending(state, now, full, plan);
  state.queue.sweep([&](Group& group) {
    for (AccountIndex a = group.key.account; a != kNoAccount; a = state.accounts.at(a).account.parent) {
      state.accounts.at(a).blocked_groups.erase(&group);
    }
  });
  if (looked.walks > 1) settle_holds(state, plan);
  const bool has_free_to_start = retell(state, now, plan);
  // What waits, or was paused, comes before what runs, only slower.
  if (eased || state.power_eased) lift_caps(state, now, plan);
  settle_caps(state, plan);
  state.cut = looked.is_cut;
  const bool has_power = state.power_eased && state.power.any() && state.queue.size() > 0;
  plan.wake = wake_time(state, now, looked.is_unsettled || has_free_to_start || has_power);
  if (looked.comes_back) plan.wake = earlier(plan.wake, now + std::chrono::microseconds(1));
  return plan;
}

}  // namespace millrace::scheduler
