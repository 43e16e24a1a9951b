#include "twin/run.h"

#include <algorithm>
#include <cmath>

#include "twin/sim/engine.h"
#include "twin/sim/figures.h"

namespace millrace::twin {
namespace {

constexpr double kDayUs = 86'400e6;

}  // namespace

Result<RunResult> run_twin(const SiteConfig& site, JobSource& source, const RunOptions& options,
                           const Progress& progress) {
  DecisionLog log;
  if (!options.decisions_path.empty()) log = TRY(DecisionLog::create(options.decisions_path));
  EngineOptions engine_options{.start = to_virtual(site.start), .end = {}, .seed = options.seed};
  if (options.days)
    engine_options.end = engine_options.start + static_cast<VirtualTime>(std::ceil(*options.days * kDayUs));
  const std::unique_ptr<Engine> engine = TRY(Engine::create(site, source, log, engine_options));
  TRY_VOID(engine->play(progress));
  RunResult result = figures_of(site, *engine, engine_options.start);
  result.decisions = log.lines();
  result.decisions_sha256 = TRY(log.finish());
  result.seed = options.seed;
  result.workload = source.facts().origin;
  result.notes = source.facts().notes;
  result.report = report_of(site, *engine, result, engine_options.start);
  return result;
}

Result<RunResult> run_twin(const RunOptions& options, const Progress& progress) {
  const SiteConfig site = TRY(load_site(options.site_path));
  if (!options.workload_path.empty()) {
    Trace trace = TRY(read_trace(options.workload_path, options.format, site));
    const std::unique_ptr<JobSource> source = play(std::move(trace));
    return run_twin(site, *source, options, progress);
  }
  RunOptions its = options;
  if (!its.days) its.days = site.days;
  const TraceTime end(static_cast<std::int64_t>(std::ceil(*its.days * kDayUs)));
  const std::unique_ptr<JobSource> source = TRY(generate_jobs(site, options.seed, end));
  return run_twin(site, *source, its, progress);
}

std::optional<double> find_value(const RunResult& result, std::string_view metric) {
  const auto at = std::ranges::find(result.metrics, metric, &Metric::name);
  return at == result.metrics.end() || std::isnan(at->value) ? std::nullopt : std::optional(at->value);
}

}  // namespace millrace::twin
