// Figures: the results of a run from what its engine added up.
#pragma once

#include "twin/run.h"
#include "twin/sim/engine.h"

namespace millrace::twin {

/// All but what the caller knows better (seed, workload, digest) and the report.
RunResult figures_of(const SiteConfig& config, Engine& engine, VirtualTime start);

/// Charts, Gantt, shares and tables for people. `result` is complete but for its report.
RunReport report_of(const SiteConfig& config, const Engine& engine, const RunResult& result,
                    VirtualTime start);

}  // namespace millrace::twin
