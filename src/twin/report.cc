#include "twin/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "embed/report_files.h"
#include "host/output_file.h"
#include "twin/page/draw.h"
#include "twin/page/html.h"

namespace millrace::twin {
namespace {

using page::escape;
using page::figure;

constexpr std::array kTiles = {"allocation_pct",
                               "utilisation_pct",
                               "wait_mean_s",
                               "jct_mean_s",
                               "energy_mwh",
                               "peak_power_mw",
                               "co2e_t",
                               "cost_eur",
                               "cost_per_accelerator_hour_eur",
                               "cost_per_mtok_eur",
                               "revenue_eur",
                               "margin_eur",
                               "payback_months"};

std::string tiles(const RunReport& report) {
  std::string out = "<dl class=\"tiles\">";
  for (const std::string_view name : kTiles) {
    const auto found = std::ranges::find(report.metrics, name, &Metric::name);
    if (found == report.metrics.end() || std::isnan(found->value)) continue;
    const auto* info = find_metric(name);
    out += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", escape(info->title),
                       figure(found->value, info->unit));
  }
  return out + "</dl>\n";
}

std::string contents(const RunReport& report) {
  std::string out = "<nav aria-label=\"Contents\"><ul>";
  const auto link = [&](std::string_view id, std::string_view title) {
    out += fmt::format("<li><a href=\"#{}\">{}</a></li>", escape(id), escape(title));
  };
  for (const auto& chart : report.charts) link(chart.id, chart.title);
  if (!report.gantt.empty()) link("large-jobs", "Large jobs");
  if (!report.accounts.empty()) link("fairness", "Fairness");
  for (const auto& table : report.tables) link("table-" + table.id, table.title);
  link("metrics", "All metrics");
  link("inputs", "What went in");
  return out + "</ul></nav>\n";
}

std::string table(const Table& table) {
  const auto numeric = [&](std::size_t column) {
    return column < table.numeric.size() && table.numeric[column] ? " class=\"n\"" : "";
  };
  std::string out = fmt::format(
      "<section id=\"table-{0}\"><h2>{1}</h2><div class=\"scroll\" tabindex=\"0\" role=\"region\" "
      "aria-label=\"{1}\"><table><thead><tr>",
      escape(table.id), escape(table.title));
  for (std::size_t i = 0; i < table.columns.size(); ++i)
    out += fmt::format("<th scope=\"col\"{}>{}</th>", numeric(i), escape(table.columns[i]));
  out += "</tr></thead><tbody>";
  for (const auto& row : table.rows) {
    out += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i)
      out += fmt::format("<td{}>{}</td>", numeric(i), escape(row[i].shown));
    out += "</tr>";
  }
  return out + "</tbody></table></div></section>\n";
}

std::string metrics_table(const RunReport& report) {
  std::string out =
      "<section id=\"metrics\"><h2>All metrics</h2><div class=\"scroll\" tabindex=\"0\" role=\"region\" "
      "aria-label=\"All metrics\"><table><thead><tr><th scope=\"col\">Metric</th>"
      "<th scope=\"col\" class=\"n\">Value</th><th scope=\"col\">Meaning</th><th "
      "scope=\"col\">Name</th></tr></thead><tbody>";
  for (const auto& [name, value] : report.metrics) {
    const auto* info = find_metric(name);
    out += fmt::format(
        "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td>{}</td><td><code>{}</code></td></tr>",
        escape(info ? info->title : name), figure(value, info ? info->unit : ""),
        escape(info ? info->meaning : ""), escape(name));
  }
  return out + "</tbody></table></div></section>\n";
}

std::string inputs_table(const RunReport& report) {
  std::string out =
      "<section id=\"inputs\"><h2>What went in</h2><div class=\"scroll\" tabindex=\"0\" role=\"region\" "
      "aria-label=\"What went in\"><table><tbody>";
  for (const auto& [name, value] : report.inputs)
    out += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td></tr>", escape(name), escape(value));
  return out + "</tbody></table></div></section>\n";
}

}  // namespace

std::string render_report(const RunReport& report) {
  std::string out =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
      "img-src data:\">"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><link rel=\"icon\" "
      "href=\"data:,\">";
  out += fmt::format(
      "<title>{}</title><style>{}</style></head>\n<body><header><h1>{}</h1><p class=\"quiet\">{}<br>{} to "
      "{}, UTC</p></header>\n<main>",
      escape(report.title), report_files()[0].bytes, escape(report.title), escape(report.subtitle),
      page::moment(report.start), page::moment(report.end));
  if (!report.findings.empty()) {
    out += "<ul class=\"findings\">";
    for (const auto& finding : report.findings) out += fmt::format("<li>{}</li>", escape(finding));
    out += "</ul>\n";
  }
  out += tiles(report) + contents(report);
  for (const auto& chart : report.charts) out += page::chart(chart, report.start, report.end);
  if (!report.gantt.empty()) out += page::gantt(report.gantt, report.start, report.end);
  if (!report.accounts.empty()) out += page::fairness(report.accounts);
  for (const auto& each : report.tables) out += table(each);
  if (!report.metrics.empty()) out += metrics_table(report);
  if (!report.inputs.empty()) out += inputs_table(report);
  return out + "</main></body></html>\n";
}

Result<void> write_report(const RunReport& report, const std::string& path) {
  return host::write_output(path, render_report(report));
}

}  // namespace millrace::twin
