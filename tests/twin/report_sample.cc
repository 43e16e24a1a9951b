// Writes a report with one of everything, and its tables: report_sample FILE.html FOLDER. Figures are drawn from a seed; they
// only look like those of a site.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "twin/generate/sampler.h"
#include "twin/report.h"

namespace millrace::twin {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

const TimePoint kStart = *parse_rfc3339("2026-01-05");
const TimePoint kEnd = kStart + hours(24 * 28);

std::vector<TimePoint> every(minutes step) {
  std::vector<TimePoint> times;
  for (auto at = kStart; at < kEnd; at += step) times.push_back(at);
  return times;
}

/// A walk around `mean`, between 0 and `most`.
std::vector<double> walk(std::size_t count, double mean, double spread, double most, Sampler& sampler) {
  std::vector<double> values;
  double value = mean;
  for (std::size_t i = 0; i < count; ++i) {
    value += 0.05 * (mean - value) + spread * sampler.normal();
    values.push_back(std::clamp(value, 0.0, most));
  }
  return values;
}

std::vector<Chart> charts(Sampler& sampler) {
  const auto fine = every(minutes(10)), coarse = every(minutes(60));
  std::vector<double> budget(fine.size(), 40.0);
  for (std::size_t i = 600; i < 640; ++i) budget[i] = 28.0;
  auto draw = walk(fine.size(), 36.5, 0.5, 39.9, sampler);
  for (std::size_t i = 0; i < draw.size(); ++i) draw[i] = std::min(draw[i], budget[i]);
  auto gap = walk(coarse.size(), 60, 4, 200, sampler);
  for (std::size_t i = 300; i < 320; ++i) gap[i] = std::numeric_limits<double>::quiet_NaN();
  std::vector<Chart> all;
  all.push_back(
      {.id = "power",
       .title = "Power against budget",
       .unit = "MW",
       .note = "Draw of all sites at the meter. It stays below the budget, also when the grid asks for less.",
       .times = fine,
       .lines = {{.name = "Draw", .values = draw, .style = ChartLine::Style::kArea},
                 {.name = "Budget", .values = budget, .style = ChartLine::Style::kLimit}}});
  all.push_back({.id = "queue",
                 .title = "Queue",
                 .unit = "jobs",
                 .note = "Jobs that wait, by class.",
                 .times = coarse,
                 .lines = {{.name = "high", .values = walk(coarse.size(), 10, 2, 100, sampler)},
                           {.name = "normal", .values = walk(coarse.size(), 800, 60, 4000, sampler)},
                           {.name = "low <spare>", .values = walk(coarse.size(), 2000, 90, 9000, sampler)}}});
  all.push_back({.id = "allocation",
                 .title = "Allocation",
                 .unit = "%",
                 .note = "Accelerators that are granted.",
                 .times = fine,
                 .lines = {{.name = "Allocated",
                            .values = walk(fine.size(), 92, 1.5, 100, sampler),
                            .style = ChartLine::Style::kArea}}});
  all.push_back({.id = "carbon",
                 .title = "Carbon against oracle",
                 .unit = "kg/h",
                 .note = "Deferrable work as it ran, at once, and at best.",
                 .times = coarse,
                 .lines = {{.name = "As it ran", .values = gap},
                           {.name = "At once", .values = walk(coarse.size(), 80, 4, 200, sampler)},
                           {.name = "Oracle", .values = walk(coarse.size(), 50, 4, 200, sampler)}}});
  return all;
}

std::vector<GanttJob> gantt(Sampler& sampler) {
  std::vector<GanttJob> jobs;
  for (int i = 0; i < 70; ++i) {
    GanttJob job{.name = fmt::format("job {}", 1000 + 37 * i),
                 .account = i % 3 ? "models/pretraining" : "cloud/customers",
                 .accelerators = 1024 >> (i / 12),
                 .arrival = kStart + minutes(sampler.below(30'000)),
                 .stretches = {}};
    auto at = job.arrival + minutes(sampler.below(900));
    for (int s = 0; s < 1 + i % 3; ++s) {
      const auto end = at + minutes(120 + sampler.below(4000));
      if (at < kEnd)
        job.stretches.push_back({.from = at, .to = std::min(end, kEnd), .capped = (i + s) % 5 == 0});
      at = end + minutes(sampler.below(600));
    }
    jobs.push_back(job);
  }
  jobs[3].stretches.clear();
  return jobs;
}

RunReport sample() {
  Sampler sampler(1);
  RunReport report;
  report.title = "18,000 accelerators under 40 MW";
  report.subtitle = "examples/18000.toml, generator, 28 days, seed 1";
  report.start = kStart;
  report.end = kEnd;
  report.inputs = {{"Site", "examples/18000.toml"},
                   {"Workload", "generator, seed 1"},
                   {"Carbon", "yearly mean of 2025, FR"}};
  double value = 0.37;
  for (const auto& info : metric_infos())
    report.metrics.push_back({.name = std::string(info.name), .value = value *= 1.9});
  for (auto& metric : report.metrics) {
    if (metric.name == "allocation_pct") metric.value = 93.124;
    if (metric.name == "wait_mean_s") metric.value = 5040;
    if (metric.name == "payback_months") metric.value = 47;
    if (metric.value > 1e9) metric.value = 123'456'789;
  }
  report.metrics.push_back({.name = "own_metric", .value = std::numeric_limits<double>::quiet_NaN()});
  report.findings = {
      "Power held back work in 11 % of the time; the largest budget that would not is 42.5 MW.",
      "The mean wait was 1 h 24 min; half of all jobs started within 2 min.",
      "A <script> in a name does nothing."};
  report.charts = charts(sampler);
  report.gantt = gantt(sampler);
  report.accounts = {{.account = "models/pretraining",
                      .entitled = 0.3,
                      .used = 0.34,
                      .accelerator_hours = 4'012'345,
                      .wait_mean_s = 9000,
                      .jobs = 12'034},
                     {.account = "models/posttraining",
                      .entitled = 0.1,
                      .used = 0.09,
                      .accelerator_hours = 900'000,
                      .wait_mean_s = 600,
                      .jobs = 8000},
                     {.account = "a-tenant-with-a-rather-long-name/and-a-project",
                      .entitled = 0.2,
                      .used = 0.001,
                      .accelerator_hours = 12,
                      .wait_mean_s = 1,
                      .jobs = 3}};
  report.tables = {{.id = "sites",
                    .title = "Sites",
                    .columns = {"Site", "Energy, MWh", "CO2e, t"},
                    .numeric = {false, true, true},
                    .rows = {{"hall", "24,100", "747"}, {"=HYPERLINK(\"x\")", "1", "2"}}}};
  return report;
}

}  // namespace
}  // namespace millrace::twin

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const auto report = millrace::twin::sample();
  auto written = millrace::twin::write_report(report, argv[1]);
  if (written) written = millrace::twin::write_tables(report, argv[2]);
  if (!written) std::fputs(written.error().message.c_str(), stderr);
  return written ? 0 : 1;
}
