// When and where a blocked workload can start at the latest, by the limits of what runs.
#include "scheduler/promise/plan_promise.h"

#include <algorithm>
#include <queue>
#include <set>
#include <tuple>

#include "scheduler/fit/place.h"

namespace millrace::scheduler {
namespace {

using Slot = Pool::Slot;

struct LaterSlot {
  bool operator()(const Slot& a, const Slot& b) const {
    return std::tie(b.at, b.node, b.devices) < std::tie(a.at, a.node, a.devices);
  }
};

std::int64_t bound_of(TimePoint at) { return at.time_since_epoch().count(); }

/// The earliest slots of a gang, taken in order of (time, node).
class Earliest {
 public:
  /// Only slots before `cutoff`, and nodes of the part, count.
  Earliest(State& state, const Job& job, const Heed& heed, TimePoint now, TimePoint cutoff, const Part& part)
      : state_(state),
        job_(job),
        heed_(heed),
        now_(now),
        key_(job.shape->key),
        cutoff_(cutoff),
        classes_(part.classes),
        domains_(part.domains) {
    find_unheeded();
  }

  /// Empty if there are not enough.
  std::vector<Slot> anywhere() {
    open_walks();
    add_unheeded_nodes();
    std::vector<Slot> chosen;
    std::set<FailureGroup> groups;
    while (std::ssize(chosen) < key_.tasks) {
      const auto next = next_slot();
      if (!next || next->at >= cutoff_) return {};
      if (key_.spread != Spread::kNone && !groups.insert(group_of(next->node)).second) continue;
      chosen.push_back(*next);
    }
    return chosen;
  }

  struct InDomain {
    std::vector<Slot> slots;
    std::tuple<TimePoint, std::size_t, std::int64_t, DomainIndex> key{kNever, 0, 0, 0};
  };
  /// Of the domain where the gang fits first; of those the smallest, cheapest, first.
  InDomain in_one_domain() {
    std::vector<std::tuple<std::int64_t, std::size_t, std::int64_t, DomainIndex>> order;
    const auto& domains = state_.pool.domains();
    for (const ClassIndex c : classes_) state_.pool.refresh_times(c);
    for (const DomainIndex d : domains_) {
      const std::int64_t bound = domain_bound(d);
      const std::int64_t cost = site_cost(state_, state_.cluster.domains[d].site);
      if (bound != INT64_MAX) order.emplace_back(bound, domains[d].nodes.size(), cost, d);
    }
    std::ranges::sort(order);
    InDomain best;
    for (const auto& [bound, size, cost, d] : order) {
      if (bound > bound_of(std::get<0>(best.key))) break;
      std::vector<Slot> slots = of_domain(d);
      if (slots.empty()) continue;
      const std::tuple key{slots.back().at, size, cost, d};
      if (!best.slots.empty() && best.key < key) continue;
      best = {std::move(slots), key};
    }
    return best;
  }

 private:
  struct Open {
    FreeTimes::Walk walk;
    const NodeClass* of;
  };

  void open_walks() {
    for (const ClassIndex c : classes_) {
      const NodeClass& of = state_.pool.classes()[c];
      if (of.accelerators < key_.demand.accelerators) continue;
      state_.pool.refresh_times(c);
      if (key_.demand.accelerators == 0) {
        push_free_now(of);
        walks_.push_back({FreeTimes::Walk(of.times(heed_.behind), FreeTimes::kFirstEnd), &of});
        continue;
      }
      const std::int32_t k = key_.demand.accelerator_milli < 1000 ? 0 : key_.demand.accelerators;
      walks_.push_back({FreeTimes::Walk(of.times(heed_.behind), k), &of});
    }
  }

  // Of nodes where it fits now if nothing is promised; on others it cannot before the first work there ends.
  void push_free_now(const NodeClass& of) {
    for (const auto& [free, peers] : of.lasting) {
      ++state_.counters.steps;
      if (peers.promised == std::ssize(peers.nodes) || !fits(free, key_.demand)) continue;
      for (const NodeIndex node : peers.nodes) {
        if (state_.pool.node(node).promised == kNever && pushed_.insert(node).second) push_slots(node);
      }
    }
    for (const auto& [free, entry] : of.passing) {
      ++state_.counters.steps;
      if (!fits(free, key_.demand)) continue;
      for (const auto& [begin, node] : entry.nodes) {
        if (pushed_.insert(node).second) push_slots(node);
      }
    }
  }

