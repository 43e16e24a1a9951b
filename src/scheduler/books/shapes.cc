// Interning of shapes, and which nodes one may use at all.
#include "scheduler/books/shapes.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <span>
#include <utility>

namespace millrace::scheduler {
namespace {

bool any_of(const std::vector<std::string>& wanted, const std::string& value) {
  return wanted.empty() || std::ranges::find(wanted, value) != wanted.end();
}

bool allows(const State& state, const ShapeKey& key, const NodeClass& c) {
  const Site& site = state.cluster.sites[c.site];
  if (!any_of(key.zones, site.zone) || !any_of(key.jurisdictions, site.jurisdiction)) return false;
  if (key.attested && !c.attested) return false;
  if (key.demand.accelerators == 0) return true;
  if (c.accelerators == 0) return false;  // nor has it a kind
  if (!key.kinds.empty() && std::ranges::find(key.kinds, c.kind) == key.kinds.end()) return false;
  if (key.accelerator_memory_mib == 0) return true;
  const auto& memory = state.cluster.kinds[c.kind].memory_bytes;
  return memory && *memory / (1 << 20) >= key.accelerator_memory_mib;
}

NodeState empty(const NodeClass& c) {
  NodeState state{.kind = c.kind,
                  .accelerators = c.accelerators,
                  .cpu_milli_free = c.cpu_milli,
                  .memory_mib_free = c.memory_mib};
  for (int i = 0; i < c.accelerators; ++i) state.device_milli_free[static_cast<std::size_t>(i)] = 1000;
  return state;
}

/// A gang's tasks talk to each other all the time: between sites that is too slow, accelerators of two vendors have no common
/// language for it, and of two kinds the slower would set the pace.
std::vector<Part> parts_of(const State& state, const Shape& shape) {
  const ShapeKey& key = shape.key;
  if (key.tasks == 1) return {{.classes = shape.classes, .domains = {}}};
  std::map<std::pair<SiteIndex, KindIndex>, Part> parts;
  for (const ClassIndex index : shape.classes) {
    const NodeClass& c = state.pool.classes()[index];
    Part& part = parts[{c.site, key.demand.accelerators > 0 ? c.kind : KindIndex{0}}];
    part.classes.push_back(index);
    part.rank = rank_of(key, c.kind);
  }
  std::vector<Part> result;
  for (auto& [at, part] : parts) result.push_back(std::move(part));
  return result;
}

void find_domains(const State& state, const ShapeKey& key, Part& part) {
  if (key.together == Together::kAnywhere) return;
  for (const ClassIndex c : part.classes)
    std::ranges::copy(state.pool.classes()[c].domains, std::back_inserter(part.domains));
  std::ranges::sort(part.domains);
  const auto twice = std::ranges::unique(part.domains);
  part.domains.erase(twice.begin(), twice.end());
}

/// Tasks that would fit if every node of these classes were empty and ready.
std::int64_t room_when_empty(const State& state, const ShapeKey& key, std::span<const ClassIndex> classes) {
  const bool one_domain = key.together == Together::kOneDomain;
  std::vector<TaskCount> in_domain(one_domain ? state.cluster.domains.size() : 0,
                                   TaskCount(state.cluster, key.spread));
  TaskCount spread(state.cluster, key.spread);
  std::int64_t all = 0;
  for (const ClassIndex index : classes) {
    const NodeClass& c = state.pool.classes()[index];
    const std::int64_t each = tasks_that_fit(empty(c), key);
    if (each == 0) continue;
    all += each * std::ssize(c.nodes);
    if (!one_domain && key.spread == Spread::kNone) continue;
    for (const NodeIndex node : c.nodes) {
      const DomainIndex domain = state.cluster.nodes[node].domain;
      if (one_domain && domain != kNoIndex) in_domain[domain].add(node, each);
      spread.add(node, each);
    }
  }
  if (!one_domain) return key.spread == Spread::kNone ? all : spread.value();
  std::int64_t best = 0;
  for (const TaskCount& count : in_domain) best = std::max(best, count.value());
  return best;
}

/// Replicas of many services, each kept apart from its own, differ in that name alone.
std::int64_t holds_most(State& state, const Shape& shape) {
  constexpr std::size_t kKnownMax = 1024;
  ShapeKey key = shape.key;
  key.siblings.clear();
  if (state.holds_most.size() >= kKnownMax) state.holds_most.clear();
  const auto [known, added] = state.holds_most.try_emplace(std::move(key), 0);
  if (!added) return known->second;
  for (const Part& part : shape.parts)
    known->second = std::max(known->second, room_when_empty(state, shape.key, part.classes));
  return known->second;
}

}  // namespace

Shape& intern(State& state, const Workload& workload) {
  const auto [it, added] = state.shapes.try_emplace(shape_key_of(workload));
  Shape& shape = it->second;
  ++shape.users;
  if (!added) return shape;
  shape.key = it->first;
  shape.number = state.shapes_made++;
  shape.request = request_of(shape.key);
  for (ClassIndex c = 0; c < state.pool.classes().size(); ++c) {
    if (allows(state, shape.key, state.pool.classes()[c])) shape.classes.push_back(c);
  }
  shape.parts = parts_of(state, shape);
  for (Part& part : shape.parts) find_domains(state, shape.key, part);
  std::map<std::int64_t, Parts> by_rank;
  for (const Part& part : shape.parts) by_rank[part.rank].push_back(&part);
  for (auto& [rank, parts] : by_rank) shape.levels.push_back(std::move(parts));
  shape.holds_most = holds_most(state, shape);
  if (!shape.key.siblings.empty()) {
    shape.siblings = &state.siblings[{shape.key.siblings, shape.key.spread}];
    ++shape.siblings->shapes;
  }
  return shape;
}

std::uint64_t kinds_of(const State& state, const Shape& shape) {
  if (shape.key.kinds.empty() && shape.key.accelerator_memory_mib == 0) return ~std::uint64_t{0};
  std::uint64_t kinds = 0;
  for (const ClassIndex c : shape.classes) {
    const KindIndex kind = state.pool.classes()[c].kind;
    if (kind < 64) kinds |= std::uint64_t{1} << kind;
  }
  return kinds;
}

void drop_shape(State& state, Shape& shape) {
  if (--shape.users > 0) return;
  const ShapeKey key = shape.key;
  if (shape.siblings != nullptr && --shape.siblings->shapes == 0)
    state.siblings.erase({key.siblings, key.spread});
  state.shapes.erase(key);
}

}  // namespace millrace::scheduler
