#include "scheduler/fit/place.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "scheduler/books/promises_aside.h"
#include "scheduler/fit/why.h"

namespace millrace::scheduler {
namespace {

constexpr std::size_t kScoresKept = 32;

std::optional<Fit> scored(State& state, std::vector<Peers::Scored>& known, const NodeState& node,
                          const Demand& demand) {
  for (const Peers::Scored& s : known) {
    if (s.demand == demand) return s.fit;
  }
  if (known.size() >= kScoresKept) known.clear();
  known.push_back({demand, state.policy->score(node, demand)});
  return known.back().fit;
}

/// Of the policy's score and the site's cost what counts first comes first.
using Merit = std::pair<std::int64_t, std::int64_t>;

struct Candidate {
  std::int64_t rank = 0;  // of its kind, where the work has a preference
  Merit merit;
  NodeIndex node = kNoIndex;
  std::uint32_t devices = 0;
  bool operator<(const Candidate& o) const {
    return std::tie(rank, merit, node) < std::tie(o.rank, o.merit, o.node);
  }
};

using Parts = std::vector<const Part*>;

/// One attempt to place a gang.
class Attempt {
 public:
  Attempt(State& state, Job& job, TimePoint now, std::int32_t cap)
      : state_(state),
        job_(job),
        key_(job.shape->key),
        now_(now),
        until_(window_end(now, limit_under(job, cap))),
        stay_(stay_of(job, now, cap)),
        cap_(cap) {
    job.end = end_of(job.work, now, cap);
  }

  bool anywhere(Parts left) {
    while (left.size() > 1) {
      const auto first = best_of(left);
      if (first == left.end()) return false;
      if (among(**first)) return true;
      left.erase(first);
    }
    return !left.empty() && among(*left.front());
  }
  bool in_domain(DomainIndex domain, const Part& part) {
    return place([&] { return best_in(domain, part); });
  }
  std::vector<TaskPlace>& places() { return places_; }
  std::vector<ScopeDraw>& draws() { return draws_; }
  const std::optional<PowerLedger::Lack>& lack() const { return lack_; }

 private:
  template <typename Best>
  bool place(Best best) {
    places_.clear();
    draws_.clear();
    for (std::int32_t i = 0; i < key_.tasks; ++i) {
      const std::optional<Candidate> found = best();
      if (!found) {
        undo(state_, job_, places_);
        places_.clear();
        return false;
      }
      const TaskPlace place{found->node, found->devices};
      state_.pool.occupy(job_, place);
      places_.push_back(place);
      state_.power.add_task(job_, found->node, cap_, draws_);
    }
    return true;
  }

  bool powered(NodeIndex node) {
    if (!state_.power.any()) return true;
    const std::int64_t mw = state_.power.task_draw(job_, node, cap_);
    const std::int64_t least_mw = state_.power.least_task_draw(job_, node, cap_);
    for (Budgeted* b : state_.power.budgets_of(node)) {
      if (b == nullptr) continue;
      const auto it = std::ranges::find(draws_, b, &ScopeDraw::budget);
      ScopeDraw all = it == draws_.end() ? ScopeDraw{b} : *it;
      all.milliwatts += mw;
      all.least_mw += least_mw;
      if (const auto lack = state_.power.lack(all, stay_)) {
        lack_ = PowerLedger::telling(lack_, lack);
        return false;
      }
    }
    return true;
  }

  bool allowed(NodeIndex node) {
    ++state_.counters.steps;
    if (key_.tasks_per_node > 0) {
      const auto here = std::ranges::count(places_, node, &TaskPlace::node);
      if (here >= key_.tasks_per_node) return false;
    }
    if (key_.spread != Spread::kNone && group_used(node)) return false;
    return powered(node);
  }

  bool group_used(NodeIndex node) const {
    const auto group = [this](NodeIndex n) { return failure_group(state_.cluster, n, key_.spread); };
    const FailureGroup its = group(node);
    return is_kept_off(state_, job_, node, until_) ||
           std::ranges::any_of(places_, [&](const TaskPlace& p) { return group(p.node) == its; });
  }

