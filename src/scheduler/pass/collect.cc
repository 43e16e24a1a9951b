#include "scheduler/pass/collect.h"

#include <algorithm>
#include <set>
#include <utility>

namespace millrace::scheduler {
namespace {

/// Where capacity was gained: each state once.
struct Gains {
  std::vector<std::pair<const Peers*, NodeIndex>> states;  // of nodes without promises
  std::vector<NodeIndex> promised;
  bool any() const { return !states.empty() || !promised.empty(); }
};

class Collector {
 public:
  Collector(State& state, Walk& order, TimePoint now) : state_(state), order_(order), now_(now) {}

  void collect(bool full) {
    const Gains gains = take_gains();
    const std::vector<AccountIndex> eased = state_.accounts.take_eased();
    const bool power = std::exchange(state_.power_eased, false);
    const std::set<const Siblings*> apart = take_eased_siblings();
    if (full) {
      collect_all();
      return;
    }
    for (const AccountIndex a : eased) {
      auto& entry = state_.accounts.at(a);
      for (Group* group : std::exchange(entry.blocked_groups, {})) add_group(*group);
    }
    if (gains.any() || power || !apart.empty()) {
      for (const auto& [number, shape] : state_.queue.shapes()) {
        const bool powered = power && std::exchange(shape->power_blocked, false);
        if (powered || apart.contains(shape->siblings) || may_fit(*shape, gains)) add_shape(*shape);
      }
    }
    collect_promised(gains, power && state_.power.any(), !eased.empty());
    for (const WorkloadId id : std::exchange(state_.fresh, {})) {
      Job* job = state_.find(id);
      if (job != nullptr && job->phase == Phase::kPending) order_.add(*job, nullptr);
    }
  }

 private:
  void collect_promised(const Gains& gains, bool power, bool quota) {
    const auto on_gained = [&](const Job* job) {
      return std::ranges::any_of(gains.promised, [&](NodeIndex node) {
        return std::ranges::any_of(state_.pool.node(node).promises,
                                   [&](const Promised& p) { return p.job == job; });
      });
    };
    for (const auto& [id, job] : state_.promised) {
      const bool shape_fits = job->shape->candidate_walk == state_.walk;
      if (shape_fits || power || quota || on_gained(job)) order_.add(*job, nullptr);
    }
  }

  void collect_all() {
    ++state_.counters.full_passes;
    state_.fresh.clear();
    for (AccountIndex a = 0; a < state_.accounts.size(); ++a) {
      state_.accounts.at(a).kept.reset();
      state_.accounts.at(a).blocked_groups.clear();
    }
    for (const auto& [id, job] : state_.promised) order_.add(*job, nullptr);
    for (auto& [key, group] : state_.queue.groups()) add_group(group);
  }

  void add_group(Group& group) {
    if (group.seen_walk == state_.walk) return;
    group.seen_walk = state_.walk;
    ++state_.counters.steps;
    order_.add_group(group);
  }

  void add_shape(Shape& shape) {
    shape.candidate_walk = state_.walk;
    for (Group* group : shape.groups) add_group(*group);
  }

  /// Those of whom some went away: what they were kept off, where nothing was gained, may serve now.
  std::set<const Siblings*> take_eased_siblings() {
    std::set<const Siblings*> eased;
    for (auto& [name, siblings] : state_.siblings) {
      if (std::exchange(siblings.eased, false)) eased.insert(&siblings);
    }
    return eased;
  }

  Gains take_gains() {
    Gains gains;
    for (const NodeIndex node : state_.pool.take_gained()) {
      const NodeRecord& record = state_.pool.node(node);
      if (!record.listed) continue;
      ++state_.counters.steps;
      if (record.promised != kNever) {
        gains.promised.push_back(node);
        continue;
      }
      const Peers* peers = &record.lasting_at->second;
      if (std::ranges::find(gains.states, peers, &std::pair<const Peers*, NodeIndex>::first) ==
          gains.states.end()) {
        gains.states.emplace_back(peers, node);
      }
    }
    return gains;
  }

  /// False only if no member of the shape can start by what was gained.
  bool may_fit(const Shape& shape, const Gains& gains) {
    const auto eligible = [&](NodeIndex node) {
      ++state_.counters.steps;
      return std::ranges::binary_search(shape.classes, state_.pool.node(node).node_class);
    };
    for (const auto& [peers, node] : gains.states) {
      if (eligible(node) && fits(state_.pool.node(node).now, shape.key.demand)) return true;
    }
    if (gains.promised.empty()) return false;
    std::int64_t shortest = INT64_MAX;
    std::int32_t rank = INT32_MIN;
    for (const Group* group : shape.groups) {
      shortest = std::min(shortest, group->key.limit_s);
      rank = std::max(rank, group->key.rank);
    }
    const TimePoint until = window_end(now_, shortest);
    return std::ranges::any_of(gains.promised, [&](NodeIndex node) {
      if (!eligible(node)) return false;
      const NodeRecord& record = state_.pool.node(node);
      if (fits(state_.pool.usable(record, until), shape.key.demand)) return true;
      const bool outranks =
          std::ranges::any_of(record.promises, [&](const Promised& p) { return p.job->rank < rank; });
      return outranks && fits(record.now, shape.key.demand);
    });
  }

  State& state_;
  Walk& order_;
  TimePoint now_;
};

}  // namespace

void collect(State& state, Walk& order, TimePoint now, bool full) {
  Collector(state, order, now).collect(full);
}

}  // namespace millrace::scheduler
