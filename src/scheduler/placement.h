// Placement: which node, and which of its devices, one task gets. One interface for every policy.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "scheduler/cluster.h"

namespace millrace::scheduler {

/// What one task needs of one node.
struct Demand {
  std::int64_t cpu_milli = 0;
  std::int64_t memory_mib = 0;
  std::int32_t accelerators = 0;          // devices
  std::int32_t accelerator_milli = 1000;  // of each device; below 1000 (a fraction) only with one device
  bool operator==(const Demand&) const = default;
};

/// What is free on one node. Nodes with equal states are interchangeable for a policy, so that callers may score one node
/// of each group of equals.
struct NodeState {
  KindIndex kind = 0;
  std::int32_t accelerators = 0;  // devices it has
  std::int64_t cpu_milli_total = 0;
  std::int64_t memory_mib_total = 0;
  std::int64_t cpu_milli_free = 0;
  std::int64_t memory_mib_free = 0;
  std::array<std::int16_t, kDevicesMax> device_milli_free{};  // 0 to 1000; 0 beyond `accelerators`
  bool operator==(const NodeState&) const = default;
};

/// Whether cpu, memory and devices suffice (kind sets and other constraints are the caller's).
bool fits(const NodeState& node, const Demand& demand);

/// Takes or gives back what a task uses. `devices` is a bit mask of demand.accelerators devices.
void take(NodeState& node, const Demand& demand, std::uint32_t devices);
void give_back(NodeState& node, const Demand& demand, std::uint32_t devices);

/// A place on a node. Lower score is better; equal scores go to the lowest node index.
struct Fit {
  std::int64_t score = 0;
  std::uint32_t devices = 0;  // bit mask
};

/// Pure: the same calls in the same order give the same answers (a policy may keep memory, e.g. of a seeded generator or
/// of scores it has worked out). Not thread-safe.
class PlacementPolicy {
 public:
  virtual ~PlacementPolicy() = default;
  /// nullopt if the task does not fit there.
  virtual std::optional<Fit> score(const NodeState& node, const Demand& demand) = 0;
};

}  // namespace millrace::scheduler
