#include "twin/generate/gang.h"

#include <algorithm>
#include <map>
#include <utility>

#include "scheduler/spread.h"

namespace millrace::twin {

std::uint64_t kinds_mask(const SiteConfig& site, const std::vector<std::string>& names) {
  if (names.empty()) return ~std::uint64_t{0};
  std::uint64_t mask = 0;
  for (std::size_t k = 0; k < site.cluster.kinds.size(); ++k) {
    if (std::ranges::find(names, site.cluster.kinds[k].kind) != names.end()) mask |= std::uint64_t{1} << k;
  }
  return mask;
}

std::uint64_t kinds_with_memory(const SiteConfig& site, std::uint64_t mask, std::int64_t memory_mib) {
  if (memory_mib == 0) return mask;
  std::uint64_t with = 0;
  for (std::size_t k = 0; k < site.cluster.kinds.size(); ++k) {
    const std::int64_t memory_bytes = site.cluster.kinds[k].memory_bytes.value_or(0);
    if (memory_bytes >> 20 >= memory_mib) with |= mask & std::uint64_t{1} << k;
  }
  return with;
}

bool meets(const scheduler::Cluster& cluster, const scheduler::Node& node, const WorkNeeds& needs) {
  const scheduler::Site& site = cluster.sites[node.site];
  const auto among = [](const std::vector<std::string>& names, const std::string& name) {
    return names.empty() || std::ranges::find(names, name) != names.end();
  };
  return (node.attested || !needs.attested) && among(needs.zones, site.zone) &&
         among(needs.jurisdictions, site.jurisdiction);
}

Room room_of(const SiteConfig& site, std::uint64_t mask, const WorkNeeds& needs) {
  const auto& cluster = site.cluster;
  const auto serves = [&](const scheduler::Node& node) {
    return node.accelerators > 0 && (mask >> node.kind & 1) != 0 && meets(cluster, node, needs);
  };
  Room room;
  for (const auto& node : cluster.nodes) {
    if (serves(node) && (room.reference == TraceJob::kAnyKind || node.kind == site.workload.reference_kind))
      room.reference = node.kind;
  }
  std::vector<std::int64_t> by_site(cluster.sites.size()), by_domain(cluster.domains.size());
  for (const auto& node : cluster.nodes) {
    if (!serves(node) || node.kind != room.reference) continue;
    if (room.node == nullptr || node.accelerators > room.node->accelerators) room.node = &node;
    room.accelerators = std::max(room.accelerators, by_site[node.site] += node.accelerators);
    if (node.domain != scheduler::kNoIndex)
      room.domain_accelerators =
          std::max(room.domain_accelerators, by_domain[node.domain] += node.accelerators);
  }
  return room;
}

std::int64_t failure_groups(const SiteConfig& site, std::uint64_t mask, scheduler::Spread spread, Among among,
                            const WorkNeeds& needs) {
  std::map<std::pair<scheduler::KindIndex, scheduler::SiteIndex>, scheduler::TaskCount> counts;
  for (scheduler::NodeIndex i = 0; i < site.cluster.nodes.size(); ++i) {
    const scheduler::Node& node = site.cluster.nodes[i];
    if (node.accelerators == 0 || (mask >> node.kind & 1) == 0 || !meets(site.cluster, node, needs)) continue;
    const std::pair part = among == Among::kGang
                               ? std::pair(node.kind, node.site)
                               : std::pair(scheduler::KindIndex{0}, scheduler::SiteIndex{0});
    counts.try_emplace(part, site.cluster, spread).first->second.add(i, 1);
  }
  std::int64_t most = 0;
  for (const auto& [part, count] : counts) most = std::max(most, count.value());
  return most;
}

Gang gang_of(const GeneratorConfig& config, const Room& room, std::int32_t accelerators,
             std::int32_t accelerator_milli) {
  Gang gang;
  auto& demand = gang.demand;
  if (accelerators == 0 || room.node == nullptr) {
    demand = {.cpu_milli = config.cpu_cores_per_accelerator_milli,
              .memory_mib = config.memory_mib_per_accelerator};
    return gang;
  }
  const auto per_node = room.node->accelerators;
  demand.accelerators = std::min(accelerators, per_node);
  demand.accelerator_milli = accelerator_milli;
  gang.tasks = (accelerators + per_node - 1) / per_node;
  const auto part = [&](std::int64_t wanted, std::int64_t whole) {
    return std::min(wanted, whole / per_node) * demand.accelerators * accelerator_milli / 1000;
  };
  demand.cpu_milli = part(config.cpu_cores_per_accelerator_milli, room.node->cpu_milli);
  demand.memory_mib = part(config.memory_mib_per_accelerator, room.node->memory_mib);
  return gang;
}

}  // namespace millrace::twin