  /// A node that is usable as it is now: its entry among the lasting states does not count.
  bool passing(NodeIndex node) const {
    const TimePoint promised = state_.pool.node(node).promised;
    return promised != kNever && promised >= until_;
  }

  bool among(const Part& part) {
    return place([&] { return best_among(part); });
  }

  /// The one that has the best place for one task.
  Parts::iterator best_of(Parts& parts) {
    auto result = parts.end();
    std::optional<Candidate> best;
    for (auto it = parts.begin(); it != parts.end(); ++it) {
      const auto candidate = best_among(**it);
      if (!candidate || (best && *best < *candidate)) continue;
      best = candidate;
      result = it;
    }
    return result;
  }

  std::optional<Candidate> best_among(const Part& part) {
    std::optional<Candidate> best;
    for (const ClassIndex c : part.classes) {
      consider_lasting(state_.pool.classes()[c], best);
      consider_passing(state_.pool.classes()[c], best);
    }
    if (best) best->devices = canonical(usable(best->node)).real(best->devices);
    return best;
  }

  /// Work that may wait for clean hours goes to the cleanest site first.
  Merit merit_of(std::int64_t score, std::int64_t cost) const {
    return job_.work.deadline ? Merit(cost, score) : Merit(score, cost);
  }

  const NodeState& usable(NodeIndex node) const { return state_.pool.usable(state_.pool.node(node), until_); }

  void consider_lasting(NodeClass& c, std::optional<Candidate>& best) {
    const std::int64_t rank = rank_of(key_, c.kind);
    const std::int64_t cost = site_cost(state_, c.site);
    for (auto& [free, peers] : c.lasting) {
      if (!class_has_devices(free, key_.demand)) break;
      ++state_.counters.steps;
      const auto fit = scored(state_, peers.scored, free, key_.demand);
      if (!fit) continue;
      Candidate candidate{rank, merit_of(fit->score, cost), 0, fit->devices};
      if (best && *best < candidate) continue;
      for (const NodeIndex node : peers.nodes) {
        candidate.node = node;
        if (best && *best < candidate) break;
        if (passing(node) || !allowed(node)) continue;
        best = candidate;
        break;
      }
    }
  }

  void consider_passing(NodeClass& c, std::optional<Candidate>& best) {
    const std::int64_t rank = rank_of(key_, c.kind);
    const std::int64_t cost = site_cost(state_, c.site);
    for (auto& [free, entry] : c.passing) {
      if (!class_has_devices(free, key_.demand)) break;
      ++state_.counters.steps;
      if (entry.nodes.begin()->begin < until_) continue;
      const auto fit = scored(state_, entry.scored, free, key_.demand);
      if (!fit) continue;
      Candidate candidate{rank, merit_of(fit->score, cost), 0, fit->devices};
      if (best && *best < candidate) continue;
      for (const auto& [begin, node] : entry.nodes) {
        if (begin < until_) break;
        candidate.node = node;
        if (best && *best < candidate) continue;
        if (allowed(node)) best = candidate;
      }
    }
  }

  std::optional<Candidate> best_in(DomainIndex domain, const Part& part) {
    std::optional<Candidate> best;
    for (const NodeIndex node : state_.pool.domains()[domain].nodes) {
      const NodeRecord& record = state_.pool.node(node);
      if (!record.listed || !std::ranges::binary_search(part.classes, record.node_class)) continue;
      auto& known = passing(node) ? record.passing_at->second.scored : record.lasting_at->second.scored;
      const NodeState& free = passing(node) ? record.passing_at->first : record.lasting_at->first;
      const auto fit = scored(state_, known, free, key_.demand);
      if (!fit) continue;
      const scheduler::Node& its = state_.cluster.nodes[node];
      const Candidate candidate{rank_of(key_, its.kind), merit_of(fit->score, site_cost(state_, its.site)),
                                node, fit->devices};
      if ((!best || candidate < *best) && allowed(node)) best = candidate;
    }
    if (best) best->devices = canonical(usable(best->node)).real(best->devices);
    return best;
  }

