// Generator: workload drawn from stated distributions, as a source for a run or as a file; and site files by size.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/result.h"
#include "twin/progress.h"
#include "twin/trace.h"

namespace millrace::twin {

struct SiteConfig;

/// One size of job: so many of 1000 jobs ask for it.
struct SizeShare {
  std::int32_t accelerators = 1;          // in all; more than a node has means whole nodes
  std::int32_t accelerator_milli = 1000;  // below 1000: a fraction of one
  std::int64_t share = 0;                 // weight, in any unit
};

/// Work of one sort. Durations are log-normal: median x exp(sigma z), cut to [duration_min, duration_max].
struct WorkClass {
  std::string name;
  std::int64_t share = 1;        // weight among the classes
  std::string priority_class{};  // empty: the site's default
  TraceJobKind kind = TraceJobKind::kJob;
  WorkProfile profile = WorkProfile::kTraining;
  std::vector<SizeShare> sizes{};
  std::chrono::seconds duration_median{600};
  double duration_sigma = 2.0;  // of ln(duration), 0 to 4
  std::chrono::seconds duration_min{10};
  std::chrono::seconds duration_max{30 * 24 * 3600};
  std::int32_t utilisation_milli = 800;   // mean; uniform within a fifth of it
  std::int64_t deferrable_milli = 0;      // so many of 1000 jobs may wait
  std::chrono::seconds slack{24 * 3600};  // deadline of those: arrival + work + slack
  std::vector<std::string> kinds{};       // empty: any with accelerators
  bool interruptible = false;
  bool one_domain = false;
  scheduler::Spread spread = scheduler::Spread::kNone;
  WorkNeeds needs{};
};

/// A Poisson process whose rate follows hour of the day and day of the week (UTC).
struct GeneratorConfig {
  double jobs_per_day = 0;  // mean; 0: derived from `load`
  double load = 0.85;       // accelerator time asked for (as it takes on the reference kind) / that there is
  std::int64_t jobs = 0;    // ends after so many; 0: with the run
  std::array<std::int32_t, 24> hour_weight{};    // relative rate; all 0: flat
  std::array<std::int32_t, 7> weekday_weight{};  // Monday first
  std::vector<WorkClass> classes;
  // Durations, and `load`, are in seconds of this kind, and demands those of a node with it; kNoKind: the first in the file.
  scheduler::KindIndex reference_kind = scheduler::kNoKind;
  std::int64_t cpu_cores_per_accelerator_milli = 8000;
  std::int64_t memory_mib_per_accelerator = 65536;
};

/// The distributions that hold where a site.toml says nothing; each figure's source stands in docs/twin.md.
GeneratorConfig default_workload();

/// Jobs until `end`, drawn one by one: nothing is kept. Same site, seed and end: the same jobs on every machine.
/// kInvalidArgument if a class names what the site has not, or asks for nothing that it has.
Result<std::unique_ptr<JobSource>> generate_jobs(const SiteConfig& site, std::uint64_t seed, TraceTime end);

struct GenerateSiteOptions {
  std::int64_t nodes = 32;
  std::int32_t accelerators = 8;  // of each node
  std::string kind = "nvidia-h100-sxm";
  double budget_kw = 0;  // 0: what all draw at full load, less a tenth
  std::string zone = "FR";
  std::int32_t tenants = 4, projects = 3;  // projects of each tenant
  std::uint64_t seed = 1;                  // draws names and weights of the accounts
};

/// Text of a site.toml that load_site reads.
Result<std::string> generate_site(const GenerateSiteOptions& options);

/// Writes the jobs of `generate_jobs` to `path` in format "millrace". Returns how many.
Result<std::int64_t> write_workload(const SiteConfig& site, std::uint64_t seed, TraceTime end,
                                    const std::string& path, const Progress& progress = {});

}  // namespace millrace::twin
