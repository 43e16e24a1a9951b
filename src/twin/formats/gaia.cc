#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "twin/csv.h"
#include "twin/formats/builder.h"

namespace millrace::twin {
namespace {

struct Row {
  double arrival = 0, length = 0;
  std::int32_t cpus = 0;
};

bool whole(double value) { return value == std::floor(value); }

}  // namespace

Result<void> read_gaia(std::string_view text, TraceBuilder& builder) {
  constexpr double kHoursOfYear = 8784, kValueMax = 1e9;
  CsvReader csv(text, builder.file(), ',', true);
  const auto arrival = csv.column("arrival_time"), length = csv.column("length"), cpus = csv.column("cpus");
  // The published files are in hours or in seconds and do not say which, so all rows come first.
  std::vector<Row> rows;
  bool seconds = true;
  double last = 0;
  while (csv.next()) {
    const Row row{.arrival = csv.number(arrival, 0, kValueMax),
                  .length = csv.number(length, 0, kValueMax),
                  .cpus = static_cast<std::int32_t>(csv.integer(cpus, 1, 1'000'000))};
    seconds = seconds && whole(row.arrival) && whole(row.length);
    last = std::max({last, row.arrival, row.length});
    rows.push_back(row);
    if (std::cmp_greater(rows.size(), builder.options().max_jobs)) break;
  }
  TRY_VOID(csv.finish());
  seconds = seconds || last > kHoursOfYear;
  const double unit = seconds ? 1e6 : 3600e6;
  const bool accelerators = builder.room().node != nullptr;
  std::int64_t line = 1;
  for (const auto& row : rows) {
    TraceJob job;
    job.arrival = TraceTime(std::llround(row.arrival * unit));
    job.work = TraceTime(std::max<std::int64_t>(1000, std::llround(row.length * unit)));
    const auto gang = builder.gang(accelerators ? row.cpus : 0);
    job.demand = gang.demand;
    job.tasks = accelerators ? gang.tasks : row.cpus;
    if (!accelerators) {
      job.demand = {.cpu_milli = 1000};
      job.profile = WorkProfile::kCpu;
    }
    const auto slack = job.work <= std::chrono::hours(2) ? std::chrono::hours(6) : std::chrono::hours(24);
    job.deferrable = true;
    job.deadline = job.arrival + job.work + slack;
    job.account = builder.deal_account();
    job.priority_class = builder.class_default();
    job.preemptible = builder.class_preemptible(job.priority_class);
    TRY_VOID(builder.add(job, ++line));
  }
  builder.facts().notes.push_back(fmt::format(
      "times are read as {} ({}); a cpu of the trace is one {}; jobs to 2 h may wait 6 h, longer ones 24 h",
      seconds ? "seconds" : "hours",
      seconds ? "whole, or beyond a year of hours" : "not whole, and within a year of hours",
      accelerators ? "accelerator" : "core"));
  return {};
}

}  // namespace millrace::twin
