// Interning of shapes, and which nodes one may use at all.
#include <algorithm>
#include <set>

#include "scheduler/state.h"

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

/// Tasks that would fit if every node were empty and ready.
std::int64_t room_when_empty(const State& state, const Shape& shape) {
  std::vector<std::int64_t> in_domain(state.cluster.domains.size(), 0);
  std::set<std::pair<bool, std::uint32_t>> racks;
  std::int64_t all = 0;
  for (const ClassIndex index : shape.classes) {
    const NodeClass& c = state.pool.classes()[index];
    const std::int64_t each = tasks_that_fit(empty(c), shape.key);
    if (each == 0) continue;
    all += each * std::ssize(c.nodes);
    if (shape.key.together != Together::kOneDomain && !shape.key.spread_racks) continue;
    for (const NodeIndex node : c.nodes) {
      const Node& n = state.cluster.nodes[node];
      if (n.domain != kNoIndex) in_domain[n.domain] += each;
      racks.emplace(n.rack == kNoIndex, n.rack == kNoIndex ? node : n.rack);
    }
  }
  if (shape.key.spread_racks) all = std::min(all, std::ssize(racks));
  if (shape.key.together != Together::kOneDomain) return all;
  std::int64_t best = 0;
  for (const std::int64_t count : in_domain) best = std::max(best, count);
  return best;
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
  shape.holds_most = room_when_empty(state, shape);
  return shape;
}

void drop_shape(State& state, Shape& shape) {
  if (--shape.users == 0) {
    const ShapeKey key = shape.key;
    state.shapes.erase(key);
  }
}

}  // namespace millrace::scheduler
