#include "scheduler/books/pool.h"

#include <algorithm>
#include <tuple>

#include "scheduler/placement/tightest.h"
#include "scheduler/spread.h"

namespace millrace::scheduler {
namespace {

NodeClass class_of(const Node& node) {
  NodeClass c;
  c.site = node.site;
  c.kind = node.kind;
  c.accelerators = node.accelerators;
  c.cpu_milli = node.cpu_milli;
  c.memory_mib = node.memory_mib;
  c.attested = node.attested;
  c.cpu_max_mw = node.cpu_max_mw;
  return c;
}

auto key_of(const NodeClass& c) {
  return std::tuple(c.site, c.kind, c.accelerators, c.cpu_milli, c.memory_mib, c.attested, c.cpu_max_mw);
}

template <typename T>
void remove_tenant(std::vector<T>& tenants, const Job* job, std::uint32_t devices) {
  const auto it =
      std::ranges::find_if(tenants, [&](const T& t) { return t.job == job && t.devices == devices; });
  if (it == tenants.end()) return;
  *it = tenants.back();
  tenants.pop_back();
}

/// What is free. Where many promises are late it may be far less than nothing, which a NodeState cannot hold.
class Balance {
 public:
  explicit Balance(const NodeState& now) : state_(now) {
    for (std::size_t d = 0; d < kDevicesMax; ++d) device_milli_[d] = now.device_milli_free[d];
  }
  void move(const Demand& demand, std::uint32_t devices, int sign) {
    state_.cpu_milli_free += sign * demand.cpu_milli;
    state_.memory_mib_free += sign * demand.memory_mib;
    for (std::size_t d = 0; devices != 0; ++d, devices >>= 1) {
      if ((devices & 1U) == 0) continue;
      device_milli_[d] += sign * demand.accelerator_milli;
      state_.device_milli_free[d] = static_cast<std::int16_t>(std::max(device_milli_[d], 0));
    }
  }
  const NodeState& free() const { return state_; }

