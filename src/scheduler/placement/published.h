// The six policies that Weng et al. compare in "Beware of Fragmentation" (USENIX ATC 2023), as their experiments ran them:
// scores are whole numbers from 0 (worst) to 100, negated here because lower is better, and ties are common. What a
// policy does not look at (memory, in all of them) only decides whether a task fits.
#pragma once

#include <cstdint>
#include <vector>

#include "core/rng.h"
#include "scheduler/fragmentation.h"
#include "scheduler/placement.h"

namespace millrace::scheduler {

/// The largest node of the study, by which two of the policies scale cpu and devices.
inline constexpr std::int64_t kScaleCpuMilli = 128'000;
inline constexpr std::int64_t kScaleDevicesMilli = 8'000;

/// Any node that fits, each as likely as another; any device that fits. Every call draws, so every node must be asked.
class RandomFit final : public PlacementPolicy {
 public:
  explicit RandomFit(std::uint64_t seed) : rng_(seed) {}
  std::optional<Fit> score(const NodeState& node, const Demand& demand) override;
  bool repeatable() const override { return false; }

 private:
  SeededRng rng_;
};

/// The smallest dot product of what is free and what is asked, over (cpu, devices): score 100 (1 - dot / 2). (Grandl et
/// al., "Multi-resource packing for cluster schedulers", SIGCOMM 2014, as the study uses it.)
class DotProductFit final : public PlacementPolicy {
 public:
  std::optional<Fit> score(const NodeState& node, const Demand& demand) override;
};

/// Tasks of one size together (Xiao et al., "Gandiva", OSDI 2018): nodes that hold only this size, then nodes that hold it
/// among others, then empty nodes, then the rest; among them the fuller ones. Needs NodeState::sizes_held.
class GpuClusteringFit final : public PlacementPolicy {
 public:
  std::optional<Fit> score(const NodeState& node, const Demand& demand) override;
};

/// Shared devices first, then idle devices of a node in use, then an empty node (Weng et al., "MLaaS in the wild",
/// NSDI 2022).
class GpuPackingFit final : public PlacementPolicy {
 public:
  std::optional<Fit> score(const NodeState& node, const Demand& demand) override;
};

/// The least of cpu and devices left, each scaled by the largest node and weighing the same.
class BestFit final : public PlacementPolicy {
 public:
  std::optional<Fit> score(const NodeState& node, const Demand& demand) override;
};

/// Fragmentation gradient descent: where fragmentation grows least, over the shapes that make up kTypicalPercent of the arrivals.
/// Score 100 sigmoid(-growth in devices).
class FgdFit final : public PlacementPolicy {
 public:
  std::optional<Fit> score(const NodeState& node, const Demand& demand) override;
  void expect(std::span<const TypicalDemand> typical) override;
  bool looks_ahead() const override { return true; }

 private:
  Fragmentation fragmentation_;
};

}  // namespace millrace::scheduler
