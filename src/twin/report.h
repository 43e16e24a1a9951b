// Report: the results of a run as one HTML file that needs no network, and as CSV tables.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/result.h"

namespace millrace::twin {

/// Which way is good, where one is.
enum class Better : std::uint8_t { kNeither, kLower, kHigher };

/// What is known of a metric by its name.
struct MetricInfo {
  std::string_view name;   // "wait_mean_s": unit last
  std::string_view title;  // "Mean wait"
  std::string_view unit;   // "s", "%", "MWh", "EUR", "": a bare number
  Better better = Better::kNeither;
  std::string_view meaning;  // one sentence
};

/// Every metric that a run reports, in the order that reports show them; docs/twin.md lists the same.
const std::vector<MetricInfo>& metric_infos();
/// nullptr for a name that is not among them.
const MetricInfo* find_metric(std::string_view name);

struct Metric {
  std::string name;  // of metric_infos(), or any other (shown by its name then)
  double value = 0;
};

/// One line of a chart; values[i] belongs to Chart::times[i]. NaN: no value there.
struct ChartLine {
  std::string name;  // "Draw", "Budget"
  std::vector<double> values;
  enum class Style : std::uint8_t {
    kLine,
    kArea,
    kLimit
  } style = Style::kLine;  // kLimit: dashed, what must not be passed
};

/// Lines over time. Long ones are drawn with fewer points (least and most of each pixel stay).
struct Chart {
  std::string id;                // "power", of letters, digits and '-': anchor and file name of its CSV
  std::string title;             // "Power against budget"
  std::string unit;              // "MW"
  std::string note;              // what to see in it, one or two sentences
  std::vector<TimePoint> times;  // ascending; the value holds until the next
  std::vector<ChartLine> lines;
};

/// One large job: from waiting to its end, as stretches in which it ran.
struct GanttJob {
  std::string name;
  std::string account;
  std::int64_t accelerators = 0;
  TimePoint arrival{};
  struct Stretch {
    TimePoint from{}, to{};
    bool capped = false;
  };
  std::vector<Stretch> stretches;
};

/// What an account was entitled to and what it got, in parts of all that was given.
struct AccountShare {
  std::string account;
  double entitled = 0, used = 0;  // 0 to 1
  double accelerator_hours = 0;
  double wait_mean_s = 0;
  std::int64_t jobs = 0;
};

/// A cell of a table: as a page shows it, and as a file has it.
struct Cell {
  Cell(std::string text) : shown(std::move(text)), exact(shown) {}
  Cell(const char* text) : Cell(std::string(text)) {}
  Cell(std::string shown_in, std::string exact_in) : shown(std::move(shown_in)), exact(std::move(exact_in)) {}

  std::string shown, exact;
};

struct Table {
  std::string id;  // "sites": file name of its CSV
  std::string title;
  std::vector<std::string> columns;
  std::vector<bool> numeric;            // by column: set right
  std::vector<std::vector<Cell>> rows;  // each as wide as `columns`
};

/// Everything that a report shows. What is empty is left out.
struct RunReport {
  std::string title;     // "18,000 accelerators under 40 MW"
  std::string subtitle;  // site file, workload, days, seed
  TimePoint start{}, end{};
  std::vector<std::pair<std::string, std::string>> inputs;  // "Seed", "1"
  std::vector<Metric> metrics;
  std::vector<std::string> findings;  // sentences for a person, first things first
  std::vector<Chart> charts;
  std::vector<GanttJob> gantt;  // largest first; at most 60 are drawn
  std::vector<AccountShare> accounts;
  std::vector<Table> tables;
};

/// One HTML document: no script, no resource from outside, light and dark, a table for each plot.
std::string render_report(const RunReport& report);

/// Writes the document, as host::OutputFile.
Result<void> write_report(const RunReport& report, const std::string& path);

/// Writes metrics.csv, accounts.csv, gantt.csv, one file for each chart and table into `folder`, which is made if absent.
/// Times are RFC 3339, numbers the shortest text that reads back the same.
Result<void> write_tables(const RunReport& report, const std::string& folder);

/// {"name": value, ...} in the order given; values that are no numbers become null.
boost::json::object metrics_json(const std::vector<Metric>& metrics);

}  // namespace millrace::twin