 private:
  NodeState state_;
  std::array<std::int32_t, kDevicesMax> device_milli_{};
};

void take_least(NodeState& free, const NodeState& later) {
  free.cpu_milli_free = std::min(free.cpu_milli_free, later.cpu_milli_free);
  free.memory_mib_free = std::min(free.memory_mib_free, later.memory_mib_free);
  for (std::size_t d = 0; d < kDevicesMax; ++d)
    free.device_milli_free[d] = std::min(free.device_milli_free[d], later.device_milli_free[d]);
}

// What was promised and has started counts twice until its walk is over.
void at_least_nothing(NodeState& free) {
  free.cpu_milli_free = std::max<std::int64_t>(free.cpu_milli_free, 0);
  free.memory_mib_free = std::max<std::int64_t>(free.memory_mib_free, 0);
  for (std::int16_t& milli : free.device_milli_free) milli = std::max<std::int16_t>(milli, 0);
}

}  // namespace

std::uint32_t Canonical::real(std::uint32_t sorted_mask) const {
  std::uint32_t mask = 0;
  for (std::size_t i = 0; sorted_mask != 0; ++i, sorted_mask >>= 1) {
    if ((sorted_mask & 1U) != 0) mask |= 1U << device[i];
  }
  return mask;
}

Canonical canonical(const NodeState& state) {
  Canonical c{.state = state};
  const auto count = static_cast<std::size_t>(state.accelerators);
  for (std::size_t i = 0; i < count; ++i) c.device[i] = static_cast<std::uint8_t>(i);
  auto& free = c.state.device_milli_free;
  for (std::size_t i = 1; i < count; ++i) {
    const std::int16_t value = free[i];
    std::size_t j = i;
    for (; j > 0 && free[j - 1] < value; --j) {
      free[j] = free[j - 1];
      c.device[j] = c.device[j - 1];
    }
    free[j] = value;
    c.device[j] = static_cast<std::uint8_t>(i);
  }
  return c;
}

bool FreerFirst::operator()(const NodeState& a, const NodeState& b) const {
  if (a.device_milli_free != b.device_milli_free) return a.device_milli_free > b.device_milli_free;
  if (a.cpu_milli_free != b.cpu_milli_free) return a.cpu_milli_free > b.cpu_milli_free;
  return a.memory_mib_free > b.memory_mib_free;
}

Pool::Pool(const Cluster& cluster) : cluster_(&cluster), nodes_(cluster.nodes.size()) {
  std::map<decltype(key_of(NodeClass())), ClassIndex> known;
  for (NodeIndex i = 0; i < nodes_.size(); ++i) {
    NodeClass c = class_of(cluster.nodes[i]);
    const auto [it, added] = known.try_emplace(key_of(c), static_cast<ClassIndex>(classes_.size()));
    if (added) classes_.push_back(std::move(c));
    NodeClass& of = classes_[it->second];
    nodes_[i].node_class = it->second;
    nodes_[i].place_in_class = static_cast<std::uint32_t>(of.nodes.size());
    nodes_[i].health = cluster.nodes[i].health;
    of.nodes.push_back(i);
    if (nodes_[i].health != Health::kReady) ++of.closed;
  }
  stale_.resize(classes_.size());
  domains_.resize(cluster.domains.size());
  for (NodeIndex i = 0; i < nodes_.size(); ++i) {
    domain_of_.push_back(cluster.nodes[i].domain);
    if (domain_of_[i] != kNoIndex) domains_[domain_of_[i]].nodes.push_back(i);
  }
  for (DomainIndex d = 0; d < domains_.size(); ++d) {
    for (const NodeIndex i : domains_[d].nodes) {
      std::vector<DomainIndex>& domains = classes_[nodes_[i].node_class].domains;
      if (domains.empty() || domains.back() != d) domains.push_back(d);
    }
  }
  for (NodeClass& c : classes_) c.times_behind = c.times_beside = FreeTimes(c.nodes.size(), c.accelerators);
  for (NodeIndex i = 0; i < nodes_.size(); ++i) {
    NodeRecord& record = nodes_[i];
    record.now = record.lasting = empty_state(record);
    stale_[record.node_class].push_back(i);
    list(i);
  }
}

NodeState Pool::empty_state(const NodeRecord& record) const {
  const NodeClass& c = classes_[record.node_class];
  NodeState state{.kind = c.kind,
                  .accelerators = c.accelerators,
                  .cpu_milli_total = c.cpu_milli,
                  .memory_mib_total = c.memory_mib,
                  .cpu_milli_free = c.cpu_milli,
                  .memory_mib_free = c.memory_mib};
  for (int i = 0; i < c.accelerators; ++i) state.device_milli_free[static_cast<std::size_t>(i)] = 1000;
  return state;
}

void Pool::list(NodeIndex index) {
  NodeRecord& record = nodes_[index];
  ++steps;
  list_lasting(index, record);
  list_passing(index, record);
  std::int64_t free = 0;
  if (record.health == Health::kReady) {
    for (const std::int16_t milli : record.now.device_milli_free) free += milli;
  }
  if (domain_of_[index] != kNoIndex) domains_[domain_of_[index]].free_milli += free - record.listed_milli;
  record.listed_milli = free;
}

// Most changes are of when it is promised, not of what is free beyond.
void Pool::list_lasting(NodeIndex index, NodeRecord& record) {
  auto& lasting = classes_[record.node_class].lasting;
  const bool is_ready = record.health == Health::kReady;
  const int is_promised = record.promised != kNever ? 1 : 0;
  const int was_promised = record.listed_promised != kNever ? 1 : 0;
  const NodeState state = canonical(record.lasting).state;
  if (record.listed && is_ready && record.lasting_at->first == state) {
    record.lasting_at->second.promised += is_promised - was_promised;
    return;
  }
  if (record.listed) {
    Peers& peers = record.lasting_at->second;
    peers.nodes.erase(index);
    peers.promised -= was_promised;
    if (peers.nodes.empty()) lasting.erase(record.lasting_at);
  }
  record.listed = is_ready;
  if (!is_ready) return;
  record.lasting_at = lasting.try_emplace(state).first;
  record.lasting_at->second.nodes.insert(index);
  record.lasting_at->second.promised += is_promised;
}

void Pool::list_passing(NodeIndex index, NodeRecord& record) {
  auto& passing = classes_[record.node_class].passing;
  const TimePoint promised = record.health == Health::kReady ? record.promised : kNever;
  if (promised == kNever && record.listed_promised == kNever) return;
  const NodeState state = canonical(record.now).state;
  if (record.listed_promised != kNever) {
    if (record.listed_promised == promised && record.passing_at->first == state) return;
    record.passing_at->second.nodes.erase({record.listed_promised, index});
    if (record.passing_at->second.nodes.empty()) passing.erase(record.passing_at);
  }
  record.listed_promised = promised;
  if (promised == kNever) return;
  record.passing_at = passing.try_emplace(state).first;
  record.passing_at->second.nodes.insert({promised, index});
}

// What stays free until `promised` comes and after it: everything that ends by then counts as free.
void Pool::derive(NodeRecord& record) const {
  record.promised = kNever;
  for (const Promised& t : record.promises) record.promised = std::min(record.promised, t.begin);
  record.lasting = record.now;
  keep_lasting(record.lasting, record, nullptr, [](const Promised&) { return true; });
}

// Takes from `free` what is least free when one of the promises that count begins. Promises behind one another use the same.
template <typename Counts>
void Pool::keep_lasting(NodeState& free, const NodeRecord& record, const Job* self, Counts counts) const {
  for (std::size_t i = 0; i < record.promises.size(); ++i) {
    const TimePoint begin = record.promises[i].begin;
    if (!counts(record.promises[i])) continue;
    NodeState later = empty_state(record);
    for (const Promised& p : record.promises) {
      if (counts(p) && p.begin <= begin && p.end > begin) take(later, p.job->work.demand, p.devices);
    }
    for (const Tenant& t : record.running) {
      if (t.job == self || t.job->end > begin) take(later, t.job->work.demand, t.devices);
    }
    take_least(free, later);
  }
  at_least_nothing(free);
}

NodeState Pool::usable_promised(NodeIndex index, const Job& job, TimePoint until) const {
  const NodeRecord& record = nodes_[index];
  const Promise& own = *job.promise;
  const auto counts = [&](const Promised& p) {
    return p.job != &job && (p.begin < own.begin || (p.begin >= own.end && p.begin < until));
  };
  NodeState free = record.now;
  const bool over_before =
      std::ranges::none_of(record.promises, [&](const Promised& p) { return counts(p) && p.begin < until; });
  if (!over_before) keep_lasting(free, record, &job, counts);
  return free;
}

void Pool::changed(NodeIndex index) {
  NodeRecord& record = nodes_[index];
  derive(record);
  list(index);
  if (!record.times_stale) {
    record.times_stale = true;
    stale_[record.node_class].push_back(index);
  }
}

void Pool::gain(NodeIndex index) {
  NodeRecord& record = nodes_[index];
  if (record.gained) return;
  record.gained = true;
  gained_.push_back(index);
}

std::vector<NodeIndex> Pool::take_gained() {
  for (const NodeIndex i : gained_) nodes_[i].gained = false;
  return std::exchange(gained_, {});
}

void Pool::count_apart(const Job& job, NodeIndex index, std::int32_t running, std::int32_t promised) const {
  Siblings* const siblings = job.shape->siblings;
  if (siblings == nullptr) return;
  siblings->add(failure_group(*cluster_, index, job.shape->key.spread), running, promised);
}

void Pool::occupy(Job& job, TaskPlace place) {
  NodeRecord& record = nodes_[place.node];
  record.running.push_back({&job, place.devices});
  take(record.now, job.work.demand, place.devices);
  count_apart(job, place.node, 1, 0);
  changed(place.node);
}

void Pool::vacate(Job& job, TaskPlace place) {
  undo(job, place);
  gain(place.node);
  if (job.shape->siblings != nullptr) job.shape->siblings->eased = true;
}

void Pool::undo(Job& job, TaskPlace place) {
  NodeRecord& record = nodes_[place.node];
  remove_tenant(record.running, &job, place.devices);
  give_back(record.now, job.work.demand, place.devices);
  count_apart(job, place.node, -1, 0);
  changed(place.node);
}

void Pool::end_changed(const Job& job) {
  for (const TaskPlace& place : job.places) {
    changed(place.node);
  }
}

void Pool::promise(const Job& job, const Promise& promise) {
  for (const TaskPlace& place : promise.places) {
    nodes_[place.node].promises.push_back({&job, place.devices, promise.begin, promise.end, promise.claim});
    count_apart(job, place.node, 0, 1);
    changed(place.node);
  }
}

void Pool::unpromise(const Job& job, const Promise& promise) {
  for (const TaskPlace& place : promise.places) {
    auto& promises = nodes_[place.node].promises;
    const auto it = std::ranges::find_if(promises, [&](const Promised& p) {
      return p.job == &job && p.devices == place.devices && p.begin == promise.begin;
    });
    if (it != promises.end()) {
      *it = promises.back();
      promises.pop_back();
      count_apart(job, place.node, 0, -1);
    }
    changed(place.node);
    gain(place.node);
    if (job.shape->siblings != nullptr) job.shape->siblings->eased = true;
  }
}

void Pool::set_health(NodeIndex index, Health health) {
  std::int64_t& closed = classes_[nodes_[index].node_class].closed;
  closed += static_cast<std::int64_t>(health != Health::kReady) -
            static_cast<std::int64_t>(nodes_[index].health != Health::kReady);
  nodes_[index].health = health;
  changed(index);
  if (health == Health::kReady) gain(index);
}

FreeTimes::Times Pool::times_of(const NodeRecord& record, bool behind) const {
  FreeTimes::Times times;
  times.fill(INT64_MAX);
  if (record.health != Health::kReady) return times;
  const auto count = static_cast<std::size_t>(classes_[record.node_class].accelerators);
  std::array<std::int64_t, kDevicesMax> whole{};
  std::array<std::int64_t, kDevicesMax> first_end;
  std::array<std::int32_t, kDevicesMax>
      promised_milli{};  // the least that is when all are there that may be at once
  first_end.fill(INT64_MAX);
  for (const Tenant& t : record.running) {
    const std::int64_t end = t.job->end.time_since_epoch().count();
    times[FreeTimes::kFirstEnd] = std::min(times[FreeTimes::kFirstEnd], end);
    for (std::size_t d = 0; d < count; ++d) {
      if ((t.devices >> d & 1U) == 0) continue;
      whole[d] = std::max(whole[d], end);
      first_end[d] = std::min(first_end[d], end);
    }
  }
  for (const Promised& t : record.promises) {
    const std::int64_t end = behind ? t.end.time_since_epoch().count() : INT64_MAX;
    const std::int32_t milli = t.job->work.demand.accelerator_milli;
    for (std::size_t d = 0; d < count; ++d) {
      if ((t.devices >> d & 1U) == 0) continue;
      whole[d] = std::max(whole[d], end);
      first_end[d] = std::min(first_end[d], end);
      promised_milli[d] = behind ? std::max(promised_milli[d], milli) : promised_milli[d] + milli;
    }
  }
  for (std::size_t d = 0; d < count; ++d) {
    if (promised_milli[d] >= 1000 && !behind) continue;
    const bool part_free = record.now.device_milli_free[d] > promised_milli[d];
    times[0] = std::min(times[0], part_free ? 0 : first_end[d]);
  }
  std::sort(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(count));
  for (std::size_t k = 1; k <= count; ++k) times[k] = whole[k - 1];
  return times;
}

void Pool::forget_scores() {
  for (NodeClass& c : classes_) {
    for (auto& [free, peers] : c.lasting) peers.scored.clear();
    for (auto& [free, entry] : c.passing) entry.scored.clear();
  }
}

void Pool::refresh_times(ClassIndex index) {
  for (const NodeIndex node : stale_[index]) {
    NodeRecord& record = nodes_[node];
    classes_[index].times_behind.set(record.place_in_class, times_of(record, true));
    classes_[index].times_beside.set(record.place_in_class, times_of(record, false));
    record.times_stale = false;
    ++steps;
  }
  stale_[index].clear();
}

// What is free for good from each time on when something leaves: what comes later may take less than what is there now.
void Pool::find_lasting(const NodeRecord& record, const Heed& heed, TimePoint now) {
  changes_.clear();
  Balance balance(record.now);
  for (const Tenant& t : record.running) changes_.push_back({t.job->end, t.job, t.devices, 1, false});
  for (const Promised& p : record.promises) {
    if (!heed(p)) continue;
    if (heed.behind) changes_.push_back({p.leaves(now), p.job, p.devices, 1, true});
    if (p.begin > now) {
      changes_.push_back({p.begin, p.job, p.devices, -1, true});
    } else {
      balance.move(p.job->work.demand, p.devices, -1);
    }
  }
  std::ranges::sort(changes_, {},
                    [](const Change& c) { return std::tuple(c.at, -c.sign, c.job->work.id, c.devices); });
  from_.assign(1, {.at = {}, .free = balance.free(), .because = std::nullopt, .behind = false});
  for (auto next = changes_.begin(); next != changes_.end() && next->at != kNever;) {
    const TimePoint at = next->at;
    const bool behind = from_.back().behind;
    from_.push_back({.at = at, .free = {}, .because = next->job->work.id, .behind = behind});
    for (; next != changes_.end() && next->at == at; ++next) {
      balance.move(next->job->work.demand, next->devices, next->sign);
      if (next->is_promised && next->sign > 0) from_.back().behind = true;
    }
    from_.back().free = balance.free();
  }
  for (std::size_t i = from_.size() - 1; i > 0; --i) take_least(from_[i - 1].free, from_[i].free);
}

void Pool::slots(NodeIndex index, const Shape& shape, const Heed& heed, TimePoint now,
                 std::vector<Slot>& out) {
  ++steps;
  const NodeRecord& record = nodes_[index];
  if (record.health != Health::kReady) return;
  const ShapeKey& key = shape.key;
  std::int32_t most = key.tasks_per_node > 0 ? std::min(key.tasks, key.tasks_per_node) : key.tasks;
  if (key.spread != Spread::kNone) most = 1;
  find_lasting(record, heed, now);
  const auto first = static_cast<std::ptrdiff_t>(out.size());
  for (const From& from : from_) {
    NodeState free = from.free;
    for (auto it = out.begin() + first; it != out.end(); ++it) take(free, key.demand, it->devices);
    while (std::ssize(out) - first < most && fits(free, key.demand)) {
      const std::uint32_t devices = *tightest_devices(free, key.demand);
      take(free, key.demand, devices);
      out.push_back(
          {.at = from.at, .node = index, .devices = devices, .because = from.because, .behind = from.behind});
    }
    if (std::ssize(out) - first == most) return;
  }
}

}  // namespace millrace::scheduler
