// Kind times: how long work of a profile takes on a kind of accelerator, by roofline.
#pragma once

#include <optional>

#include "core/capability.h"
#include "scheduler/roofline.h"
#include "twin/trace.h"

namespace millrace::twin {

/// The reference work of this profile (scheduler::reference_works). `alone`: on one accelerator that has no peers to talk to,
/// so without its collectives. nullopt: nothing is known of the profile, it takes as long on every kind.
std::optional<scheduler::WorkProfile> reference_of(WorkProfile profile, bool alone);

/// Seconds of that work on a kind; only ratios between kinds mean anything for other work. nullopt: a figure that it needs is
/// unknown, or the profile says nothing.
std::optional<double> seconds_on(const Capability& kind, WorkProfile profile, bool alone);

inline bool is_alone(const TraceJob& job) { return job.tasks * job.demand.accelerators <= 1; }

}  // namespace millrace::twin
