#include "scheduler/fit/attempt.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "scheduler/fit/place.h"

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

  bool anywhere(const Parts& parts) {
    if (parts.size() == 1) return among(*parts.front());
    for (Parts left = parts; !left.empty();) {
      const auto first = best_of(left);
      if (first == left.end()) return false;
      if (among(**first)) return true;
      left.erase(first);
    }
    return false;
  }
  bool in_domain(DomainIndex domain, const Part& part) {
    return place([&] { return best_in(domain, part); });
  }
  std::vector<TaskPlace>& places() { return places_; }
  std::vector<ScopeDraw>& draws() { return draws_; }
  const std::optional<PowerLedger::Lack>& lack() const { return lack_; }

 private:
  void begin_anew() {
    places_.clear();
    draws_.clear();
    on_node_.clear();
    groups_.clear();
  }

  template <typename Best>
  bool place(Best best) {
    begin_anew();
    for (std::int32_t i = 0; i < key_.tasks; ++i) {
      const std::optional<Candidate> found = best();
      if (!found) {
        undo(state_, job_, places_);
        begin_anew();
        return false;
      }
      const TaskPlace place{found->node, found->devices};
      state_.pool.occupy(job_, place);
      places_.push_back(place);
      if (key_.tasks_per_node > 0) ++on_node_[place.node];
      if (key_.spread != Spread::kNone)
        groups_.insert(failure_group(state_.cluster, place.node, key_.spread));
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
      const auto here = on_node_.find(node);
      if (here != on_node_.end() && here->second >= key_.tasks_per_node) return false;
    }
    if (key_.spread != Spread::kNone && group_used(node)) return false;
    return powered(node);
  }

  bool group_used(NodeIndex node) const {
    return is_kept_off(state_, job_, node, until_) ||
           groups_.contains(failure_group(state_.cluster, node, key_.spread));
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
  std::map<NodeIndex, std::int32_t> on_node_;  // of its tasks, where that is bounded
  std::set<FailureGroup> groups_;              // with one of its tasks, where there may be one only
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
  for (const Part* part : parts) {
    for (const DomainIndex d : part->domains) {
      if (domains[d].free_milli < job.shape->request.accelerators_milli) continue;
      if (count_in_domain(state, job, *part, d, until) < key.tasks) continue;
      found.push_back({domains[d].nodes.size(), site_cost(state, state.cluster.domains[d].site), d, part});
    }
  }
  const auto order = [](const PartOfDomain& p) { return std::tuple(p.size, p.cost, p.domain, p.part); };
  std::ranges::sort(found, {}, order);
  return found;
}

bool in_one_domain(State& state, const Job& job, Attempt& a, const Parts& parts, TimePoint until) {
  return std::ranges::any_of(domains_with_room(state, job, parts, until),
                             [&](const PartOfDomain& p) { return a.in_domain(p.domain, *p.part); });
}

bool in_parts(State& state, const Job& job, Attempt& a, const Parts& parts, TimePoint until) {
  const Together together = job.shape->key.together;
  if (together != Together::kAnywhere && in_one_domain(state, job, a, parts, until)) return true;
  return together != Together::kOneDomain && a.anywhere(parts);
}

/// Kinds that it prefers come first, also where it would lie in several domains of theirs.
bool anywhere(State& state, const Job& job, Attempt& a, TimePoint until) {
  return std::ranges::any_of(job.shape->levels,
                             [&](const Parts& parts) { return in_parts(state, job, a, parts, until); });
}

Attempted result_of(Attempt& a) { return {std::move(a.places()), std::move(a.draws()), a.lack()}; }

}  // namespace

Attempted attempt(State& state, Job& job, TimePoint now, std::int32_t cap_milli, TimePoint until) {
  Attempt a(state, job, now, cap_milli);
  anywhere(state, job, a, until);
  return result_of(a);
}

Attempted attempt_in_one_domain(State& state, Job& job, TimePoint now, std::int32_t cap_milli,
                                const Parts& parts, TimePoint until) {
  Attempt a(state, job, now, cap_milli);
  in_one_domain(state, job, a, parts, until);
  return result_of(a);
}

}  // namespace millrace::scheduler
