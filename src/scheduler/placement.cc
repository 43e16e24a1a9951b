#include "scheduler/placement.h"

namespace millrace::scheduler {

bool fits(const NodeState& node, const Demand& demand) {
  if (node.cpu_milli_free < demand.cpu_milli || node.memory_mib_free < demand.memory_mib) return false;
  std::int32_t able = 0;
  for (int i = 0; i < node.accelerators && able < demand.accelerators; ++i) {
    if (node.device_milli_free[static_cast<std::size_t>(i)] >= demand.accelerator_milli) ++able;
  }
  return able >= demand.accelerators;
}

namespace {

void change(NodeState& node, const Demand& demand, std::uint32_t devices, int sign) {
  node.cpu_milli_free -= sign * demand.cpu_milli;
  node.memory_mib_free -= sign * demand.memory_mib;
  for (std::size_t i = 0; devices != 0; ++i, devices >>= 1) {
    if ((devices & 1U) == 0) continue;
    node.device_milli_free[i] =
        static_cast<std::int16_t>(node.device_milli_free[i] - sign * demand.accelerator_milli);
  }
}

}  // namespace

void take(NodeState& node, const Demand& demand, std::uint32_t devices) { change(node, demand, devices, 1); }

void give_back(NodeState& node, const Demand& demand, std::uint32_t devices) {
  change(node, demand, devices, -1);
}

std::uint32_t size_bit(const Demand& demand) {
  if (demand.accelerators == 0) return 0;
  return demand.accelerator_milli < 1000 ? 1U : 1U << demand.accelerators;
}

bool allows(std::uint64_t kinds, KindIndex kind) {
  return kind < 64 ? ((kinds >> kind) & 1) != 0 : kinds == ~std::uint64_t{0};
}

}  // namespace millrace::scheduler
