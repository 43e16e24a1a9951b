#include "scheduler/fit/place.h"

#include <algorithm>
#include <tuple>

#include "scheduler/books/promises_aside.h"
#include "scheduler/fit/attempt.h"
#include "scheduler/fit/why.h"

namespace millrace::scheduler {
namespace {

/// The highest cap at which the draw does not lack anything, when it does not at the least.
template <typename LackOf>
void raise_cap(State& state, const Job& job, Found& found, LackOf lack_of) {
  std::int32_t low = found.cap_milli;
  std::int32_t high = 1000;
  while (low + 1 < high) {
    const std::int32_t middle = (low + high) / 2;
    (lack_of(state.power.draws(job, found.places, middle)) ? high : low) = middle;
  }
  const auto lack = lack_of(state.power.draws(job, found.places, high));
  // None at all where the places differ from those that were tried without a cap.
  found.cap_milli = lack ? low : high;
  found.draws = state.power.draws(job, found.places, found.cap_milli);
  if (lack) found.capped_by = lack->budget;
}

/// Whether the only site it could run on lacks the power; spares an attempt.
std::optional<PowerLedger::Lack> sure_lack(State& state, const Job& job, TimePoint now, std::int32_t cap) {
  if (!state.power.any()) return std::nullopt;
  const auto& classes = state.pool.classes();
  ScopeDraw least{.budget = nullptr, .milliwatts = INT64_MAX, .least_mw = INT64_MAX};  // of one task
  for (const ClassIndex c : job.shape->classes) {
    const NodeIndex node = classes[c].nodes.front();
    Budgeted* of = state.power.budgets_of(node)[3];
    if (of == nullptr || (least.budget != nullptr && of != least.budget)) return std::nullopt;
    least.budget = of;
    least.milliwatts = std::min(least.milliwatts, state.power.task_draw(job, node, cap));
    least.least_mw = std::min(least.least_mw, state.power.least_task_draw(job, node, cap));
  }
  if (least.budget == nullptr) return std::nullopt;
  least.milliwatts *= job.shape->key.tasks;
  least.least_mw *= job.shape->key.tasks;
  return state.power.lack(least, stay_of(job, now, cap));
}

}  // namespace

bool class_has_devices(const NodeState& state, const Demand& demand) {
  if (demand.accelerators == 0) return true;
  return state.device_milli_free[static_cast<std::size_t>(demand.accelerators - 1)] >=
         demand.accelerator_milli;
}

namespace {

bool fits_on(const NodeState& free, const Demand& demand, std::uint32_t devices) {
  if (free.cpu_milli_free < demand.cpu_milli || free.memory_mib_free < demand.memory_mib) return false;
  for (std::size_t i = 0; devices != 0; ++i, devices >>= 1) {
    if ((devices & 1U) != 0 && free.device_milli_free[i] < demand.accelerator_milli) return false;
  }
  return true;
}

bool is_within(const std::vector<ScopeDraw>& draws, const std::vector<ScopeDraw>& promised) {
  return std::ranges::all_of(draws, [&](const ScopeDraw& d) {
    const auto its = std::ranges::find(promised, d.budget, &ScopeDraw::budget);
    return its != promised.end() && d.milliwatts <= its->milliwatts;
  });
}

}  // namespace

std::int64_t site_cost(const State& state, SiteIndex site) {
  return site < state.policies.site_cost.size() ? state.policies.site_cost[site] : 0;
}

Stay stay_of(const Job& job, TimePoint now, std::int32_t cap_milli) {
  return {.from = now,
          .until = window_end(now, limit_under(job, cap_milli)),
          .yields_from = time_after(now, yields_after(job))};
}

std::int32_t least_cap(const State& state, const Job& job) {
  const bool saves = job.shape->key.demand.accelerators > 0 &&
                     job.shape->key.accelerator_draw_milli > state.policies.cap_floor_milli;
  return state.policies.start_capped && saves ? state.policies.cap_floor_milli : 1000;
}

bool power_is_ample(const State& state, const Job& job, TimePoint now) {
  if (!state.power.any()) return true;
  std::int64_t most = 0;
  for (const ClassIndex c : job.shape->classes) {
    most = std::max(most, state.power.task_draw(job, state.pool.classes()[c].nodes.front(), 1000));
  }
  return state.power.ample(most * job.shape->key.tasks, stay_of(job, now, 1000));
}

void undo(State& state, Job& job, const std::vector<TaskPlace>& places) {
  for (const TaskPlace& place : places) state.pool.undo(job, place);
}

std::optional<Found> find_places(State& state, Job& job, TimePoint now, Reason& reason) {
  ++state.counters.tries;
  const TimePoint until = window_end(now, job.limit_s);
  if (auto missing = no_room(state, job, until)) {
    reason = std::move(*missing);
    return std::nullopt;
  }
  std::optional<PowerLedger::Lack> lack;
  const std::int32_t least = least_cap(state, job);
  for (std::int32_t cap = 1000;; cap = least) {
    // What it lacks at the least that would do is what keeps it from starting.
    auto its = sure_lack(state, job, now, cap);
    if (!its) {
      Attempted tried = attempt(state, job, now, cap, until);
      if (!tried.places.empty()) {
        Found found{.places = std::move(tried.places), .cap_milli = cap, .draws = std::move(tried.draws)};
        if (cap < 1000)
          raise_cap(state, job, found,
                    [&](const auto& draws) { return state.power.lack(draws, stay_of(job, now, least)); });
        return found;
      }
      its = tried.lack;
    }
    if (its) lack = its;
    if (cap == least) break;
  }
  if (lack) {
    job.shape->power_blocked = true;
    reason = power_reason(state, *lack);
  } else {
    reason = room_reason(state, job, 0);
  }
  return std::nullopt;
}

std::optional<Found> find_places_beside_promise(State& state, Job& job, TimePoint now, Reason& reason) {
  if (job.promise) state.power.set_aside(*job.promise);
  auto found = find_places(state, job, now, reason);
  if (job.promise) state.power.put_back(*job.promise);
  return found;
}

namespace {

/// Nodes of the domain that all these places are in; SIZE_MAX if there is none.
std::size_t size_of_domain(const State& state, const std::vector<TaskPlace>& places) {
  const auto domain_of = [&](const TaskPlace& p) { return state.cluster.nodes[p.node].domain; };
  const DomainIndex first = domain_of(places.front());
  const bool apart = std::ranges::any_of(places, [&](const TaskPlace& p) { return domain_of(p) != first; });
  return apart || first == kNoIndex ? SIZE_MAX : state.pool.domains()[first].nodes.size();
}

}  // namespace

namespace {

bool is_due(const Promise& promise, TimePoint now) { return promise.begin <= now; }

/// What others are promised before its own promise begins must not suffer if it starts early, nor, if it is slower than it
/// would be then, what they are promised behind it.
bool occupy_promised(State& state, Job& job, TimePoint now, std::int32_t cap,
                     std::vector<TaskPlace>& places) {
  TimePoint until = window_end(now, limit_under(job, cap));
  if (is_due(*job.promise, now)) until = std::min(until, job.promise->end);
  job.end = end_of(job.work, now, cap);
  // What it is kept apart from may be on another node of a rack, or still about to end.
  const auto kept_off = [&](const TaskPlace& p) { return is_kept_off(state, job, p.node, TimePoint::min()); };
  if (std::ranges::any_of(job.promise->places, kept_off)) return false;
  for (const TaskPlace& place : job.promise->places) {
    ++state.counters.steps;
    if (state.pool.node(place.node).health != Health::kReady ||
        !fits_on(state.pool.usable_promised(place.node, job, until), job.work.demand, place.devices)) {
      undo(state, job, places);
      return false;
    }
    state.pool.occupy(job, place);
    places.push_back(place);
  }
  return true;
}

}  // namespace

std::optional<Found> find_promised(State& state, Job& job, TimePoint now, Reason& reason) {
  const Promise& promise = *job.promise;
  const std::int32_t least = least_cap(state, job);
  std::optional<PowerLedger::Lack> lack;
  for (std::int32_t cap = 1000;; cap = least) {
    Found found;
    found.cap_milli = cap;
    if (!occupy_promised(state, job, now, cap, found.places)) break;
    if (!state.power.any()) return found;
    const auto lack_of = [&](const std::vector<ScopeDraw>& draws) {
      // What is promised later was planned beside what it was promised, or behind it, not beside more.
      Stay stay = stay_of(job, now, cap);
      if (is_within(draws, promise.draws)) {
        stay.promised_before = promise.begin;
        if (!is_due(promise, now)) stay.all_from = promise.end;
      }
      return state.power.lack(draws, stay);
    };
    state.power.set_aside(promise);
    found.draws = state.power.draws(job, found.places, cap);
    lack = lack_of(found.draws);
    if (!lack && cap < 1000) raise_cap(state, job, found, lack_of);
    state.power.put_back(promise);
    if (!lack) return found;
    undo(state, job, found.places);
    if (cap == least) break;
  }
  if (lack) reason = power_reason(state, *lack);
  return std::nullopt;
}

void gather(State& state, Job& job, TimePoint now, Found& found) {
  if (job.shape->key.together == Together::kAnywhere) return;
  const std::size_t size = size_of_domain(state, found.places);
  const std::int64_t rank = rank_of(job.shape->key, state.cluster.nodes[found.places.front().node].kind);
  undo(state, job, found.places);
  const PromisesAside aside(state, {&job});
  const TimePoint until = window_end(now, limit_under(job, found.cap_milli));
  // Kinds that it prefers first, and none that it would rather not have.
  for (const Parts& parts : job.shape->levels) {
    if (parts.front()->rank > rank) break;
    Attempted in_one = attempt_in_one_domain(state, job, now, found.cap_milli, parts, until);
    if (!in_one.places.empty() && size_of_domain(state, in_one.places) < size) {
      found.places = std::move(in_one.places);
      found.draws = std::move(in_one.draws);
      return;
    }
    undo(state, job, in_one.places);
  }
  for (const TaskPlace& place : found.places) state.pool.occupy(job, place);
}

}  // namespace millrace::scheduler
