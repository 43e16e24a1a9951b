#include "twin/generate/gang.h"

#include <algorithm>

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

namespace {

bool meets(const scheduler::Cluster& cluster, const scheduler::Node& node, const WorkNeeds& needs) {
  const scheduler::Site& site = cluster.sites[node.site];
  const auto among = [](const std::vector<std::string>& names, const std::string& name) {
    return names.empty() || std::ranges::find(names, name) != names.end();
  };
  return (node.attested || !needs.attested) && among(needs.zones, site.zone) &&
         among(needs.jurisdictions, site.jurisdiction);
}

}  // namespace

Room room_of(const SiteConfig& site, std::uint64_t mask, const WorkNeeds& needs) {
  const auto& cluster = site.cluster;
  std::vector<std::int64_t> by_kind(cluster.kinds.size()), by_site(cluster.sites.size()),
      by_domain(cluster.domains.size());
  for (const auto& node : cluster.nodes) {
    if (node.accelerators == 0 || (mask >> node.kind & 1) == 0 || !meets(cluster, node, needs)) continue;
    by_kind[node.kind] += node.accelerators;
    by_site[node.site] += node.accelerators;
    if (node.domain != scheduler::kNoIndex) by_domain[node.domain] += node.accelerators;
  }
  Room room;
  for (std::size_t k = 0; k < by_kind.size(); ++k) {
    if (by_kind[k] > (room.reference == TraceJob::kAnyKind ? 0 : by_kind[room.reference])) {
      room.reference = static_cast<std::uint16_t>(k);
    }
  }
  for (const auto& node : cluster.nodes) {
    if (node.accelerators == 0 || node.kind != room.reference || !meets(cluster, node, needs)) continue;
    if (room.node == nullptr || node.accelerators > room.node->accelerators) room.node = &node;
  }
  room.accelerators = by_site.empty() ? 0 : std::ranges::max(by_site);
  room.domain_accelerators = by_domain.empty() ? 0 : std::ranges::max(by_domain);
  return room;
}

std::int64_t failure_groups(const SiteConfig& site, std::uint64_t mask, scheduler::Spread spread,
                            const WorkNeeds& needs) {
  scheduler::TaskCount count(site.cluster, spread);
  for (scheduler::NodeIndex i = 0; i < site.cluster.nodes.size(); ++i) {
    const scheduler::Node& node = site.cluster.nodes[i];
    if (node.accelerators > 0 && (mask >> node.kind & 1) != 0 && meets(site.cluster, node, needs))
      count.add(i, 1);
  }
  return count.value();
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
