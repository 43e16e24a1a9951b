#include "scheduler/placement/devices.h"

namespace millrace::scheduler {

std::int64_t devices_free(const NodeState& node) {
  std::int64_t sum = 0;
  for (int i = 0; i < node.accelerators; ++i) sum += device_free(node, i);
  return sum;
}

std::int64_t devices_idle(const NodeState& node) {
  std::int64_t count = 0;
  for (int i = 0; i < node.accelerators; ++i) count += device_free(node, i) == 1000 ? 1 : 0;
  return count;
}

std::uint32_t first_idle(const NodeState& node, const Demand& demand) {
  std::uint32_t devices = 0;
  for (int i = 0; i < node.accelerators && std::popcount(devices) < demand.accelerators; ++i) {
    if (device_free(node, i) == 1000) devices |= 1U << i;
  }
  return devices;
}

std::uint32_t tightest_device(const NodeState& node, const Demand& demand) {
  int best = -1;
  for (int i = 0; i < node.accelerators; ++i) {
    if (device_free(node, i) < demand.accelerator_milli) continue;
    if (best < 0 || device_free(node, i) < device_free(node, best)) best = i;
  }
  return best < 0 ? 0 : 1U << best;
}

std::uint32_t usual_devices(const NodeState& node, const Demand& demand) {
  return is_fraction(demand) ? tightest_device(node, demand) : first_idle(node, demand);
}

}  // namespace millrace::scheduler