  struct Unheeded {
    const Job* job;
    const Promise* promise;
  };

  void find_unheeded() {
    const auto add = [this](const Job& job, const Promise& promise) {
      if (!heed_({.job = &job, .claim = promise.claim})) unheeded_.push_back({&job, &promise});
    };
    if (job_.promise) unheeded_.push_back({&job_, job_.promise.get()});
    if (heed_.rank_min == INT32_MIN) return;
    for (const auto& [id, job] : state_.promised) {
      if (job != &job_) add(*job, *job->promise);
    }
    for (const Ghost& ghost : state_.ghosts) add(*ghost.job, ghost.promise);
  }

  // What is promised, but need not be heeded, is taken in the index.
  void add_unheeded_nodes() {
    if (key_.demand.accelerators == 0) return;
    for (const Unheeded& u : unheeded_) {
      for (const TaskPlace& place : u.promise->places) {
        if (eligible(place.node) && pushed_.insert(place.node).second) push_slots(place.node);
      }
    }
  }

  bool eligible(NodeIndex node) const {
    return std::ranges::binary_search(classes_, state_.pool.node(node).node_class);
  }

  void push_slots(NodeIndex node) {
    if (is_taken(node)) return;
    scratch_.clear();
    state_.pool.slots(node, *job_.shape, heed_, now_, scratch_);
    for (const Slot& slot : scratch_) slots_.push(slot);
  }

  std::optional<Slot> next_slot() {
    while (true) {
      Open* first = nullptr;
      std::pair<std::int64_t, NodeIndex> bound{INT64_MAX, kNoIndex};
      for (Open& open : walks_) {
        const auto step = open.walk.peek();
        if (!step) continue;
        const std::pair<std::int64_t, NodeIndex> here{step->at, open.of->nodes[step->place]};
        if (first == nullptr || here < bound) {
          bound = here;
          first = &open;
        }
      }
      if (!slots_.empty()) {
        const Slot slot = slots_.top();
        if (first == nullptr || std::pair(bound_of(slot.at), slot.node) <= bound) {
          slots_.pop();
          return slot;
        }
      }
      if (first == nullptr) return std::nullopt;
      if (bound.first >= bound_of(cutoff_)) return std::nullopt;
      first->walk.pop();
      if (!pushed_.contains(bound.second)) push_slots(bound.second);
    }
  }

  /// No gang fits in the domain earlier, by its devices.
  std::int64_t domain_bound(DomainIndex d) {
    std::vector<std::int64_t> times;
    std::int64_t per_node = 1;
    for (const NodeIndex node : state_.pool.domains()[d].nodes) {
      ++state_.counters.steps;
      const NodeRecord& record = state_.pool.node(node);
      if (!std::ranges::binary_search(classes_, record.node_class)) continue;
      const NodeClass& c = state_.pool.classes()[record.node_class];
      if (c.accelerators < key_.demand.accelerators) continue;
      per_node = std::max(per_node, most_on(c));
      times.push_back(
          !unheeded_.empty() || whole() == 0 ? 0 : c.times(heed_.behind).at(whole(), record.place_in_class));
    }
    const std::int64_t needed = (key_.tasks + per_node - 1) / per_node;
    if (std::ssize(times) < needed) return INT64_MAX;
    std::ranges::nth_element(times, times.begin() + (needed - 1));
    return times[static_cast<std::size_t>(needed - 1)];
  }

  std::int32_t whole() const { return key_.demand.accelerator_milli < 1000 ? 0 : key_.demand.accelerators; }

  std::int64_t most_on(const NodeClass& c) const {
    if (whole() > 0) return c.accelerators / whole();
    return key_.tasks;
  }

  FailureGroup group_of(NodeIndex node) const { return failure_group(state_.cluster, node, key_.spread); }

