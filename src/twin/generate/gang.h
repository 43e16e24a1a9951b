// Gang: how many accelerators become tasks on nodes of a site, with the cores and memory that go with them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scheduler/placement.h"
#include "twin/site_config.h"

namespace millrace::twin {

/// What a site can give to one workload that may run on the kinds of a mask.
struct Room {
  /// GeneratorConfig::reference_kind, or the first; kAnyKind: none at all. The rest is of this kind.
  std::uint16_t reference = TraceJob::kAnyKind;
  const scheduler::Node* node = nullptr;  // one with the most accelerators
  std::int64_t accelerators = 0;          // on the site that has most
  std::int64_t domain_accelerators = 0;   // in the domain that has most
};

/// Bits of the kinds called so in the cluster; all bits for no names.
std::uint64_t kinds_mask(const SiteConfig& site, const std::vector<std::string>& names);

/// Whether it is where the work may run, and attested if it must be.
bool meets(const scheduler::Cluster& cluster, const scheduler::Node& node, const WorkNeeds& needs);

/// The site must outlive it.
Room room_of(const SiteConfig& site, std::uint64_t mask, const WorkNeeds& needs = {});

/// Of a mask, the kinds whose accelerators have so much memory; one whose memory is not known has not.
std::uint64_t kinds_with_memory(const SiteConfig& site, std::uint64_t mask, std::int64_t memory_mib);

enum class Among : std::uint8_t {
  kGang,      // tasks of one gang: on one site, on one kind
  kReplicas,  // each a workload of its own, anywhere
};
/// Racks or rails with such accelerators, for one of these in each; a node in none counts as one.
std::int64_t failure_groups(const SiteConfig& site, std::uint64_t mask, scheduler::Spread spread, Among among,
                            const WorkNeeds& needs = {});

struct Gang {
  scheduler::Demand demand;  // of each task
  std::int32_t tasks = 1;
};

/// Tasks of whole nodes of `room` where one node does not do. Each accelerator brings the cores and memory that `config`
/// says, or its part of the node's where that is less. 0 accelerators: one task with the cores and memory of one.
Gang gang_of(const GeneratorConfig& config, const Room& room, std::int32_t accelerators,
             std::int32_t accelerator_milli);

}  // namespace millrace::twin
