// Site choice: at which sites work could run, and which of them have room for it now.
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <vector>

#include "scheduler/accounts.h"
#include "scheduler/cluster.h"
#include "scheduler/workload.h"
#include "twin/trace.h"

namespace millrace::twin {

class SiteChoice {
 public:
  explicit SiteChoice(const scheduler::Cluster& cluster);

  /// Sites with a node that a task fits on while it is empty, in order; all sites if there is none.
  std::vector<scheduler::SiteIndex> able(const TraceJob& job, const WorkNeeds& needs) const;
  /// Those of them that have as much free as the job takes: of one kind that it may run on, if it needs accelerators.
  std::vector<scheduler::SiteIndex> with_room(std::span<const scheduler::SiteIndex> able,
                                              const TraceJob& job) const;
  void took(scheduler::NodeIndex node, const scheduler::Amount& amount) { add_to(free_at(node), amount, -1); }
  void gave_back(scheduler::NodeIndex node, const scheduler::Amount& amount) {
    add_to(free_at(node), amount, 1);
  }
  /// Share of the site's accelerators in those of all these sites; of its nodes where none has any.
  std::vector<double> shares(std::span<const scheduler::SiteIndex> sites) const;

 private:
  /// What nodes of one make have at one site.
  struct Make {
    scheduler::SiteIndex site = 0;
    scheduler::KindIndex kind = 0;
    std::int32_t accelerators = 0;
    std::int64_t cpu_milli = 0, memory_mib = 0;
    bool attested = false;
    auto operator<=>(const Make&) const = default;
  };
  /// Of the nodes of its site with accelerators of its kind, or with none.
  scheduler::Amount& free_at(scheduler::NodeIndex node);
  bool has_room(scheduler::SiteIndex site, const TraceJob& job) const;
  bool holds(const Make& make, const TraceJob& job, const WorkNeeds& needs) const;

  const scheduler::Cluster& cluster_;
  std::vector<Make> makes_;  // each once, in order
  std::vector<std::vector<scheduler::Amount>>
      free_;  // [site][kind]; the last is of nodes without accelerators
  std::vector<double> weights_;
};

}  // namespace millrace::twin
