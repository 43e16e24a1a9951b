// Placer: one cluster under one placement policy; asks the policy again only about nodes that changed.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "scheduler/placement.h"

namespace millrace::twin {

struct Placed {
  std::uint32_t node = 0;
  std::uint32_t devices = 0;  // bit mask
};

class Placer {
 public:
  /// `shapes` and `policy` must outlive it; the policy has been told what to expect.
  Placer(std::vector<scheduler::NodeState> nodes, const std::vector<scheduler::TypicalDemand>& shapes,
         scheduler::PlacementPolicy& policy);

  /// Places one pod of shapes[shape] on the node that the policy likes best (the first of equals); nullopt if it fits
  /// nowhere.
  std::optional<Placed> place(std::uint32_t shape);

  const std::vector<scheduler::NodeState>& nodes() const { return nodes_; }

 private:
  /// What the policy said about a node; for the node's state when it had changed `version` times.
  struct Opinion {
    std::uint32_t version = 0;
    bool fits = false;
    scheduler::Fit fit;
  };

  std::vector<scheduler::NodeState> nodes_;
  const std::vector<scheduler::TypicalDemand>& shapes_;
  scheduler::PlacementPolicy& policy_;
  std::vector<std::uint32_t> versions_;         // by node, from 1
  std::vector<std::vector<Opinion>> opinions_;  // by shape, then node; empty until a shape is first seen
};

}  // namespace millrace::twin
