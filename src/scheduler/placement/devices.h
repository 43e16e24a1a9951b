// Devices: the ways in which one task can lie on the devices of one node.
#pragma once

#include <bit>
#include <cstdint>

#include "scheduler/placement.h"

namespace millrace::scheduler {

inline std::int16_t device_free(const NodeState& node, int device) {
  return node.device_milli_free[static_cast<std::size_t>(device)];
}

/// Thousandths of a device that are free on all devices together.
std::int64_t devices_free(const NodeState& node);

/// Devices of which nothing is taken.
std::int64_t devices_idle(const NodeState& node);

inline bool is_fraction(const Demand& demand) {
  return demand.accelerators == 1 && demand.accelerator_milli < 1000;
}

/// The idle devices with the lowest indexes. The demand fits and is not a fraction.
std::uint32_t first_idle(const NodeState& node, const Demand& demand);

/// The device with the least room that suffices; the lowest of equals. The demand fits and is a fraction.
std::uint32_t tightest_device(const NodeState& node, const Demand& demand);

/// first_idle or tightest_device, whichever applies.
std::uint32_t usual_devices(const NodeState& node, const Demand& demand);

/// Calls `visit(devices)` for every way that makes a difference: a fraction can go to each amount of room that is there
/// (the lowest device with it). The demand fits.
template <typename Visit>
void for_each_way(const NodeState& node, const Demand& demand, Visit&& visit) {
  if (!is_fraction(demand)) {
    visit(first_idle(node, demand));
    return;
  }
  for (int i = 0; i < node.accelerators; ++i) {
    const auto room = device_free(node, i);
    if (room < demand.accelerator_milli) continue;
    bool seen = false;
    for (int k = 0; k < i && !seen; ++k) seen = device_free(node, k) == room;
    if (!seen) visit(1U << i);
  }
}

}  // namespace millrace::scheduler
