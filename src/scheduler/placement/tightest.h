// TightestFit: the default policy. Among nodes where a task fits, the one with the fewest accelerators left over.
#pragma once

#include "scheduler/placement.h"

namespace millrace::scheduler {

/// Score: what stays free of accelerators, then of cpu. A fraction takes the fullest device that holds it, whole devices
/// are the first that are free. Stateless.
class TightestFit final : public PlacementPolicy {
 public:
  std::optional<Fit> score(const NodeState& node, const Demand& demand) override;
};

/// The devices that TightestFit takes: nullopt if there are not enough. Cpu and memory are not looked at.
std::optional<std::uint32_t> tightest_devices(const NodeState& node, const Demand& demand);

}  // namespace millrace::scheduler
