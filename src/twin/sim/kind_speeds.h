// KindSpeeds: how fast jobs of a trace go on the kinds of a site, and which of them they may get.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include "twin/site_config.h"
#include "twin/trace.h"

namespace millrace::twin {

/// How fast work of a job goes on each kind, as a share of its speed where its work was recorded, by roofline
/// (twin/kind_times.h). 1 for services and environments, which hold what they have for a time; for work whose profile or
/// reference is unknown; and between kinds whose figures are unknown.
class KindSpeeds {
 public:
  explicit KindSpeeds(const SiteConfig& config);
  double speed(const TraceJob& job, scheduler::KindIndex kind) const;
  /// Whether that is by figures.
  bool knows(const TraceJob& job, scheduler::KindIndex kind) const;
  /// On the slowest kind that the job may get.
  double slowest(const TraceJob& job) const;
  /// The kinds that work as this job's may get, those that suit it best first (scheduler::rank_kinds); empty where the
  /// profile says nothing of kinds.
  const std::vector<scheduler::KindIndex>& best_first(const TraceJob& job) const {
    return best_first_[row_of(job)];
  }

 private:
  static constexpr std::size_t kProfiles = 5;
  static std::size_t row_of(const TraceJob& job);
  void rank(const SiteConfig& config);

  std::size_t kinds_ = 0;
  std::vector<std::vector<scheduler::KindIndex>> best_first_;  // [profile, alone or not]
  std::vector<double> speeds_;                                 // [the same][reference][kind]; 0: not known
};

/// Which kinds are worth it: not those on which the work would take more than PolicyConfig::kind_slowdown_max times as long as
/// on the best of those that could hold it. Kinds whose figures are unknown are.
class KindChoice {
 public:
  KindChoice(const SiteConfig& config, const KindSpeeds& speeds) : config_(config), speeds_(speeds) {}
  /// As TraceJob::kinds, and part of those.
  std::uint64_t worth(const TraceJob& job, const WorkNeeds& needs);

 private:
  using Key = std::tuple<std::int64_t, std::int64_t, std::int32_t, std::int32_t, std::int32_t, std::uint16_t,
                         std::uint64_t, bool, scheduler::Spread>;
  /// Kinds of whose nodes, all empty, one site (or domain) could hold all its tasks.
  std::uint64_t able(const TraceJob& job, const WorkNeeds& needs) const;

  const SiteConfig& config_;
  const KindSpeeds& speeds_;
  std::map<Key, std::uint64_t> able_;  // of what came before
};

}  // namespace millrace::twin