  // Work that it is kept apart from is in the failure group now, or will be.
  bool is_taken(NodeIndex node) const {
    if (job_.shape->siblings == nullptr) return false;
    const auto there = job_.shape->siblings->tasks.find(group_of(node));
    if (there == job_.shape->siblings->tasks.end()) return false;
    std::int64_t unheeded = 0;
    for (const Unheeded& u : unheeded_) {
      if (u.job->shape->siblings != job_.shape->siblings) continue;
      unheeded += std::ranges::count(u.promise->places, there->first,
                                     [this](const TaskPlace& place) { return group_of(place.node); });
    }
    return there->second.running + there->second.promised > unheeded;
  }

  std::vector<Slot> of_domain(DomainIndex d) {
    std::vector<Slot> slots;
    for (const NodeIndex node : state_.pool.domains()[d].nodes) {
      if (eligible(node) && !is_taken(node)) state_.pool.slots(node, *job_.shape, heed_, now_, slots);
    }
    std::ranges::sort(slots, [](const Slot& a, const Slot& b) { return LaterSlot{}(b, a); });
    if (key_.spread != Spread::kNone) {
      std::set<FailureGroup> groups;
      std::erase_if(slots, [&](const Slot& slot) { return !groups.insert(group_of(slot.node)).second; });
    }
    if (std::ssize(slots) < key_.tasks) return {};
    slots.resize(static_cast<std::size_t>(key_.tasks), Slot{});
    if (slots.back().at >= cutoff_) return {};
    return slots;
  }

