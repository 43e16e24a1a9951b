#include "twin/openb/placer.h"

#include <utility>

namespace millrace::twin {

Placer::Placer(std::vector<scheduler::NodeState> nodes, const std::vector<scheduler::TypicalDemand>& shapes,
               scheduler::PlacementPolicy& policy)
    : nodes_(std::move(nodes)),
      shapes_(shapes),
      policy_(policy),
      versions_(nodes_.size(), 1),
      opinions_(shapes.size()) {}

std::optional<Placed> Placer::place(std::uint32_t shape) {
  const auto& [demand, kinds, weight] = shapes_[shape];
  auto& opinions = opinions_[shape];
  if (opinions.empty()) opinions.resize(nodes_.size());
  const bool keep = policy_.repeatable();
  const Opinion* best = nullptr;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    auto& opinion = opinions[i];
    if (!keep || opinion.version != versions_[i]) {
      opinion.version = versions_[i];
      const auto& node = nodes_[i];
      const bool allowed = demand.accelerators == 0 || scheduler::allows(kinds, node.kind);
      const auto fit = allowed ? policy_.score(node, demand) : std::nullopt;
      opinion.fits = fit.has_value();
      if (fit) opinion.fit = *fit;
    }
    if (opinion.fits && (best == nullptr || opinion.fit.score < best->fit.score)) best = &opinion;
  }
  if (best == nullptr) return std::nullopt;
  const Placed placed{.node = static_cast<std::uint32_t>(best - opinions.data()),
                      .devices = best->fit.devices};
  auto& node = nodes_[placed.node];
  scheduler::take(node, demand, placed.devices);
  node.sizes_held |= scheduler::size_bit(demand);
  ++versions_[placed.node];
  return placed;
}

}  // namespace millrace::twin
