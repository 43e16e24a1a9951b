#include "scheduler/model/naive_test_model.h"

#include <algorithm>

#include "scheduler/decay.h"

namespace millrace::scheduler::naive {
namespace {

NodeState sorted(const NodeState& state, std::vector<int>& order) {
  NodeState result = state;
  order.clear();
  for (int i = 0; i < state.accelerators; ++i) order.push_back(i);
  std::sort(order.begin(), order.end(), [&](int a, int b) {
    const auto free = [&](int device) { return state.device_milli_free[static_cast<std::size_t>(device)]; };
    return free(a) != free(b) ? free(a) > free(b) : a < b;
  });
  for (std::size_t i = 0; i < order.size(); ++i) {
    result.device_milli_free[i] = state.device_milli_free[static_cast<std::size_t>(order[i])];
  }
  return result;
}

std::vector<std::int64_t> list(const Amount& a) { return {a.accelerators_milli, a.cpu_milli, a.memory_mib}; }

}  // namespace

std::vector<std::int64_t> request(const Workload& w) {
  return {std::int64_t{w.tasks} * w.demand.accelerators * w.demand.accelerator_milli,
          w.tasks * w.demand.cpu_milli, w.tasks * w.demand.memory_mib};
}

int group_key(const Cluster& c, NodeIndex n, Spread spread) {
  std::uint32_t group = kNoIndex;
  if (spread == Spread::kRack) group = c.nodes[n].rack;
  if (spread == Spread::kRail) group = c.nodes[n].rail;
  return group == kNoIndex ? -1 - static_cast<int>(n) : static_cast<int>(group);
}

Model::Model(Cluster cluster, Accounts accounts, Policies policies)
    : cluster_(std::move(cluster)),
      accounts_(std::move(accounts)),
      policies_(std::move(policies)),
      use_(accounts_.size()) {}

bool Model::eligible(const Workload& w, NodeIndex n) const {
  const Node& node = cluster_.nodes[n];
  const auto in = [](const auto& list, const auto& value) {
    return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
  };
  const Site& site = cluster_.sites[node.site];
  if (!in(w.zones, site.zone) || !in(w.jurisdictions, site.jurisdiction)) return false;
  if (w.attested && !node.attested) return false;
  return w.demand.accelerators == 0 || (node.accelerators > 0 && in(w.kinds, node.kind));
}

bool Model::kept_off(const Workload& w, NodeIndex n, const std::vector<PromiseRef>& promises) const {
  if (w.spread == Spread::kNone || w.siblings.empty()) return false;
  const auto there = [&](WorkloadId id, const std::vector<TaskPlace>& places) {
    const Workload& other = items_.at(id).w;
    if (other.siblings != w.siblings || other.spread != w.spread) return false;
    return std::any_of(places.begin(), places.end(), [&](const TaskPlace& p) {
      return group_key(cluster_, p.node, w.spread) == group_key(cluster_, n, w.spread);
    });
  };
  for (const auto& [id, item] : items_) {
    if (item.where == Where::kRunning && there(id, item.places)) return true;
  }
  for (const PromiseRef& p : promises) {
    if (!ignored_.contains(p.id) && there(p.id, p.keep.places)) return true;
  }
  return false;
}

NodeState Model::total(NodeIndex n) const {
  const Node& node = cluster_.nodes[n];
  NodeState s{.kind = node.kind,
              .accelerators = node.accelerators,
              .cpu_milli_total = node.cpu_milli,
              .memory_mib_total = node.memory_mib,
              .cpu_milli_free = node.cpu_milli,
              .memory_mib_free = node.memory_mib};
  for (int i = 0; i < node.accelerators; ++i) s.device_milli_free[static_cast<std::size_t>(i)] = 1000;
  return s;
}

NodeState Model::free_now(NodeIndex n) const {
  NodeState s = total(n);
  for (const auto& [id, item] : items_) {
    if (item.where != Where::kRunning) continue;
    for (const TaskPlace& p : item.places) {
      if (p.node == n) take(s, item.w.demand, p.devices);
    }
  }
  return s;
}

std::vector<Model::PromiseRef> Model::promises() const {
  std::vector<PromiseRef> all;
  for (const auto& [id, item] : items_) {
    if (item.where == Where::kPending && item.promise) all.push_back({id, *item.promise, TimePoint::max()});
  }
  for (const auto& [id, keep] : ghosts_) all.push_back({id, keep, TimePoint::max()});
  return all;
}

NodeState Model::usable(NodeIndex n, TimePoint until, TimePoint promised_before) const {
  std::vector<PromiseRef> here;
  TimePoint first = TimePoint::max();
  for (const PromiseRef& p : promises()) {
    const bool on_it = std::any_of(p.keep.places.begin(), p.keep.places.end(),
                                   [n](const TaskPlace& place) { return place.node == n; });
    if (!on_it || ignored_.contains(p.id) || p.keep.begin >= promised_before) continue;
    here.push_back(p);
    first = std::min(first, p.keep.begin);
  }
  NodeState least = free_now(n);
  if (first >= until) return least;
  for (const PromiseRef& at : here) {
    NodeState later = total(n);
    const auto take_here = [&](WorkloadId id, const std::vector<TaskPlace>& places) {
      for (const TaskPlace& place : places) {
        if (place.node == n) take(later, items_.at(id).w.demand, place.devices);
      }
    };
    for (const PromiseRef& p : here) {
      if (p.keep.begin <= at.keep.begin && p.keep.end > at.keep.begin) take_here(p.id, p.keep.places);
    }
    for (const auto& [id, item] : items_) {
      if (item.where == Where::kRunning && item.end > at.keep.begin) take_here(id, item.places);
    }
    least.cpu_milli_free = std::max<std::int64_t>(0, std::min(least.cpu_milli_free, later.cpu_milli_free));
    least.memory_mib_free = std::max<std::int64_t>(0, std::min(least.memory_mib_free, later.memory_mib_free));
    for (std::size_t i = 0; i < kDevicesMax; ++i) {
      const int device = std::min<int>(least.device_milli_free[i], later.device_milli_free[i]);
      least.device_milli_free[i] = static_cast<std::int16_t>(std::max(0, device));
    }
  }
  return least;
}

/// As if some of its tasks ran already; what it is promised is kept all the same.
NodeState Model::usable_beside(const Item& item, const std::vector<TaskPlace>& places, TimePoint now,
                               NodeIndex n) {
  Item& self = items_.at(item.w.id);
  const Item as_it_is = self;
  const auto ghosts = ghosts_;
  if (self.promise) ghosts_.emplace_back(self.w.id, *self.promise);
  self.where = Where::kRunning;
  self.places = places;
  self.end = end_of(self.w, now);
  const NodeState result = usable(n, window(now, self.w));
  self = as_it_is;
  ghosts_ = ghosts;
  return result;
}

// A gang runs in one part: on one site, and on accelerators of one kind.
int Model::part_of(const Workload& w, NodeIndex n) const {
  const Node& node = cluster_.nodes[n];
  if (w.tasks == 1) return 0;
  return static_cast<int>(node.site) * 100 + (w.demand.accelerators > 0 ? static_cast<int>(node.kind) : 0);
}

std::int64_t Model::kind_rank(const Workload& w, NodeIndex n) const {
  std::int64_t rank = 0;
  if (!w.earlier_kinds_first) return rank;
  while (w.kinds[static_cast<std::size_t>(rank)] != cluster_.nodes[n].kind) ++rank;
  return rank;
}

std::optional<std::vector<TaskPlace>> Model::place_among(const Item& item, TimePoint now,
                                                         std::optional<DomainIndex> domain,
                                                         std::set<int> not_in) {
  TightestFit policy;
  const TimePoint until = window(now, item.w);
  std::vector<NodeState> free;
  for (NodeIndex n = 0; n < cluster_.nodes.size(); ++n) free.push_back(usable(n, until));
  std::vector<TaskPlace> places;
  for (int t = 0; t < item.w.tasks; ++t) {
    std::optional<std::tuple<std::int64_t, std::int64_t, std::int64_t, NodeIndex, std::uint32_t>> best;
    for (NodeIndex n = 0; n < cluster_.nodes.size(); ++n) {
      if (cluster_.nodes[n].health != Health::kReady || !eligible(item.w, n)) continue;
      if (domain && cluster_.nodes[n].domain != *domain) continue;
      if (not_in.contains(part_of(item.w, n))) continue;
      if (!places.empty() && part_of(item.w, n) != part_of(item.w, places.front().node)) continue;
      const auto here =
          std::count_if(places.begin(), places.end(), [&](const TaskPlace& p) { return p.node == n; });
      if (item.w.tasks_per_node > 0 && here >= item.w.tasks_per_node) continue;
      const bool group_taken = std::any_of(places.begin(), places.end(), [&](const TaskPlace& p) {
        return group_key(cluster_, p.node, item.w.spread) == group_key(cluster_, n, item.w.spread);
      });
      if (item.w.spread != Spread::kNone && group_taken) continue;
      if (kept_off(item.w, n, promises())) continue;
      std::vector<int> order;
      const auto fit = policy.score(sorted(free[n], order), item.w.demand);
      if (!fit) continue;
      std::uint32_t devices = 0;
      for (std::size_t i = 0; i < order.size(); ++i) {
        if ((fit->devices >> i & 1U) != 0) devices |= 1U << order[i];
      }
      const SiteIndex site = cluster_.nodes[n].site;
      const std::int64_t cost = site < policies_.site_cost.size() ? policies_.site_cost[site] : 0;
      const std::int64_t rank = kind_rank(item.w, n);
      const auto first = item.w.deadline ? cost : fit->score;
      const auto second = item.w.deadline ? fit->score : cost;
      const std::tuple candidate{rank, first, second, n, devices};
      if (!best || candidate < *best) best = candidate;
    }
    if (!best && places.empty()) return std::nullopt;
    if (!best) {
      not_in.insert(part_of(item.w, places.front().node));
      return place_among(item, now, domain, std::move(not_in));
    }
    places.push_back({std::get<3>(*best), std::get<4>(*best)});
    free[std::get<3>(*best)] = usable_beside(item, places, now, std::get<3>(*best));
  }
  return places;
}

std::size_t Model::size_of_domain(const std::vector<TaskPlace>& places) const {
  const DomainIndex first = cluster_.nodes[places.front().node].domain;
  if (first == kNoIndex) return SIZE_MAX;
  for (const TaskPlace& p : places) {
    if (cluster_.nodes[p.node].domain != first) return SIZE_MAX;
  }
  std::size_t size = 0;
  for (const Node& node : cluster_.nodes) size += node.domain == first ? 1 : 0;
  return size;
}

std::optional<std::vector<TaskPlace>> Model::place_in_one_domain(const Item& item, TimePoint now,
                                                                 const std::set<int>& parts) {
  std::vector<std::tuple<std::size_t, std::int64_t, DomainIndex, int>> order;
  for (DomainIndex d = 0; d < cluster_.domains.size(); ++d) {
    std::size_t size = 0;
    for (const Node& node : cluster_.nodes) size += node.domain == d ? 1 : 0;
    const SiteIndex site = cluster_.domains[d].site;
    for (const int part : parts)
      order.emplace_back(size, site < policies_.site_cost.size() ? policies_.site_cost[site] : 0, d, part);
  }
  std::sort(order.begin(), order.end());
  for (const auto& [size, cost, d, part] : order) {
    Model alone = *this;
    std::set<int> others = parts;
    others.erase(part);
    for (NodeIndex n = 0; n < cluster_.nodes.size(); ++n) {
      if (cluster_.nodes[n].domain != d || part_of(item.w, n) != part)
        alone.cluster_.nodes[n].health = Health::kDown;
    }
    if (alone.count(item.w, window(now, item.w)) < item.w.tasks) continue;
    if (auto found = place_among(item, now, d, others)) return found;
  }
  return std::nullopt;
}

std::optional<std::vector<TaskPlace>> Model::place(const Item& item, TimePoint now) {
  if (count(item.w, window(now, item.w)) < item.w.tasks) return std::nullopt;
  // Parts of kinds that it prefers come first.
  std::map<std::int64_t, std::set<int>> by_rank;
  std::set<int> all;
  for (NodeIndex n = 0; n < cluster_.nodes.size(); ++n) {
    if (!eligible(item.w, n)) continue;
    by_rank[item.w.tasks == 1 ? 0 : kind_rank(item.w, n)].insert(part_of(item.w, n));
    all.insert(part_of(item.w, n));
  }
  for (const auto& [rank, parts] : by_rank) {
    if (item.w.together != Together::kAnywhere) {
      if (auto found = place_in_one_domain(item, now, parts)) return found;
    }
    if (item.w.together == Together::kOneDomain) continue;
    std::set<int> others = all;
    for (const int part : parts) others.erase(part);
    if (auto found = place_among(item, now, std::nullopt, others)) return found;
  }
  return std::nullopt;
}

int Model::fits_on(const Workload& w, NodeState free) {
  int here = 0;
  while (fits(free, w.demand) && here < w.tasks && (w.tasks_per_node == 0 || here < w.tasks_per_node)) {
    take(free, w.demand, *tightest_devices(free, w.demand));
    ++here;
  }
  return here;
}

int Model::count(const Workload& w, std::optional<TimePoint> until) const {
  // Each place that it may be in with all of its tasks, and what of it is counted.
  std::map<std::pair<int, std::uint32_t>, std::map<int, int>> in;
  for (NodeIndex n = 0; n < cluster_.nodes.size(); ++n) {
    const Node& node = cluster_.nodes[n];
    if (node.health != Health::kReady || !eligible(w, n)) continue;
    if (kept_off(w, n, until ? promises() : std::vector<PromiseRef>{})) continue;
    const int here = fits_on(w, until ? usable(n, *until) : free_now(n));
    if (here == 0) continue;
    if (w.together == Together::kOneDomain && node.domain == kNoIndex) continue;
    const std::uint32_t domain = w.together == Together::kOneDomain ? node.domain : 0;
    int& of_group = in[{part_of(w, n), domain}][group_key(cluster_, n, w.spread)];
    of_group = w.spread == Spread::kNone ? of_group + here : 1;
  }
  int most = 0;
  for (const auto& [place, groups] : in) {
    int sum = 0;
    for (const auto& [group, tasks] : groups) sum += tasks;
    most = std::max(most, sum);
  }
  return most;
}

bool Model::promise_is_free(const Item& item, TimePoint until) {
  std::map<NodeIndex, NodeState> free;
  bool fits = true;
  ignored_ = {item.w.id};
  for (const TaskPlace& p : item.promise->places) {
    const auto it = free.try_emplace(p.node, usable(p.node, until, item.promise->begin)).first;
    take(it->second, item.w.demand, p.devices);
    fits = fits && cluster_.nodes[p.node].health == Health::kReady;
    fits = fits && it->second.cpu_milli_free >= 0 && it->second.memory_mib_free >= 0;
    for (const auto milli : it->second.device_milli_free) fits = fits && milli >= 0;
  }
  ignored_.clear();
  return fits;
}

bool Model::is_below(AccountIndex account, AccountIndex above) const {
  for (AccountIndex a = account; a != kNoAccount; a = accounts_[a].parent) {
    if (a == above) return true;
  }
  return false;
}

/// From the root on: whether it would borrow, then its share.
std::vector<std::pair<bool, double>> Model::standings(const Item& of, TimePoint now) const {
  Amount capacity;
  for (const Node& node : cluster_.nodes) {
    capacity.accelerators_milli += std::int64_t{node.accelerators} * 1000;
    capacity.cpu_milli += node.cpu_milli;
    capacity.memory_mib += node.memory_mib;
  }
  std::vector<std::pair<bool, double>> path;
  for (AccountIndex a = of.w.account; a != kNoAccount; a = accounts_[a].parent) {
    const double kept = remaining(now - use_[a].updated, policies_.half_life);
    double dominant = 0;
    bool borrows = false;
    for (std::size_t r = 0; r < 3; ++r) {
      const auto used = static_cast<double>(list(use_[a].used)[r]);
      const double past = used + (use_[a].past[r] - used) * kept;
      std::int64_t soon = list(use_[a].used)[r];
      for (const auto& [id, item] : items_) {
        if (!is_below(item.w.account, a)) continue;
        if (item.where == Where::kPending && item.promise) soon += request(item.w)[r];
        if (item.where == Where::kRunning && item.leaving) soon -= request(item.w)[r];
      }
      const std::int64_t left = list(accounts_[a].quota.nominal)[r] - soon;
      borrows = borrows || left < 0 || (left == 0 && !of.promise);
      if (list(capacity)[r] == 0) continue;
      dominant =
          std::max(dominant, (static_cast<double>(soon) + past) / static_cast<double>(list(capacity)[r]));
    }
    path.insert(path.begin(), {borrows, dominant * 1000.0 / static_cast<double>(accounts_[a].weight_milli)});
  }
  path.resize(kAccountDepthMax, {false, 0.0});
  return path;
}

void Model::use(AccountIndex account, const Workload& w, int sign, TimePoint now) {
  for (AccountIndex a = account; a != kNoAccount; a = accounts_[a].parent) {
    Use& u = use_[a];
    const double kept = remaining(now - u.updated, policies_.half_life);
    for (std::size_t r = 0; r < 3; ++r) {
      const auto used = static_cast<double>(list(u.used)[r]);
      u.past[r] = used + (u.past[r] - used) * kept;
    }
    u.updated = now;
    u.used.accelerators_milli += sign * request(w)[0];
    u.used.cpu_milli += sign * request(w)[1];
    u.used.memory_mib += sign * request(w)[2];
  }
}

std::optional<AccountIndex> Model::lacking(const Item& item) const {
  for (AccountIndex a = item.w.account; a != kNoAccount; a = accounts_[a].parent) {
    const Quota& q = accounts_[a].quota;
    for (std::size_t r = 0; r < 3; ++r) {
      const std::int64_t limit = std::min(list(q.ceiling)[r], list(q.nominal)[r] + list(q.borrow)[r]);
      if (request(item.w)[r] > 0 && list(use_[a].used)[r] + request(item.w)[r] > limit) return a;
    }
  }
  return std::nullopt;
}

bool Model::ever_within(const Item& item, AccountIndex a) const {
  const Quota& q = accounts_[a].quota;
  for (std::size_t r = 0; r < 3; ++r) {
    if (request(item.w)[r] > std::min(list(q.ceiling)[r], list(q.nominal)[r] + list(q.borrow)[r]))
      return false;
  }
  return true;
}

/// And when the quota will do for it, with what it leaves then.
Use::Kept Model::keep_quota(const Item& item, AccountIndex account) const {
  Use::Kept kept{.rank = item.rank(),
                 .id = item.w.id,
                 .account = item.w.account,
                 .turn = turn_of(item),
                 .room_at = {},
                 .spare = {}};
  std::vector<std::pair<TimePoint, WorkloadId>> ends;
  for (const auto& [id, other] : items_) {
    if (other.where == Where::kRunning && is_below(other.w.account, account))
      ends.emplace_back(other.end, id);
  }
  std::sort(ends.begin(), ends.end());
  std::vector<std::int64_t> used = list(use_[account].used);
  for (const auto& [end, id] : ends) {
    if (end >= kSomeDay) break;
    bool enough = true;
    std::vector<std::int64_t> spare;
    for (std::size_t r = 0; r < 3; ++r) {
      const Quota& q = accounts_[account].quota;
      used[r] -= request(items_.at(id).w)[r];
      spare.push_back(std::min(list(q.ceiling)[r], list(q.nominal)[r] + list(q.borrow)[r]) - used[r] -
                      request(item.w)[r]);
      enough = enough && spare[r] >= 0;
    }
    if (!enough) continue;
    kept.room_at = end;
    kept.spare = spare;
    break;
  }
  return kept;
}

bool Model::quota_is_kept(const Item& item, TimePoint now) const {
  for (AccountIndex a = item.w.account; a != kNoAccount; a = accounts_[a].parent) {
    const auto& kept = use_[a].kept;
    if (!kept || kept->rank < item.rank()) continue;
    if (kept->rank > item.rank()) return true;
    if (kept->account != item.w.account || kept->turn >= turn_of(item) || !kept->room_at) continue;
    bool is_spare = true;
    for (std::size_t r = 0; r < 3; ++r) is_spare = is_spare && request(item.w)[r] <= kept->spare[r];
    if (!is_spare && window(now, item.w) > *kept->room_at) return true;
  }
  return false;
}

WorkloadId Model::first_in_order(const std::set<WorkloadId>& left, TimePoint now) const {
  const auto key = [&](WorkloadId id) {
    const Item& item = items_.at(id);
    return std::tuple(-std::int64_t{item.rank()}, standings(item, now), turn_of(item));
  };
  WorkloadId best = *left.begin();
  for (const WorkloadId id : left) {
    if (key(id) < key(best)) best = id;
  }
  return best;
}

}  // namespace millrace::scheduler::naive
