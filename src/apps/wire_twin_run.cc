#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <memory>

#include "apps/twin_commands.h"
#include "apps/twin_show.h"
#include "twin/run.h"

namespace millrace::apps {
namespace {

struct Line {
  twin::RunOptions options;
  double days = 0;
  std::string report_path, tables_path;
  bool json = false;
};

/// The most memory that this process ever had, in MB (10^6 bytes).
double peak_rss_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024.0 / 1e6;
}

void print(const twin::RunResult& result) {
  std::vector<std::vector<std::string>> rows;
  for (const twin::Metric& metric : result.metrics) {
    const twin::MetricInfo* info = twin::find_metric(metric.name);
    rows.push_back({info != nullptr ? std::string(info->title) : metric.name,
                    std::isnan(metric.value) ? "-" : fmt::format("{:.6g}", metric.value),
                    info != nullptr ? std::string(info->unit) : ""});
  }
  cli::print_table({"metric", "value", "unit"}, rows);
  for (const std::string& finding : result.report.findings) fmt::print("{}\n", finding);
  for (const std::string& note : result.notes) fmt::print("{}\n", note);
  fmt::print(
      "{} jobs on {} accelerators, {:.2f} days simulated in {:.1f} s, {:.0f} MB; {} decisions, SHA-256 {}\n",
      result.jobs, result.accelerators, result.simulated_days, result.wall_s, result.rss_mb, result.decisions,
      result.decisions_sha256);
}

int run(Line& line, bool has_days) {
  if (has_days) line.options.days = line.days;
  auto result = with_progress([&](const Clock& clock, const twin::Progress& progress) {
    const MonotonicPoint begun = clock.monotonic();
    auto played = twin::run_twin(line.options, progress);
    if (played) played->wall_s = std::chrono::duration<double>(clock.monotonic() - begun).count();
    return played;
  });
  if (!result) return cli::report(result.error());
  result->rss_mb = peak_rss_mb();
  if (!line.report_path.empty()) {
    if (const auto written = twin::write_report(result->report, line.report_path); !written)
      return cli::report(written.error());
  }
  if (!line.tables_path.empty()) {
    if (const auto written = twin::write_tables(result->report, line.tables_path); !written)
      return cli::report(written.error());
  }
  return show(result, line.json, print);
}

}  // namespace

void add_twin_run(CLI::App& twin, cli::Chosen& chosen) {
  auto line = std::make_shared<Line>();
  auto* command = twin.add_subcommand(
      "run", "play a site under a workload: power, queue, carbon, cost, and every decision");
  auto& options = line->options;
  command
      ->add_option("site", options.site_path,
                   "site.toml: what there is, what it draws and costs, and how work is scheduled")
      ->required();
  auto* workload = command->add_option("--workload", options.workload_path,
                                       "trace of jobs or requests; without it the site's own generator");
  auto* format = command->add_option("--format", options.format,
                                     "of the trace: openb, gavel, gaia, azure-llm, mooncake or millrace");
  workload->needs(format);
  format->needs(workload);
  auto* days = command->add_option("--days", line->days,
                                   "simulated days; without it a trace plays until all its work is over, and "
                                   "the generator as long as the site says");
  check_range(*days, 1e-6, 36'525.0);
  command->add_option("--report", line->report_path, "write one self-contained HTML page with plots");
  command->add_option("--tables", line->tables_path,
                      "write CSV tables of metrics, accounts and every plot into this folder");
  command->add_option("--decisions", options.decisions_path,
                      "write every decision: time, id, decision and reason between tabs");
  add_seed(*command, options.seed,
           "of generated work and of failures; the same seed gives the same decisions");
  command->add_flag("--json", line->json, "print one JSON object");
  command->callback([line, days, &chosen] {
    chosen = [line, has_days = days->count() > 0] { return run(*line, has_days); };
  });
}

}  // namespace millrace::apps
