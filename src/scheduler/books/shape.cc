#include "scheduler/books/shape.h"

#include <algorithm>

namespace millrace::scheduler {
namespace {

std::int64_t by_devices(const NodeState& node, const Demand& demand) {
  std::int64_t count = 0;
  for (int i = 0; i < node.accelerators; ++i) {
    const std::int32_t free = node.device_milli_free[static_cast<std::size_t>(i)];
    if (free > 0) count += free / demand.accelerator_milli;
  }
  return count / demand.accelerators;
}

}  // namespace

ShapeKey shape_key_of(const Workload& w) {
  return {.demand = w.demand,
          .tasks = w.tasks,
          .tasks_per_node = w.tasks_per_node,
          .kinds = w.kinds,
          .earlier_kinds_first = w.earlier_kinds_first,
          .accelerator_memory_mib = w.accelerator_memory_mib,
          .together = w.together,
          .spread = w.spread,
          .siblings = w.spread == Spread::kNone ? std::string() : w.siblings,
          .zones = w.zones,
          .jurisdictions = w.jurisdictions,
          .attested = w.attested,
          .accelerator_draw_milli = w.accelerator_draw_milli,
          .cpu_draw_milli = w.cpu_draw_milli};
}

Amount request_of(const ShapeKey& key) { return amount_of(key.demand, key.tasks); }

std::int32_t tasks_that_fit(const NodeState& node, const ShapeKey& key) {
  std::int64_t count = key.tasks_per_node > 0 ? std::min(key.tasks, key.tasks_per_node) : key.tasks;
  if (key.spread != Spread::kNone) count = std::min<std::int64_t>(count, 1);
  if (key.demand.cpu_milli > 0) count = std::min(count, node.cpu_milli_free / key.demand.cpu_milli);
  if (key.demand.memory_mib > 0) count = std::min(count, node.memory_mib_free / key.demand.memory_mib);
  if (key.demand.accelerators > 0) count = std::min(count, by_devices(node, key.demand));
  return static_cast<std::int32_t>(std::max<std::int64_t>(count, 0));
}

std::int64_t rank_of(const ShapeKey& key, KindIndex kind) {
  return key.earlier_kinds_first && key.demand.accelerators > 0
             ? std::ranges::find(key.kinds, kind) - key.kinds.begin()
             : 0;
}

}  // namespace millrace::scheduler
