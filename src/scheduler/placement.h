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
  // Sizes of the tasks it holds, as size_bit gives them. Only GPU clustering looks at it; a caller that does not use that
  // policy leaves it 0, so that more nodes are equal.
  std::uint32_t sizes_held = 0;
  bool operator==(const NodeState&) const = default;
};

/// Whether cpu, memory and devices suffice (kind sets and other constraints are the caller's).
bool fits(const NodeState& node, const Demand& demand);

/// Takes or gives back what a task uses. `devices` is a bit mask of demand.accelerators devices.
void take(NodeState& node, const Demand& demand, std::uint32_t devices);
void give_back(NodeState& node, const Demand& demand, std::uint32_t devices);

/// Bit 0: a fraction of a device; bit n: n whole devices; 0: no device.
std::uint32_t size_bit(const Demand& demand);

/// A shape of the expected work, and how often it comes.
struct TypicalDemand {
  Demand demand;
  // Bit k: may run on kind k. A kind of 64 or above takes only what may run on every kind.
  std::uint64_t kinds = ~std::uint64_t{0};
  std::int64_t weight = 1;  // arrivals, relative to the others; at least 0
  bool operator==(const TypicalDemand&) const = default;
};
/// Of all weights together.
inline constexpr std::int64_t kTypicalWeightMax = 1'000'000'000;

/// Whether a kind is in a set as TypicalDemand::kinds.
bool allows(std::uint64_t kinds, KindIndex kind);

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
  /// Replaces what work is expected; scores given before no longer hold. Policies that do not look ahead ignore it.
  virtual void expect(std::span<const TypicalDemand> typical) { (void)typical; }
  /// Whether `expect` makes a difference.
  virtual bool looks_ahead() const { return false; }
  /// Whether equal nodes and demands get equal scores until the next `expect`, so that a caller may keep them, and ask for
  /// one node of each group of equals.
  virtual bool repeatable() const { return true; }
};

}  // namespace millrace::scheduler
