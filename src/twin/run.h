// Run: plays a site under a workload and tells how it went (`millrace twin run`).
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "twin/progress.h"
#include "twin/report.h"
#include "twin/site_config.h"
#include "twin/trace.h"

namespace millrace::twin {

struct RunOptions {
  std::string site_path;
  std::string workload_path;   // empty: the site's generator
  std::string format;          // of `workload_path`; see trace_formats()
  std::optional<double> days;  // nullopt: with a workload file until all work is over, else as the site says
  std::string decisions_path;  // empty: no file, only the digest
  std::uint64_t seed = 1;      // of generated work and of failures
};

struct WaitFigures {
  std::string priority_class;
  std::int64_t jobs = 0;  // that started; the rest means nothing without any
  double mean_s = 0, p50_s = 0, p95_s = 0, p99_s = 0;
};

struct SiteFigures {
  std::string name;
  std::int64_t accelerators = 0;
  double accelerator_hours = 0;          // that work held
  std::optional<double> allocation_pct;  // these, of all there were; nullopt without accelerators
  double energy_kwh = 0, idle_kwh = 0, work_kwh = 0, overhead_kwh = 0;  // overhead: what PUE adds
  double co2e_kg = 0, energy_eur = 0;
};

/// Of one kind of accelerators.
struct KindFigures {
  std::string name;
  std::int64_t accelerators = 0;
  double accelerator_hours = 0;          // that work held
  std::optional<double> allocation_pct;  // these, of all there were
  double work_kwh = 0;                   // of that work, above idle, of IT equipment
  double revenue_eur = 0;                // for the accelerator-hours; tokens and cores are beside it
};

struct AccountFigures {
  std::string name;
  std::int64_t jobs = 0;
  double entitled = 0, used = 0;  // shares of all, 0 to 1
  double accelerator_hours = 0, energy_kwh = 0, co2e_kg = 0, wait_mean_s = 0;
};

/// One cell of the table "what if": all else as in the run.
struct WhatIf {
  double utilisation = 0, eur_per_kwh = 0;
  std::optional<double> cost_per_accelerator_hour_eur;
  std::optional<double> cost_per_mtok_eur;
  double margin_eur_per_year = 0;
  std::optional<int> payback_month;
};

struct RunResult {
  std::vector<Metric> metrics;     // in the order of metric_infos()
  std::vector<WaitFigures> waits;  // by priority class, highest first
  std::vector<SiteFigures> sites;
  std::vector<KindFigures> kinds;
  std::vector<AccountFigures> accounts;
  std::vector<WhatIf> what_if;
  std::int64_t jobs = 0, jobs_done = 0, jobs_failed = 0, jobs_refused = 0, jobs_unplaceable = 0;
  std::int64_t jobs_running = 0, jobs_waiting = 0;  // when the clock stopped
  std::int64_t accelerators = 0, nodes = 0;
  std::int64_t budget_exceeded = 0, budget_infeasible = 0;
  double simulated_days = 0;
  std::int64_t steps = 0;  // of control
  std::int64_t decisions = 0;
  std::string decisions_sha256;
  std::uint64_t seed = 0, last_draw = 0;
  std::string workload;            // where the jobs came from
  std::vector<std::string> notes;  // on the workload, for a person
  double wall_s = 0, rss_mb = 0;   // the caller measures them: the twin has no clock of its own
  RunReport report;
};

/// Errors of the site and workload files as load_site and read_trace; kInternal if an invariant broke in the run.
Result<RunResult> run_twin(const RunOptions& options, const Progress& progress = {});

/// The same with site and workload in memory; the paths of both in `options` are not read.
Result<RunResult> run_twin(const SiteConfig& site, JobSource& source, const RunOptions& options,
                           const Progress& progress = {});

/// Every figure but the charts of the report; docs/twin.md tells each field.
boost::json::object to_json(const RunResult& result);

/// Value of a metric; nullopt if the run has none of that name, or it does not apply to the run.
std::optional<double> find_value(const RunResult& result, std::string_view metric);

}  // namespace millrace::twin