  State& state_;
  const Job& job_;
  Heed heed_;
  TimePoint now_;
  const ShapeKey& key_;
  TimePoint cutoff_;
  const std::vector<ClassIndex>& classes_;
  const std::vector<DomainIndex>& domains_;
  std::vector<Open> walks_;
  std::vector<Unheeded> unheeded_;
  std::set<NodeIndex> pushed_;  // before the walks
  std::vector<Slot> scratch_;
  std::priority_queue<Slot, std::vector<Slot>, LaterSlot> slots_;
};

struct Slots {
  std::vector<Slot> of;  // the last comes free last; empty: not enough
  const Part* part = nullptr;
};

/// Of a gang: of the part where it fits first; of those, of the kind that it prefers, then of the cheapest site, first.
Slots anywhere(State& state, const Job& job, const Parts& parts, const Heed& heed, TimePoint now,
               TimePoint cutoff) {
  Slots best;
  std::tuple<TimePoint, std::int64_t, std::int64_t> best_key;
  for (const Part* part : parts) {
    std::vector<Slot> slots = Earliest(state, job, heed, now, cutoff, *part).anywhere();
    if (slots.empty()) continue;
    const std::int64_t cost = site_cost(state, state.pool.classes()[part->classes.front()].site);
    const std::tuple key{slots.back().at, part->rank, cost};
    if (!best.of.empty() && best_key <= key) continue;
    cutoff = slots.back().at + std::chrono::microseconds(1);
    best = {std::move(slots), part};
    best_key = key;
  }
  return best;
}

Slots in_one_domain(State& state, const Job& job, const Parts& parts, const Heed& heed, TimePoint now,
                    TimePoint cutoff) {
  Slots best;
  std::tuple<TimePoint, std::int64_t, std::size_t, std::int64_t, DomainIndex> best_key;
  for (const Part* part : parts) {
    auto found = Earliest(state, job, heed, now, cutoff, *part).in_one_domain();
    if (found.slots.empty()) continue;
    const auto& [at, size, cost, domain] = found.key;
    const std::tuple key{at, part->rank, size, cost, domain};
    if (!best.of.empty() && best_key <= key) continue;
    cutoff = at + std::chrono::microseconds(1);
    best = {std::move(found.slots), part};
    best_key = key;
  }
  return best;
}

/// Work that prefers a domain gets one where that costs it no time, and no kind that it would rather have.
Slots earliest_slots(State& state, const Job& job, const Parts& parts, const Heed& heed, TimePoint now,
                     TimePoint cutoff) {
  const Together together = job.shape->key.together;
  if (together == Together::kOneDomain) return in_one_domain(state, job, parts, heed, now, cutoff);
  Slots slots = anywhere(state, job, parts, heed, now, cutoff);
  if (together == Together::kAnywhere || slots.of.empty()) return slots;
  const TimePoint no_later = slots.of.back().at + std::chrono::microseconds(1);
  Parts as_good;
  for (const Part* part : parts) {
    if (part->rank <= slots.part->rank) as_good.push_back(part);
  }
  Slots in_domain = in_one_domain(state, job, as_good, heed, now, no_later);
  return in_domain.of.empty() ? slots : in_domain;
}

/// Whether it may wait for other promised work to end: not too many do.
bool may_be_behind(const State& state, const Job& job) {
  if (job.promise && job.promise->behind) return true;
  const auto behind = std::ranges::count_if(state.promised, [&](const auto& entry) {
    return entry.second->rank >= job.rank && entry.second->promise->behind;
  });
  return behind < state.policies.reservations_behind;
}

/// With the power that these places take: when there is enough of it.
Promise with_power(State& state, const Job& job, const std::vector<Slot>& slots, TimePoint now, bool behind) {
  Promise promise;
  promise.begin = std::max(now, slots.back().at);
  promise.because = slots.back().because;
  promise.behind = std::ranges::any_of(slots, &Slot::behind);
  for (auto it = slots.rbegin(); it != slots.rend(); ++it) promise.places.push_back({it->node, it->devices});
  const TimePoint room = promise.begin;
  PowerLedger::Wish wish{.length_s = job.limit_s, .yields_after = yields_after(job), .behind = behind};
  const auto begin_under = [&](std::int32_t cap_milli) {
    promise.draws = state.power.draws(job, promise.places, cap_milli);
    wish.length_s = limit_under(job, cap_milli);
    if (promise.draws.empty()) return room;
    return state.power.earliest(promise.draws, room, now, wish);
  };
  promise.begin = begin_under(1000);
  // Under a cap, where that brings it forward.
  if (promise.begin > room && least_cap(state, job) < 1000) {
    const TimePoint uncapped = promise.begin;
    std::vector<ScopeDraw> draws_uncapped = promise.draws;
    promise.begin = begin_under(least_cap(state, job));
    if (promise.begin == uncapped) {
      promise.draws = std::move(draws_uncapped);
      wish.length_s = job.limit_s;
    }
  }
  if (promise.begin > room) promise.because.reset();  // it has room before it has power
  if (behind && promise.begin > room) {
    promise.behind = promise.behind || state.power.is_behind(promise.draws, now, promise.begin);
  }
  promise.end = window_end(promise.begin, wish.length_s);
  // Past a fall that stops it nothing is kept for it.
  for (ScopeDraw& d : promise.draws) {
    if (PowerLedger::falls(*d.budget, time_after(promise.begin, wish.yields_after), promise.end))
      d.least_mw = 0;
  }
  return promise;
}

}  // namespace

TimePoint sooner_than(const State& state, TimePoint begin, TimePoint now) {
  return begin - (begin - now) * state.policies.forward_min_pct / 100;
}

std::optional<Promise> plan_promise(State& state, const Job& job, TimePoint now, std::int32_t heed_rank_min,
                                    TimePoint cutoff) {
  if (job.promise && job.promise->begin <= now) return std::nullopt;
  // What ends nobody knows when is kept for work that has waited too long alone: else what is free until then stood idle.
  if (job.rank != kStarvedRank) cutoff = std::min(cutoff, kSomeDay);
  if (job.promise) cutoff = std::min(cutoff, sooner_than(state, job.promise->begin, now));
  const bool behind = may_be_behind(state, job);
  const Heed heed{&job, heed_rank_min, behind};
  Parts parts;
  for (const Part& part : job.shape->parts) parts.push_back(&part);
  std::optional<Promise> best;
  if (job.promise) state.power.set_aside(*job.promise);
  // The part that has room first may have power later than another, or never.
  while (!parts.empty()) {
    const Slots slots = earliest_slots(state, job, parts, heed, now, cutoff);
    if (slots.of.empty()) break;
    Promise promise = with_power(state, job, slots.of, now, behind);
    const bool waits_for_power = promise.begin > std::max(now, slots.of.back().at);
    if (promise.begin < cutoff) {
      cutoff = promise.begin;
      best = std::move(promise);
    }
    if (!waits_for_power) break;
    std::erase(parts, slots.part);
  }
  if (job.promise) state.power.put_back(*job.promise);
  return best;
}

}  // namespace millrace::scheduler
