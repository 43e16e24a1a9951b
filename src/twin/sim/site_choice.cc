#include "twin/sim/site_choice.h"

#include <algorithm>

namespace millrace::twin {

using scheduler::SiteIndex;

SiteChoice::SiteChoice(const scheduler::Cluster& cluster)
    : cluster_(cluster),
      free_(cluster.sites.size(), std::vector<scheduler::Amount>(cluster.kinds.size() + 1)),
      weights_(cluster.sites.size(), 0.0) {
  for (scheduler::NodeIndex i = 0; i < cluster.nodes.size(); ++i) {
    const scheduler::Node& node = cluster.nodes[i];
    makes_.push_back({.site = node.site,
                      .kind = node.kind,
                      .accelerators = node.accelerators,
                      .cpu_milli = node.cpu_milli,
                      .memory_mib = node.memory_mib,
                      .attested = node.attested});
    gave_back(i, {.accelerators_milli = std::int64_t{node.accelerators} * 1000,
                  .cpu_milli = node.cpu_milli,
                  .memory_mib = node.memory_mib});
    weights_[node.site] += static_cast<double>(std::max(node.accelerators, 1));
  }
  std::ranges::sort(makes_);
  const auto rest = std::ranges::unique(makes_);
  makes_.erase(rest.begin(), rest.end());
}

bool SiteChoice::holds(const Make& make, const TraceJob& job, const WorkNeeds& needs) const {
  const auto in = [](const std::vector<std::string>& wanted, const std::string& its) {
    return wanted.empty() || std::ranges::find(wanted, its) != wanted.end();
  };
  const scheduler::Site& site = cluster_.sites[make.site];
  if (!in(needs.zones, site.zone) || !in(needs.jurisdictions, site.jurisdiction)) return false;
  if (needs.attested && !make.attested) return false;
  if (make.cpu_milli < job.demand.cpu_milli || make.memory_mib < job.demand.memory_mib) return false;
  if (job.demand.accelerators == 0) return true;
  if (make.accelerators < job.demand.accelerators) return false;
  if (!scheduler::allows(job.kinds, make.kind)) return false;
  const std::int64_t memory_mib = cluster_.kinds[make.kind].memory_bytes.value_or(0) / (1 << 20);
  return memory_mib >= needs.accelerator_memory_mib;
}

std::vector<SiteIndex> SiteChoice::able(const TraceJob& job, const WorkNeeds& needs) const {
  std::vector<SiteIndex> sites;
  for (const Make& make : makes_) {
    if ((sites.empty() || sites.back() != make.site) && holds(make, job, needs)) sites.push_back(make.site);
  }
  if (!sites.empty()) return sites;
  for (SiteIndex site = 0; site < free_.size(); ++site) sites.push_back(site);
  return sites;
}

scheduler::Amount& SiteChoice::free_at(scheduler::NodeIndex index) {
  const scheduler::Node& node = cluster_.nodes[index];
  return free_[node.site][node.accelerators > 0 ? node.kind : cluster_.kinds.size()];
}

bool SiteChoice::has_room(SiteIndex site, const TraceJob& job) const {
  const scheduler::Amount wanted = scheduler::amount_of(job.demand, job.tasks);
  scheduler::Amount all;
  for (std::size_t kind = 0; kind < free_[site].size(); ++kind) {
    const scheduler::Amount& free = free_[site][kind];
    const bool may =
        kind < cluster_.kinds.size() && scheduler::allows(job.kinds, static_cast<scheduler::KindIndex>(kind));
    if (job.demand.accelerators > 0 && may && is_within(wanted, free)) return true;
    add_to(all, free, 1);
  }
  return job.demand.accelerators == 0 && is_within(wanted, all);
}

std::vector<SiteIndex> SiteChoice::with_room(std::span<const SiteIndex> able, const TraceJob& job) const {
  std::vector<SiteIndex> sites;
  for (const SiteIndex site : able) {
    if (has_room(site, job)) sites.push_back(site);
  }
  return sites;
}

std::vector<double> SiteChoice::shares(std::span<const SiteIndex> sites) const {
  double sum = 0.0;
  for (const SiteIndex site : sites) sum += weights_[site];
  std::vector<double> shares;
  for (const SiteIndex site : sites)
    shares.push_back(sum > 0.0 ? weights_[site] / sum : 1.0 / static_cast<double>(sites.size()));
  return shares;
}

}  // namespace millrace::twin
