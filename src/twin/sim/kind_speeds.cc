#include "twin/sim/kind_speeds.h"

#include <algorithm>
#include <map>
#include <utility>

#include "scheduler/spread.h"
#include "twin/generate/gang.h"
#include "twin/kind_times.h"

namespace millrace::twin {

KindSpeeds::KindSpeeds(const SiteConfig& config)
    : kinds_(config.cluster.kinds.size()),
      best_first_(kProfiles * 2),
      speeds_(kProfiles * 2 * kinds_ * kinds_, 0.0) {
  for (std::size_t row = 0; row < best_first_.size(); ++row) {
    const auto profile = static_cast<WorkProfile>(row / 2);
    for (std::size_t reference = 0; reference < kinds_; ++reference) {
      const auto there = seconds_on(config.cluster.kinds[reference], profile, row % 2 != 0);
      for (std::size_t kind = 0; kind < kinds_; ++kind) {
        const auto here = seconds_on(config.cluster.kinds[kind], profile, row % 2 != 0);
        if (there && here) speeds_[(row * kinds_ + reference) * kinds_ + kind] = *there / *here;
      }
    }
  }
  rank(config);
}

std::size_t KindSpeeds::row_of(const TraceJob& job) {
  return static_cast<std::size_t>(job.profile) * 2 + (is_alone(job) ? 1 : 0);
}

void KindSpeeds::rank(const SiteConfig& config) {
  for (std::size_t row = 0; row < best_first_.size(); ++row) {
    const bool alone = row % 2 != 0;
    const auto work = reference_of(static_cast<WorkProfile>(row / 2), alone);
    if (!work) continue;
    const std::array mix{*reference_of(WorkProfile::kPrefill, alone),
                         *reference_of(WorkProfile::kDecode, alone),
                         *reference_of(WorkProfile::kTraining, alone)};
    for (const scheduler::KindRank& ranked : scheduler::rank_kinds(config.cluster.kinds, *work, mix))
      best_first_[row].push_back(static_cast<scheduler::KindIndex>(ranked.kind));
  }
}

bool KindSpeeds::knows(const TraceJob& job, scheduler::KindIndex kind) const {
  if (job.kind != TraceJobKind::kJob || job.reference_kind >= kinds_) return false;
  return speeds_[(row_of(job) * kinds_ + job.reference_kind) * kinds_ + kind] > 0.0;
}

double KindSpeeds::speed(const TraceJob& job, scheduler::KindIndex kind) const {
  return knows(job, kind) ? speeds_[(row_of(job) * kinds_ + job.reference_kind) * kinds_ + kind] : 1.0;
}

double KindSpeeds::slowest(const TraceJob& job) const {
  double least = 0.0;
  for (std::size_t kind = 0; kind < kinds_; ++kind) {
    if ((job.kinds >> kind & 1) == 0) continue;
    const double its = speed(job, static_cast<scheduler::KindIndex>(kind));
    least = least == 0.0 ? its : std::min(least, its);
  }
  return least == 0.0 ? 1.0 : least;
}

namespace {

/// Tasks that a node could hold if it were empty.
std::int64_t room_on(const scheduler::Node& node, const scheduler::Demand& demand) {
  std::int64_t tasks = INT64_MAX;
  if (demand.cpu_milli > 0) tasks = std::min(tasks, node.cpu_milli / demand.cpu_milli);
  if (demand.memory_mib > 0) tasks = std::min(tasks, node.memory_mib / demand.memory_mib);
  const std::int64_t by_devices = demand.accelerator_milli < 1000
                                      ? std::int64_t{node.accelerators} * (1000 / demand.accelerator_milli)
                                      : node.accelerators / demand.accelerators;
  return std::min(tasks, by_devices);
}

}  // namespace

std::uint64_t KindChoice::able(const TraceJob& job, const WorkNeeds& needs) const {
  const scheduler::Cluster& cluster = config_.cluster;
  std::map<std::pair<scheduler::KindIndex, std::uint32_t>, scheduler::TaskCount> counts;
  for (scheduler::NodeIndex i = 0; i < cluster.nodes.size(); ++i) {
    const scheduler::Node& node = cluster.nodes[i];
    if (node.accelerators == 0 || node.kind >= 64 || !meets(cluster, node, needs)) continue;
    const std::uint32_t where = job.one_domain ? node.domain : node.site;
    const std::int64_t room = room_on(node, job.demand);
    if (room == 0 || (job.one_domain && where == scheduler::kNoIndex)) continue;
    counts.try_emplace(std::pair(node.kind, where), cluster, job.spread).first->second.add(i, room);
  }
  std::uint64_t kinds = 0;
  for (const auto& [at, count] : counts) {
    if (count.value() >= job.tasks) kinds |= std::uint64_t{1} << at.first;
  }
  return kinds_with_memory(config_, kinds, needs.accelerator_memory_mib);
}

std::uint64_t KindChoice::worth(const TraceJob& job, const WorkNeeds& needs) {
  const double most = config_.policy.kind_slowdown_max;
  if (most == 0.0 || job.demand.accelerators == 0 || config_.cluster.kinds.size() < 2) return job.kinds;
  const Key key{job.demand.cpu_milli,
                job.demand.memory_mib,
                job.demand.accelerators,
                job.demand.accelerator_milli,
                job.tasks,
                job.needs,
                job.kinds,
                job.one_domain,
                job.spread};
  const auto [known, added] = able_.try_emplace(key, 0);
  if (added) known->second = able(job, needs) & job.kinds;
  double best = 0.0;
  std::uint64_t kinds = job.kinds;
  const auto each_known = [&](auto act) {
    for (std::size_t k = 0; k < config_.cluster.kinds.size(); ++k) {
      const auto kind = static_cast<scheduler::KindIndex>(k);
      if (speeds_.knows(job, kind)) act(kind, speeds_.speed(job, kind));
    }
  };
  each_known([&](scheduler::KindIndex kind, double speed) {
    if ((known->second >> kind & 1) != 0) best = std::max(best, speed);
  });
  each_known([&](scheduler::KindIndex kind, double speed) {
    if (speed * most < best) kinds &= ~(std::uint64_t{1} << kind);
  });
  return kinds;
}

}  // namespace millrace::twin
