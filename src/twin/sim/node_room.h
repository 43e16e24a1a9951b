// Node room: what is free on a node, kept apart from the scheduler's own books so that each checks the other.
#pragma once

#include <array>
#include <cstdint>

#include "scheduler/placement.h"

namespace millrace::twin {

struct NodeRoom {
  std::int64_t cpu_milli = 0;
  std::int64_t memory_mib = 0;
  std::array<std::int32_t, scheduler::kDevicesMax> device_milli{};

  /// False if that takes more than there is; the books then show it below zero.
  bool take(const scheduler::Demand& demand, std::uint32_t devices) { return add(demand, devices, -1); }
  void give_back(const scheduler::Demand& demand, std::uint32_t devices) { add(demand, devices, 1); }

  /// Thousandths of free accelerators that a task with this demand cannot use here: all of them if it does not fit, else
  /// those of devices that are too full for it (the fragmentation of "Beware of Fragmentation", USENIX ATC 2023, section 3).
  std::int64_t useless_milli(const scheduler::Demand& demand) const {
    std::int64_t all = 0;
    std::int64_t small = 0;
    std::int32_t usable = 0;
    for (const std::int32_t milli : device_milli) {
      all += milli;
      if (milli >= demand.accelerator_milli) {
        ++usable;
      } else {
        small += milli;
      }
    }
    const bool fits =
        usable >= demand.accelerators && cpu_milli >= demand.cpu_milli && memory_mib >= demand.memory_mib;
    return fits ? small : all;
  }

 private:
  bool add(const scheduler::Demand& demand, std::uint32_t devices, std::int32_t sign) {
    cpu_milli += sign * demand.cpu_milli;
    memory_mib += sign * demand.memory_mib;
    bool enough = cpu_milli >= 0 && memory_mib >= 0;
    std::int32_t count = 0;
    for (std::size_t i = 0; i < device_milli.size(); ++i) {
      if ((devices >> i & 1) == 0) continue;
      ++count;
      device_milli[i] += sign * demand.accelerator_milli;
      enough = enough && device_milli[i] >= 0;
    }
    return enough && count == demand.accelerators;
  }
};

}  // namespace millrace::twin
