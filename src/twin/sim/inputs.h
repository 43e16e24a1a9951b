// Inputs: a site's configuration and a trace's jobs in the words of the scheduler.
#pragma once

#include <vector>

#include "scheduler/power.h"
#include "scheduler/workload.h"
#include "twin/sim/event_queue.h"
#include "twin/sim/kind_speeds.h"
#include "twin/site_config.h"
#include "twin/trace.h"

namespace millrace::twin {

inline TimePoint to_time(VirtualTime at) { return TimePoint(std::chrono::microseconds(at)); }
inline VirtualTime to_virtual(TimePoint at) { return at.time_since_epoch().count(); }

/// Deferrable, and with a deadline to meet.
inline bool may_wait(const TraceJob& job) { return job.deferrable && job.deadline != kNever; }

/// What is asked of the scheduler. Its limit is the time that the work takes on the slowest kind it allows; among several
/// kinds it prefers those that suit its profile.
scheduler::Workload workload_of(const SiteConfig& config, const KindSpeeds& speeds, const TraceJob& job,
                                const WorkNeeds& needs, scheduler::WorkloadId id, VirtualTime arrival);

/// A budget of a scope from `from` on, known from `known` on.
struct BudgetFact {
  VirtualTime known = 0;
  scheduler::BudgetChange change;
};

/// Every budget of a site's configuration: stages are known from the beginning of a run, grid events so long before they
/// are in force as their notice says. What is told of a scope and a moment later replaces what was told before. Ordered by
/// `known`; those that are known at `start` or before come first.
std::vector<BudgetFact> budget_facts(const SiteConfig& config, VirtualTime start);

}  // namespace millrace::twin
