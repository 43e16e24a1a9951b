// When a budget falls: cap, then pause preemptible work, then shed batch, then anything.
#include "scheduler/stop/shed.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "scheduler/books/run.h"
#include "scheduler/stop/caps.h"

namespace millrace::scheduler {
namespace {

/// Work whose grace is over: it is gone before anything else happens. Work that was told to stop and has grace left still draws.
bool is_gone(const Job& job, TimePoint now) { return job.stopping && job.end <= now; }

std::int64_t expected_now_mw(State& state, const Budgeted& b, TimePoint now) {
  std::int64_t sum = b.idle_mw + b.work_mw;
  if (sum <= b.budget_at(now) || b.stopping_mw == 0) return sum;
  for (const Job* job : all_running(state)) {
    if (is_gone(*job, now)) sum -= against(job->draws, b).milliwatts;
  }
  return sum;
}

/// What a scope will draw at `at` without any new start. Work whose limit is over counts until it is confirmed to be gone.
std::int64_t expected_mw(State& state, const Budgeted& b, TimePoint at, TimePoint now) {
  if (at <= now) return expected_now_mw(state, b, now);
  const auto check = b.checks.find(at);
  if (check != b.checks.end()) return b.idle_mw + check->second.running.milliwatts;
  return b.idle_mw + b.work_mw - b.stopping_mw;
}

bool counts_at(const Job& job, TimePoint at, TimePoint now) {
  return at <= now ? !is_gone(job, now) : job.end > at;
}

std::vector<Job*> drawing(State& state, const Budgeted& b, TimePoint at, TimePoint now) {
  std::vector<Job*> result;
  for (Job* job : all_running(state)) {
    if (counts_at(*job, at, now) && against(job->draws, b).milliwatts > 0) result.push_back(job);
  }
  return result;
}

Reason fall_reason(const State& state, const Budgeted& b, TimePoint at, TimePoint now) {
  Reason reason;
  reason.code = ReasonCode::kBudgetFall;
  reason.subject = state.power.name_of(b.scope);
  reason.free = b.budget_at(at);
  if (at > now) reason.at = at;
  reason.resource = "W";
  return reason;
}

std::int64_t draw_capped(const State& state, const Job& job, const Budgeted& b, std::int32_t cap) {
  const std::int32_t effective = std::min(job.cap_milli, cap);
  return against(state.power.draws(job, job.places, effective), b).milliwatts;
}

/// The highest common cap of these that keeps the budget, or the floor.
void cap_these(State& state, const std::vector<Job*>& jobs, const Budgeted& b, TimePoint at, TimePoint now,
               Plan& plan) {
  const std::int64_t over = expected_mw(state, b, at, now) - b.budget_at(at);
  const auto saved = [&](std::int32_t cap) {
    std::int64_t sum = 0;
    for (const Job* job : jobs) sum += against(job->draws, b).milliwatts - draw_capped(state, *job, b, cap);
    return sum;
  };
  std::int32_t low = state.policies.cap_floor_milli;
  std::int32_t high = 1000;
  while (low + 1 < high) {
    const std::int32_t middle = (low + high) / 2;
    (saved(middle) >= over ? low : high) = middle;
  }
  if (saved(low) <= 0) return;
  const Reason reason = fall_reason(state, b, at, now);
  for (Job* job : jobs) {
    if (job->cap_milli <= low || job->work.accelerator_draw_milli <= low ||
        job->work.demand.accelerators == 0)
      continue;
    set_cap(state, *job, low, &b, now);
    tell_cap(state, plan, *job, reason);
  }
}

/// The lowest class first, services last.
void cap_some(State& state, const Budgeted& b, TimePoint at, TimePoint now, Plan& plan) {
  std::map<Precedence, std::vector<Job*>> classes;
  for (Job* job : drawing(state, b, at, now)) classes[precedence_of(job->work)].push_back(job);
  for (const auto& [which, jobs] : classes) {
    if (expected_mw(state, b, at, now) <= b.budget_at(at)) return;
    cap_these(state, jobs, b, at, now, plan);
  }
}

/// Paused before anything loses work; then preemptible work, batch, services.
int tier_of(const Job& job, std::chrono::microseconds notice) {
  if (job.work.service) return 3;
  if (is_pausable(job, notice)) return 0;
  return job.work.preemptible ? 1 : 2;
}

void stop_some(State& state, const Budgeted& b, TimePoint at, TimePoint now, Plan& plan) {
  const std::chrono::microseconds notice = std::max(at, now) - now;
  std::vector<Job*> jobs = drawing(state, b, at, now);
  std::ranges::sort(jobs, {}, [=](const Job* job) {
    return std::tuple(tier_of(*job, notice), job->work.priority, loss_of(*job, now, notice), job->work.id);
  });
  std::int64_t over = expected_mw(state, b, at, now) - b.budget_at(at);
  std::vector<Job*> chosen;
  for (Job* job : jobs) {
    if (over <= 0) break;
    over -= against(job->draws, b).milliwatts;
    chosen.push_back(job);
  }
  const Reason reason = fall_reason(state, b, at, now);
  for (auto it = chosen.rbegin(); it != chosen.rend(); ++it) {
    Job& job = **it;
    if (over + against(job.draws, b).milliwatts <= 0) {
      over += against(job.draws, b).milliwatts;
      continue;
    }
    const auto grace = std::min<std::chrono::microseconds>(job.work.grace, notice);
    const bool known = job.stopping;
    stop_running(state, job, now + grace);
    std::erase_if(plan.preempts, [&](const Preempt& p) { return known && p.id == job.work.id; });
    plan.preempts.push_back({job.work.id, grace, reason});
  }
}

void report_infeasible(State& state, Budgeted& b, TimePoint at, Plan& plan) {
  const std::int64_t budget = b.budget_at(at);
  const auto next = b.changes.upper_bound(at);
  if (b.idle_mw <= budget || next == b.changes.begin()) return;
  const TimePoint from = std::prev(next)->first;
  if (!b.reported.insert(from).second) return;
  Infeasible report{.scope = b.scope, .from = from, .budget_mw = budget, .idle_mw = b.idle_mw, .nodes = {}};
  const auto kind = static_cast<std::size_t>(b.scope.kind);
  std::vector<NodeIndex> nodes;
  for (NodeIndex i = 0; i < state.pool.size(); ++i) {
    if (state.power.budgets_of(i)[kind] == &b && state.pool.node(i).health != Health::kDown)
      nodes.push_back(i);
  }
  std::ranges::sort(nodes, {}, [&](NodeIndex i) {
    return std::tuple(!state.pool.node(i).running.empty(), -state.power.idle_of(i), i);
  });
  std::int64_t over = b.idle_mw - budget;
  for (const NodeIndex i : nodes) {
    if (over <= 0) break;
    over -= state.power.idle_of(i);
    report.nodes.push_back(i);
  }
  plan.infeasible.push_back(std::move(report));
}

void keep_at(State& state, Budgeted& b, TimePoint at, TimePoint now, Plan& plan) {
  if (expected_mw(state, b, at, now) <= b.budget_at(at)) return;
  cap_some(state, b, at, now, plan);
  if (expected_mw(state, b, at, now) > b.budget_at(at)) stop_some(state, b, at, now, plan);
  report_infeasible(state, b, at, plan);
}

/// How long before a change something is done about it: what is stopped needs its grace, and all of it a moment.
std::chrono::microseconds lead_of(State& state, const Budgeted& b) {
  constexpr std::chrono::seconds kMoment{15};
  std::chrono::seconds longest{0};
  for (const Job* job : all_running(state)) {
    if (!job->stopping && against(job->draws, b).milliwatts > 0) longest = std::max(longest, job->work.grace);
  }
  return std::min(state.policies.power_lead, longest + kMoment);
}

}  // namespace

void keep_budgets(State& state, TimePoint now, Plan& plan) {
  for (Budgeted* b : state.power.take_unchecked(now)) {
    keep_at(state, *b, now, now, plan);
    if (expected_mw(state, *b, now, now) > b->budget_at(now)) state.power.mark(*b);
    std::optional<std::chrono::microseconds> lead;
    for (auto it = b->changes.upper_bound(now); it != b->changes.end(); ++it) {
      if (it->first > now + state.policies.power_lead) break;
      if (!lead) lead = lead_of(state, *b);
      if (it->first > now + *lead) break;
      keep_at(state, *b, it->first, now, plan);
    }
  }
}

std::optional<TimePoint> next_budget_time(State& state, TimePoint now) {
  std::optional<TimePoint> next;
  for (const Budgeted* b : state.power.timed()) {
    for (auto it = b->changes.upper_bound(now); it != b->changes.end(); ++it) {
      TimePoint at = it->first - state.policies.power_lead;
      if (next && at >= *next) break;
      if (at <= now) at = it->first - lead_of(state, *b);
      if (at <= now) at = it->first;
      next = next ? std::min(*next, at) : at;
    }
  }
  return next;
}

}  // namespace millrace::scheduler
