// When and where a blocked workload will start, in the naive model.
#include <algorithm>

#include "scheduler/model/naive_test_model.h"

namespace millrace::scheduler::naive {

std::vector<Model::PromiseRef> Model::heeded(WorkloadId self, std::int32_t rank_min, TimePoint now,
                                             bool leave) const {
  std::vector<PromiseRef> result;
  for (PromiseRef& p : promises()) {
    if (p.id == self || items_.at(p.id).rank() < rank_min) continue;
    if (leave) p.leaves = leaves(p.id, p.keep, now);
    result.push_back(p);
  }
  return result;
}

TimePoint Model::leaves(WorkloadId id, const Keep& keep, TimePoint now) const {
  return window(std::max(keep.begin, now), items_.at(id).w);
}

bool Model::may_be_behind(const Item& item) const {
  if (item.promise && item.promise->behind) return true;
  int behind = 0;
  for (const auto& [id, other] : items_) {
    if (other.where == Where::kPending && other.promise && other.promise->behind &&
        other.rank() >= item.rank())
      ++behind;
  }
  return behind < policies_.reservations_behind;
}

std::vector<Model::Slot> Model::slots(const Item& item, NodeIndex n, TimePoint now,
                                      const std::vector<PromiseRef>& promises) const {
  std::vector<Slot> result;
  std::vector<TimePoint> times{TimePoint{}};
  for (const auto& [id, other] : items_) {
    if (other.where == Where::kRunning && other.end != TimePoint::max()) times.push_back(other.end);
  }
  for (const PromiseRef& p : promises) {
    if (p.leaves != TimePoint::max()) times.push_back(p.leaves);
  }
  std::sort(times.begin(), times.end());
  std::vector<std::uint32_t> taken;
  for (const TimePoint at : times) {
    while (true) {
      if (static_cast<int>(taken.size()) >= item.w.tasks) return result;
      if (item.w.tasks_per_node > 0 && static_cast<int>(taken.size()) >= item.w.tasks_per_node) return result;
      if (item.w.spread != Spread::kNone && !taken.empty()) return result;
      NodeState free = free_at(n, at, now, promises);
      for (const PromiseRef& p : promises) {
        if (p.keep.begin <= now || p.keep.begin <= at) continue;
        const NodeState then = free_at(n, p.keep.begin, now, promises);
        free.cpu_milli_free = std::min(free.cpu_milli_free, then.cpu_milli_free);
        free.memory_mib_free = std::min(free.memory_mib_free, then.memory_mib_free);
        for (std::size_t d = 0; d < kDevicesMax; ++d)
          free.device_milli_free[d] = std::min(free.device_milli_free[d], then.device_milli_free[d]);
      }
      for (const std::uint32_t devices : taken) take(free, item.w.demand, devices);
      if (!fits(free, item.w.demand)) break;
      const std::uint32_t devices = *tightest_devices(free, item.w.demand);
      taken.push_back(devices);
      result.emplace_back(at, n, devices);
    }
  }
  return result;
}

/// As far as is known now; the epoch is now.
NodeState Model::free_at(NodeIndex n, TimePoint at, TimePoint now,
                         const std::vector<PromiseRef>& promises) const {
  NodeState free = total(n);
  for (const auto& [id, other] : items_) {
    if (other.where != Where::kRunning || (at != TimePoint{} && other.end <= at)) continue;
    for (const TaskPlace& p : other.places) {
      if (p.node == n) take(free, other.w.demand, p.devices);
    }
  }
  for (const PromiseRef& p : promises) {
    if (p.keep.begin > std::max(at, now) || (at != TimePoint{} && p.leaves <= at)) continue;
    for (const TaskPlace& place : p.keep.places) {
      if (place.node == n) take(free, items_.at(p.id).w.demand, place.devices);
    }
  }
  return free;
}

TimePoint Model::sooner_than(TimePoint begin, TimePoint now) const {
  return begin - (begin - now) * policies_.forward_min_pct / 100;
}

std::vector<Model::Slot> Model::earliest(const Item& item, TimePoint now,
                                         const std::vector<PromiseRef>& promises,
                                         std::optional<DomainIndex> domain, std::optional<int> part) const {
  std::vector<Slot> all;
  for (NodeIndex n = 0; n < cluster_.nodes.size(); ++n) {
    const Node& node = cluster_.nodes[n];
    if (node.health != Health::kReady || !eligible(item.w, n)) continue;
    if ((domain && node.domain != *domain) || (part && part_of(item.w, n) != *part)) continue;
    if (kept_off(item.w, n, promises)) continue;
    for (const Slot& slot : slots(item, n, now, promises)) all.push_back(slot);
  }
  std::sort(all.begin(), all.end());
  std::vector<Slot> chosen;
  std::set<int> groups;
  for (const Slot& slot : all) {
    if (static_cast<int>(chosen.size()) == item.w.tasks) break;
    const int group = group_key(cluster_, std::get<1>(slot), item.w.spread);
    if (item.w.spread != Spread::kNone && !groups.insert(group).second) continue;
    chosen.push_back(slot);
  }
  if (static_cast<int>(chosen.size()) < item.w.tasks) chosen.clear();
  return chosen;
}

std::optional<Keep> Model::plan(const Item& item, TimePoint now, std::int32_t rank_min,
                                TimePoint cutoff) const {
  if (item.promise && item.promise->begin <= now) return std::nullopt;
  const std::vector<PromiseRef> promises = heeded(item.w.id, rank_min, now, may_be_behind(item));
  const auto cost_of = [&](SiteIndex site) {
    return site < policies_.site_cost.size() ? policies_.site_cost[site] : 0;
  };
  std::map<int, std::pair<std::int64_t, SiteIndex>> parts;  // their rank and site
  for (NodeIndex n = 0; n < cluster_.nodes.size(); ++n) {
    if (eligible(item.w, n))
      parts[part_of(item.w, n)] = {item.w.tasks == 1 ? 0 : kind_rank(item.w, n), cluster_.nodes[n].site};
  }
  std::vector<Slot> best;
  std::int64_t most_rank = INT64_MAX;
  if (item.w.together != Together::kOneDomain) {
    std::vector<std::tuple<TimePoint, std::int64_t, std::int64_t, int>> order;
    for (const auto& [part, its] : parts) {
      const auto chosen = earliest(item, now, promises, {}, part);
      if (!chosen.empty())
        order.emplace_back(std::get<0>(chosen.back()), its.first, cost_of(its.second), part);
    }
    const auto first = std::min_element(order.begin(), order.end());
    if (first != order.end()) {
      best = earliest(item, now, promises, {}, std::get<3>(*first));
      most_rank = std::get<1>(*first);
    }
  }
  if (item.w.together != Together::kAnywhere) {
    const TimePoint latest = best.empty() ? TimePoint::max() : std::get<0>(best.back());
    std::optional<std::tuple<TimePoint, std::int64_t, std::size_t, std::int64_t, DomainIndex, int>> key;
    for (DomainIndex d = 0; d < cluster_.domains.size(); ++d) {
      std::size_t size = 0;
      for (const Node& node : cluster_.nodes) size += node.domain == d ? 1 : 0;
      for (const auto& [part, its] : parts) {
        const auto chosen = earliest(item, now, promises, d, part);
        if (chosen.empty() || std::get<0>(chosen.back()) > latest || its.first > most_rank) continue;
        const std::tuple here{std::get<0>(chosen.back()),        its.first, size,
                              cost_of(cluster_.domains[d].site), d,         part};
        if (key && *key < here) continue;
        key = here;
        best = chosen;
      }
    }
  }
  if (best.empty()) return std::nullopt;
  Keep keep{.begin = std::max(now, std::get<0>(best.back())), .end = {}, .places = {}};
  keep.end = window(keep.begin, item.w);
  for (const auto& [at, node, devices] : best) {
    keep.places.push_back({node, devices});
    for (const PromiseRef& p : promises) {
      const auto on_it = [n = node](const TaskPlace& place) { return place.node == n; };
      if (p.leaves <= at && std::ranges::any_of(p.keep.places, on_it)) keep.behind = true;
    }
  }
  if (item.rank() != INT32_MAX) cutoff = std::min(cutoff, kSomeDay);
  if (item.promise) cutoff = std::min(cutoff, sooner_than(item.promise->begin, now));
  if (keep.begin >= cutoff) return std::nullopt;
  return keep;
}

// Whether no task of one would be in a failure group with one of the other, where they must not.
bool Model::apart(const Item& item, const Keep& keep, const Item& other) const {
  const Workload& w = item.w;
  if (w.spread == Spread::kNone || w.siblings.empty()) return true;
  if (other.w.siblings != w.siblings || other.w.spread != w.spread) return true;
  for (const TaskPlace& a : keep.places) {
    for (const TaskPlace& b : other.promise->places) {
      if (group_key(cluster_, a.node, w.spread) == group_key(cluster_, b.node, w.spread)) return false;
    }
  }
  return true;
}

/// Of lower ranks, those that a promise leaves no room for: room is given to the highest rank, and the earliest, first.
std::vector<WorkloadId> Model::in_the_way(const Item& item, const Keep& keep, TimePoint now) const {
  std::vector<PromiseRef> others = heeded(item.w.id, item.rank(), now, true);
  const auto fit_together = [&] {
    std::set<TimePoint> times{keep.begin};
    for (const PromiseRef& p : others) {
      if (p.keep.begin > keep.begin && p.keep.begin < keep.end) times.insert(p.keep.begin);
    }
    return std::all_of(keep.places.begin(), keep.places.end(), [&](const TaskPlace& of) {
      return std::all_of(times.begin(), times.end(), [&](TimePoint at) {
        NodeState free = free_at(of.node, at, now, others);
        for (const TaskPlace& p : keep.places) {
          if (p.node == of.node) take(free, item.w.demand, p.devices);
        }
        bool enough = free.cpu_milli_free >= 0 && free.memory_mib_free >= 0;
        for (const auto milli : free.device_milli_free) enough = enough && milli >= 0;
        return enough;
      });
    });
  };
  std::vector<WorkloadId> result;
  std::vector<WorkloadId> lower = lower_promises(item.rank());
  for (auto it = lower.rbegin(); it != lower.rend(); ++it) {
    const Item& other = items_.at(*it);
    if (apart(item, keep, other)) {
      if (other.promise->begin >= keep.end) continue;
      others.push_back({*it, *other.promise, leaves(*it, *other.promise, now)});
      if (fit_together()) continue;
      others.pop_back();
    }
    result.push_back(*it);
  }
  return result;
}

}  // namespace millrace::scheduler::naive