  State& state_;
  Job& job_;
  const ShapeKey& key_;
  TimePoint now_;
  TimePoint until_;
  Stay stay_;
  std::int32_t cap_;
  std::vector<TaskPlace> places_;
  std::vector<ScopeDraw> draws_;
  std::optional<PowerLedger::Lack> lack_;
};

struct PartOfDomain {
  std::size_t size = 0;  // of the domain
  std::int64_t cost = 0;
  DomainIndex domain = 0;
  const Part* part = nullptr;
};

/// Domains of which a part has room, in the order in which they are tried.
std::vector<PartOfDomain> domains_with_room(State& state, const Job& job, const Parts& parts,
                                            TimePoint until) {
  std::vector<PartOfDomain> found;
  const ShapeKey& key = job.shape->key;
  const auto& domains = state.pool.domains();
  for (DomainIndex d = 0; d < domains.size(); ++d) {
    if (domains[d].free_milli < job.shape->request.accelerators_milli) continue;
    for (const Part* part : parts) {
      if (count_in_domain(state, job, *part, d, until) < key.tasks) continue;
      found.push_back({domains[d].nodes.size(), site_cost(state, state.cluster.domains[d].site), d, part});
    }
  }
  const auto order = [](const PartOfDomain& p) { return std::tuple(p.size, p.cost, p.domain, p.part); };
  std::ranges::sort(found, {}, order);
  return found;
}

bool attempt_in_one_domain(State& state, const Job& job, Attempt& a, const Parts& parts, TimePoint until) {
  return std::ranges::any_of(domains_with_room(state, job, parts, until),
                             [&](const PartOfDomain& p) { return a.in_domain(p.domain, *p.part); });
}

bool attempt_in(State& state, const Job& job, Attempt& a, const Parts& parts, TimePoint until) {
  const Together together = job.shape->key.together;
  if (together != Together::kAnywhere && attempt_in_one_domain(state, job, a, parts, until)) return true;
  return together != Together::kOneDomain && a.anywhere(parts);
}

/// Kinds that it prefers come first, also where it would lie in several domains of theirs.
bool attempt(State& state, const Job& job, Attempt& a, TimePoint until) {
  std::map<std::int64_t, Parts> by_rank;
  for (const Part& part : job.shape->parts) by_rank[part.rank].push_back(&part);
  return std::ranges::any_of(by_rank,
                             [&](const auto& each) { return attempt_in(state, job, a, each.second, until); });
}

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
      Attempt a(state, job, now, cap);
      if (attempt(state, job, a, until)) {
        Found found{.places = std::move(a.places()), .cap_milli = cap, .draws = std::move(a.draws())};
        if (cap < 1000)
          raise_cap(state, job, found,
                    [&](const auto& draws) { return state.power.lack(draws, stay_of(job, now, least)); });
        return found;
      }
      its = a.lack();
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
  // Not of kinds that it would rather not have.
  Parts parts;
  for (const Part& part : job.shape->parts) {
    const KindIndex kind = state.cluster.nodes[found.places.front().node].kind;
    if (part.rank <= rank_of(job.shape->key, kind)) parts.push_back(&part);
  }
  undo(state, job, found.places);
  const PromisesAside aside(state, {&job});
  Attempt in_one(state, job, now, found.cap_milli);
  const TimePoint until = window_end(now, limit_under(job, found.cap_milli));
  const bool in_smaller = attempt_in_one_domain(state, job, in_one, parts, until) &&
                          size_of_domain(state, in_one.places()) < size;
  if (in_smaller) {
    found.places = std::move(in_one.places());
    found.draws = std::move(in_one.draws());
    return;
  }
  undo(state, job, in_one.places());
  for (const TaskPlace& place : found.places) state.pool.occupy(job, place);
}

}  // namespace millrace::scheduler
