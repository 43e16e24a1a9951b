#include "scheduler/placement/tightest.h"

namespace millrace::scheduler {
namespace {

std::optional<std::uint32_t> fullest_device(const NodeState& node, std::int32_t milli) {
  int best = -1;
  for (int i = 0; i < node.accelerators; ++i) {
    const std::int16_t free = node.device_milli_free[static_cast<std::size_t>(i)];
    if (free < milli) continue;
    if (best < 0 || free < node.device_milli_free[static_cast<std::size_t>(best)]) best = i;
  }
  if (best < 0) return std::nullopt;
  return 1U << best;
}

}  // namespace

std::optional<std::uint32_t> tightest_devices(const NodeState& node, const Demand& demand) {
  if (demand.accelerators == 0) return 0;
  if (demand.accelerator_milli < 1000) return fullest_device(node, demand.accelerator_milli);
  std::uint32_t devices = 0;
  std::int32_t missing = demand.accelerators;
  for (int i = 0; i < node.accelerators && missing > 0; ++i) {
    if (node.device_milli_free[static_cast<std::size_t>(i)] < 1000) continue;
    devices |= 1U << i;
    --missing;
  }
  if (missing > 0) return std::nullopt;
  return devices;
}

std::optional<Fit> TightestFit::score(const NodeState& node, const Demand& demand) {
  if (node.cpu_milli_free < demand.cpu_milli || node.memory_mib_free < demand.memory_mib) return std::nullopt;
  const auto devices = tightest_devices(node, demand);
  if (!devices) return std::nullopt;
  std::int64_t free = 0;
  for (const std::int16_t milli : node.device_milli_free) free += milli;
  // A node has at most 16,000 thousandths of accelerators; cpu decides only among equals.
  constexpr std::int64_t kCpuRange = std::int64_t{1} << 40;
  return Fit{.score = free * kCpuRange + (node.cpu_milli_free - demand.cpu_milli), .devices = *devices};
}

}  // namespace millrace::scheduler
