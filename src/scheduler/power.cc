#include "scheduler/power.h"

#include <algorithm>

namespace millrace::scheduler {
namespace {

/// What an accelerator of this kind adds at full load.
std::int64_t range_mw(const Capability& kind) {
  if (!kind.power_max_w || !kind.power_idle_w) return 0;
  const double range_w = *kind.power_max_w - *kind.power_idle_w;
  return range_w > 0 ? static_cast<std::int64_t>(range_w * 1000.0 + 0.5) : 0;
}

}  // namespace

std::int64_t predicted_draw_mw(const Cluster& cluster, NodeIndex index, const Workload& w,
                               std::int32_t cap_milli) {
  const Node& node = cluster.nodes[index];
  std::int64_t accelerators = 0;
  if (w.demand.accelerators > 0) {
    const std::int64_t used = std::min(w.accelerator_draw_milli, cap_milli);
    accelerators = range_mw(cluster.kinds[node.kind]) * w.demand.accelerators * w.demand.accelerator_milli /
                   1000 * used / 1000;
  }
  if (node.cpu_milli <= 0) return accelerators;
  return accelerators + node.cpu_max_mw * w.demand.cpu_milli / node.cpu_milli * w.cpu_draw_milli / 1000;
}

std::int64_t full_load_mw(const Cluster& cluster, NodeIndex index) {
  const Node& node = cluster.nodes[index];
  std::int64_t sum = node.idle_mw + node.cpu_max_mw;
  if (node.accelerators > 0) sum += range_mw(cluster.kinds[node.kind]) * node.accelerators;
  return sum;
}

}  // namespace millrace::scheduler
