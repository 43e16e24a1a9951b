#include "scheduler/stop/caps.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "scheduler/books/run.h"

namespace millrace::scheduler {
namespace {

struct Liftable {
  std::int32_t cap_milli = 1000;
  const Budgeted* by = nullptr;  // what keeps it from more
};

/// What a capped job lacks for a higher cap.
std::optional<PowerLedger::Lack> lack_at(const State& state, const Job& job, std::int32_t cap,
                                         TimePoint now) {
  auto more = state.power.draws(job, job.places, cap);
  for (ScopeDraw& d : more) {
    d.milliwatts -= against(job.draws, *d.budget).milliwatts;
    d.least_mw = 0;  // it is there as it was
  }
  return state.power.lack(more, {.from = now, .until = job.end});
}

/// A cap above this changes nothing.
std::int32_t most_cap(const Job& job) {
  return std::max(std::min(job.work.accelerator_draw_milli, 1000), job.cap_milli);
}

/// The highest cap at which a capped job fits all its budgets.
Liftable liftable(const State& state, const Job& job, TimePoint now) {
  std::int32_t low = job.cap_milli;
  std::int32_t high = most_cap(job);
  auto lack = lack_at(state, job, high, now);
  if (!lack) return {};
  while (low + 1 < high) {
    const std::int32_t middle = (low + high) / 2;
    if (const auto its = lack_at(state, job, middle, now)) {
      high = middle;
      lack = its;
    } else {
      low = middle;
    }
  }
  return {low, lack->budget};
}

/// And its cap is lifted after the other's.
bool is_capped_before(const Job* a, const Job* b) {
  return std::tuple(precedence_of(a->work), b->work.id) < std::tuple(precedence_of(b->work), a->work.id);
}

/// What capping work of lower classes, or of its own as well, saves at most.
std::int64_t savings(const Job& job, const Budgeted& b, bool own_class) {
  std::int64_t sum = 0;
  for (const auto& [precedence, saves_mw] : b.saves) {
    const Precedence own = precedence_of(job.work);
    if (precedence < own || (own_class && precedence == own)) sum += saves_mw;
  }
  return sum;
}

}  // namespace

void tell_cap(State& state, Plan& plan, Job& job, Reason reason) {
  if (std::exchange(job.cap_pass, state.counters.passes) != state.counters.passes) {
    job.cap_at = plan.caps.size();
    plan.caps.emplace_back();
  }
  plan.caps[job.cap_at] = {job.work.id, job.cap_milli, std::move(reason)};
}

void settle_caps(State& state, Plan& plan) {
  std::erase_if(plan.caps, [&](const Cap& cap) { return cap.cap_milli == state.find(cap.id)->cap_told; });
  for (const Cap& cap : plan.caps) state.find(cap.id)->cap_told = cap.cap_milli;
}

CapsForStart::CapsForStart(State& state, const Job& job, const Budgeted& budget, Wanted wanted, TimePoint now)
    : state_(state), job_(job), budget_(budget), eased_(state.power_eased) {
  const std::int64_t most_mw = savings(job, budget, wanted.own_class);
  if (most_mw == 0 || (wanted.all && most_mw < wanted.save_mw)) return;
  const Precedence own = precedence_of(job.work);
  std::vector<Job*> others;
  for (Job* other : all_running(state)) {
    const Precedence its = precedence_of(other->work);
    if (its > own || (its == own && !wanted.own_class) || other->stopping) continue;
    const std::int64_t saves_mw = against(other->draws, budget).saves_mw;
    if (saves_mw == 0) continue;
    if (other->started >= now) {
      more_later_ = true;
    } else {
      others.push_back(other);
    }
  }
  std::ranges::sort(others, is_capped_before);
  std::int64_t left_mw = wanted.save_mw;
  std::size_t enough = 0;
  for (; left_mw > 0 && enough < others.size(); ++enough)
    left_mw -= against(others[enough]->draws, budget).saves_mw;
  if (wanted.all && left_mw > 0) return;
  others.resize(enough);
  for (Job* other : others) {
    lowered_.push_back({other, {other->cap_milli, other->capped_by, other->end}});
    set_cap(state, *other, state.policies.cap_floor_milli, &budget, now);
  }
}

CapsForStart::~CapsForStart() {
  if (lowered_.empty()) return;
  for (const Lowered& l : lowered_) restore_cap(state_, *l.job, l.was);
  state_.power_eased = eased_;
}

void CapsForStart::settle(TimePoint now, Plan& plan) {
  std::ranges::reverse(lowered_);
  bool eases_others = false;
  for (const Lowered& l : std::exchange(lowered_, {})) {
    const auto [cap, by] = liftable(state_, *l.job, now);
    if (cap >= l.was.cap_milli) {
      restore_cap(state_, *l.job, l.was);
    } else if (cap > l.job->cap_milli) {
      set_cap(state_, *l.job, cap, by, now);
    }
    Reason reason;
    reason.code = ReasonCode::kBudgetShared;
    reason.other = job_.work.id;
    reason.subject = state_.power.name_of(budget_.scope);
    if (cap >= l.was.cap_milli) continue;
    tell_cap(state_, plan, *l.job, std::move(reason));
    eases_others = eases_others || l.job->draws.size() > 1;
  }
  state_.power_eased = eased_ || eases_others;
}

namespace {

std::optional<Found> find_with_lower_capped(State& state, Job& job, TimePoint now, const Reason& reason,
                                            std::optional<CapsForStart>& caps) {
  Shape& shape = *job.shape;
  const Precedence own = precedence_of(job.work);
  if (shape.uncappable_walk == state.walk && job.limit_s >= shape.uncappable_limit_s &&
      own <= shape.uncappable_precedence)
    return std::nullopt;
  Reason ignored;
  caps.emplace(state, job, *state.power.find(*reason.scope),
               CapsForStart::Wanted{.save_mw = reason.needed - reason.free}, now);
  if (caps->any()) {
    if (auto found = find_places_beside_promise(state, job, now, ignored)) return found;
  }
  shape.uncappable_walk = state.walk;
  shape.uncappable_limit_s = job.limit_s;
  shape.uncappable_precedence = own;
  return std::nullopt;
}

}  // namespace

std::optional<Found> find_with_others_capped(State& state, Job& job, TimePoint now, const Reason& of_promise,
                                             const Reason& reason, std::optional<CapsForStart>& caps,
                                             bool& more_later) {
  std::optional<Found> found;
  if (of_promise.code == ReasonCode::kPower) {
    const bool due = job.promise->begin <= now;
    const CapsForStart::Wanted wanted{.save_mw = of_promise.needed - of_promise.free, .own_class = due};
    caps.emplace(state, job, *state.power.find(*of_promise.scope), wanted, now);
    more_later = caps->more_later();
    Reason ignored;
    if (caps->any()) found = find_promised(state, job, now, ignored);
    if (found && due && found->cap_milli > least_cap(state, job)) {
      found->cap_milli = least_cap(state, job);
      found->capped_by = state.power.find(*of_promise.scope);
    }
  }
  if (!found && reason.code == ReasonCode::kPower) {
    found = find_with_lower_capped(state, job, now, reason, caps);
    more_later = more_later || (caps && caps->more_later());
  }
  if (!found) caps.reset();
  return found;
}

void cap_lower_for(State& state, Job& job, TimePoint now, Plan& plan) {
  if (job.capped_by == nullptr) return;
  const Budgeted& b = *job.capped_by;
  const std::int64_t lacks_mw =
      against(state.power.draws(job, job.places, 1000), b).milliwatts - against(job.draws, b).milliwatts;
  CapsForStart caps(state, job, b, {.save_mw = lacks_mw, .all = false}, now);
  if (!caps.any()) return;
  const auto [cap, by] = liftable(state, job, now);
  if (cap > job.cap_milli) set_cap(state, job, cap, by, now);
  caps.settle(now, plan);
}

void lift_caps(State& state, TimePoint now, Plan& plan) {
  // Smaller steps than this are not worth a message to the executor.
  constexpr std::int32_t kStepMin = 25;
  if (state.capped.empty()) return;
  std::set<WorkloadId> has_what_there_is;
  for (const Start& start : plan.starts) has_what_there_is.insert(start.id);
  std::vector<Job*> jobs;
  for (const auto& [id, job] : state.capped) {
    if (!job->stopping && !has_what_there_is.contains(id)) jobs.push_back(job);
  }
  std::ranges::sort(jobs, [](const Job* a, const Job* b) { return is_capped_before(b, a); });
  for (Job* job : jobs) {
    if (lack_at(state, *job, std::min(job->cap_milli + kStepMin, most_cap(*job)), now)) continue;
    const auto [cap, by] = liftable(state, *job, now);
    const Budgeted* eased = job->capped_by;
    if (eased == nullptr && !job->draws.empty())
      eased = job->draws.back().budget;  // what it was is not known
    set_cap(state, *job, cap, by, now);
    if (job->cap_pass == state.counters.passes && cap < job->cap_told) {
      plan.caps[job->cap_at].cap_milli = cap;  // lower than before all the same, for the reason that is told
      continue;
    }
    Reason reason;
    reason.code = ReasonCode::kBudgetRoom;
    if (eased != nullptr) reason.subject = state.power.name_of(eased->scope);
    tell_cap(state, plan, *job, std::move(reason));
  }
}

}  // namespace millrace::scheduler
