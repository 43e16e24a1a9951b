#include <fmt/format.h>

#include <cmath>

#include "core/clock.h"
#include "host/file.h"
#include "host/output_file.h"
#include "twin/csv.h"
#include "twin/report.h"

namespace millrace::twin {
namespace {

/// A field of RFC 4180. A text that a spreadsheet would take for a formula gets a blank before it.
std::string field(std::string_view text) {
  std::string safe(text);
  if (!safe.empty() && std::string_view("=+-@\t\r").contains(safe.front())) {
    const bool number =
        safe.front() == '-' && safe.find_first_not_of("-0123456789.eE+,") == std::string::npos;
    if (!number) safe.insert(0, " ");
  }
  return csv_field(safe);
}

std::string number(double value) { return std::isfinite(value) ? fmt::format("{}", value) : ""; }

std::string metrics_csv(const RunReport& report) {
  std::string out = "metric,value,unit,meaning\n";
  for (const auto& [name, value] : report.metrics) {
    const auto* info = find_metric(name);
    out += fmt::format("{},{},{},{}\n", field(name), number(value), field(info ? info->unit : ""),
                       field(info ? info->meaning : ""));
  }
  return out;
}

std::string accounts_csv(const RunReport& report) {
  std::string out = "account,entitled,used,accelerator_hours,jobs,wait_mean_s\n";
  for (const auto& each : report.accounts) {
    out += fmt::format("{},{},{},{},{},{}\n", field(each.account), number(each.entitled), number(each.used),
                       number(each.accelerator_hours), each.jobs, number(each.wait_mean_s));
  }
  return out;
}

std::string gantt_csv(const RunReport& report) {
  std::string out = "job,account,accelerators,arrival,from,to,capped\n";
  for (const auto& job : report.gantt) {
    const auto head = fmt::format("{},{},{},{}", field(job.name), field(job.account), job.accelerators,
                                  to_rfc3339(job.arrival));
    if (job.stretches.empty()) out += head + ",,,\n";
    for (const auto& stretch : job.stretches) {
      out += fmt::format("{},{},{},{}\n", head, to_rfc3339(stretch.from), to_rfc3339(stretch.to),
                         stretch.capped);
    }
  }
  return out;
}

std::string chart_csv(const Chart& chart) {
  std::string out = "time";
  for (const auto& line : chart.lines)
    out += "," + field(chart.unit.empty() ? line.name : fmt::format("{} ({})", line.name, chart.unit));
  out += "\n";
  for (std::size_t i = 0; i < chart.times.size(); ++i) {
    out += to_rfc3339(chart.times[i]);
    for (const auto& line : chart.lines) out += "," + (i < line.values.size() ? number(line.values[i]) : "");
    out += "\n";
  }
  return out;
}

std::string table_csv(const Table& table) {
  std::string out;
  for (std::size_t i = 0; i < table.columns.size(); ++i) out += (i == 0 ? "" : ",") + field(table.columns[i]);
  out += "\n";
  for (const auto& row : table.rows) {
    for (std::size_t i = 0; i < row.size(); ++i) out += (i == 0 ? "" : ",") + field(row[i].exact);
    out += "\n";
  }
  return out;
}

}  // namespace

Result<void> write_tables(const RunReport& report, const std::string& folder) {
  TRY_VOID(host::make_dirs(folder));
  const auto write = [&](const std::string& id, const std::string& text) {
    return host::write_output(folder + "/" + id + ".csv", text);
  };
  if (!report.metrics.empty()) TRY_VOID(write("metrics", metrics_csv(report)));
  if (!report.accounts.empty()) TRY_VOID(write("accounts", accounts_csv(report)));
  if (!report.gantt.empty()) TRY_VOID(write("gantt", gantt_csv(report)));
  for (const auto& chart : report.charts) TRY_VOID(write(chart.id, chart_csv(chart)));
  for (const auto& table : report.tables) TRY_VOID(write(table.id, table_csv(table)));
  return {};
}

}  // namespace millrace::twin
