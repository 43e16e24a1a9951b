#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "twin/sim/figures.h"

namespace millrace::twin {
namespace {

std::vector<TimePoint> times_of(const Timeline& line, VirtualTime start, std::size_t count) {
  std::vector<TimePoint> times;
  times.reserve(count);
  for (std::size_t i = 0; i < count; ++i)
    times.push_back(to_time(start + static_cast<VirtualTime>(i) * line.width()));
  return times;
}

ChartLine line_of(std::string name, const Timeline& line, double scale, ChartLine::Style style,
                  bool peaks = false) {
  ChartLine out{.name = std::move(name), .values = {}, .style = style};
  for (const Timeline::Interval& each : line.intervals())
    out.values.push_back((peaks ? each.max : each.mean) * scale);
  return out;
}

/// "1 minute", "4 hours 16 minutes".
std::string length_of(VirtualTime length) {
  const std::int64_t minutes = length / 60'000'000;
  const auto some = [](std::int64_t count, const char* what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
  };
  if (minutes < 60) return some(minutes, "minute");
  return some(minutes / 60, "hour") + (minutes % 60 == 0 ? "" : " " + some(minutes % 60, "minute"));
}

Chart power_chart(std::string id, std::string title, const PowerLines& power, VirtualTime start) {
  constexpr double kMegawatt = 1e-9;
  Chart chart{
      .id = std::move(id), .title = std::move(title), .unit = "MW", .note = {}, .times = {}, .lines = {}};
  chart.note = fmt::format(
      "At the meter: means of {} each. A draw is held against its budget at every moment; a budget that "
      "falls for less "
      "than that looks less deep here.",
      length_of(power.draw_mw.width()));
  chart.lines.push_back(line_of("Draw", power.draw_mw, kMegawatt, ChartLine::Style::kArea));
  chart.lines.push_back(line_of("Idle", power.idle_mw, kMegawatt, ChartLine::Style::kLine));
  if (power.limited)
    chart.lines.push_back(line_of("Budget", power.budget_mw, kMegawatt, ChartLine::Style::kLimit));
  chart.times = times_of(power.draw_mw, start, chart.lines[0].values.size());
  return chart;
}

/// Of all sites; where there are several, then of each that has a budget.
std::vector<Chart> power_charts(const SiteConfig& config, const Tally& tally, VirtualTime start) {
  std::vector<Chart> charts;
  charts.push_back(power_chart("power", "Power against budget", tally.power, start));
  for (std::size_t i = 0; i < tally.power_of_site.size(); ++i) {
    if (!tally.power_of_site[i].limited) continue;
    charts.push_back(power_chart(fmt::format("power-{}", i + 1),
                                 "Power against budget: " + config.cluster.sites[i].name,
                                 tally.power_of_site[i], start));
  }
  return charts;
}

Chart queue_chart(const Tally& tally, VirtualTime start) {
  Chart chart{.id = "queue",
              .title = "Queue",
              .unit = "jobs",
              .note = "Work that waits and work that runs, as means of each interval.",
              .times = {},
              .lines = {}};
  chart.lines.push_back(line_of("Waiting", tally.queue, 1.0, ChartLine::Style::kArea));
  chart.lines.push_back(line_of("Running", tally.running, 1.0, ChartLine::Style::kLine));
  chart.times = times_of(tally.queue, start, chart.lines[0].values.size());
  return chart;
}

Chart allocation_chart(const Tally& tally, VirtualTime start, std::int64_t accelerators) {
  Chart chart{.id = "allocation",
              .title = "Allocation",
              .unit = "%",
              .note = "Accelerators that work holds, of all.",
              .times = {},
              .lines = {}};
  const double scale = accelerators > 0 ? 0.1 / static_cast<double>(accelerators) : 0.0;  // from thousandths
  chart.lines.push_back(line_of("Allocated", tally.allocated, scale, ChartLine::Style::kArea));
  chart.times = times_of(tally.allocated, start, chart.lines[0].values.size());
  return chart;
}

Chart carbon_chart(const SiteConfig& config, const Tally& tally, VirtualTime start) {
  Chart chart{
      .id = "carbon", .title = "Carbon intensity", .unit = "g/kWh", .note = {}, .times = {}, .lines = {}};
  chart.note = "Of the electricity of each site's zone. Deferrable work should run where it is low.";
  const std::size_t count = tally.power.draw_mw.intervals().size();
  chart.times = times_of(tally.power.draw_mw, start, count);
  for (std::size_t i = 0; i < config.sites.size(); ++i) {
    ChartLine line{.name = config.cluster.sites[i].name, .values = {}, .style = ChartLine::Style::kLine};
    for (const TimePoint time : chart.times) {
      const auto value = config.sites[i].carbon.at(time);
      line.values.push_back(value ? static_cast<double>(*value) * 1e-3
                                  : std::numeric_limits<double>::quiet_NaN());
    }
    chart.lines.push_back(std::move(line));
  }
  return chart;
}

Chart oracle_chart(const Tally& tally, VirtualTime start, VirtualTime end) {
  constexpr double kKilogram = 1e-9;
  Chart chart{
      .id = "carbon-oracle",
      .title = "Carbon against oracle",
      .unit = "kg",
      .note =
          "CO2e of the deferrable work that has ended, added up: as it ran, had each job begun when it "
          "came, and in its cleanest hours with the future known.",
      .times = {},
      .lines = {}};
  chart.lines.push_back(line_of("As it ran", tally.co2e_ug, kKilogram, ChartLine::Style::kArea, true));
  chart.lines.push_back(line_of("At once", tally.co2e_at_once_ug, kKilogram, ChartLine::Style::kLine, true));
  chart.lines.push_back(line_of("Oracle", tally.co2e_oracle_ug, kKilogram, ChartLine::Style::kLimit, true));
  chart.times = times_of(tally.co2e_ug, start, chart.lines[0].values.size());
  // What ended at the last moment lies in no interval.
  chart.times.push_back(to_time(end));
  chart.lines[0].values.push_back(tally.co2e_ug.value() * kKilogram);
  chart.lines[1].values.push_back(tally.co2e_at_once_ug.value() * kKilogram);
  chart.lines[2].values.push_back(tally.co2e_oracle_ug.value() * kKilogram);
  return chart;
}

/// A number: rounded for a reader, exact for a file; nothing where there is none.
Cell number(std::optional<double> value, int decimals = 1) {
  if (!value || !std::isfinite(*value)) return {"", ""};
  const bool is_small = std::abs(*value) < 10.0 && decimals == 1;
  return {is_small ? fmt::format("{:.3g}", *value) : fmt::format("{:.{}f}", *value, decimals),
          fmt::format("{}", *value)};
}

Table waits_table(const RunResult& result) {
  Table table{.id = "waits",
              .title = "Wait by class",
              .columns = {"Class", "Jobs", "Mean s", "Median s", "95 % s", "99 % s"},
              .numeric = {false, true, true, true, true, true},
              .rows = {}};
  for (const WaitFigures& each : result.waits) {
    const auto wait = [&](double value) {
      return number(each.jobs > 0 ? std::optional(value) : std::nullopt);
    };
    table.rows.push_back({each.priority_class, std::to_string(each.jobs), wait(each.mean_s), wait(each.p50_s),
                          wait(each.p95_s), wait(each.p99_s)});
  }
  return table;
}

Table sites_table(const RunResult& result) {
  Table table{.id = "sites",
              .title = "Sites",
              .columns = {"Site", "Accelerators", "Allocation %", "Energy MWh", "Work MWh", "Idle MWh",
                          "PUE adds MWh", "CO2e t", "Energy EUR"},
              .numeric = {false, true, true, true, true, true, true, true, true},
              .rows = {}};
  for (const SiteFigures& each : result.sites) {
    table.rows.push_back({each.name, std::to_string(each.accelerators), number(each.allocation_pct),
                          number(each.energy_kwh * 1e-3), number(each.work_kwh * 1e-3),
                          number(each.idle_kwh * 1e-3), number(each.overhead_kwh * 1e-3),
                          number(each.co2e_kg * 1e-3), number(each.energy_eur)});
  }
  return table;
}

Table kinds_table(const RunResult& result) {
  Table table{
      .id = "kinds",
      .title = "Kinds of accelerators",
      .columns = {"Kind", "Accelerators", "Allocation %", "Accelerator-hours", "Work MWh", "Revenue EUR"},
      .numeric = {false, true, true, true, true, true},
      .rows = {}};
  for (const KindFigures& each : result.kinds) {
    table.rows.push_back({each.name, std::to_string(each.accelerators), number(each.allocation_pct),
                          number(each.accelerator_hours), number(each.work_kwh * 1e-3),
                          number(each.revenue_eur)});
  }
  return table;
}

Table what_if_table(const RunResult& result) {
  Table table{.id = "what-if",
              .title = "What if",
              .columns = {"Utilisation %", "EUR/kWh", "EUR/accelerator-hour", "EUR/million tokens",
                          "Margin EUR/year", "Paid back in month"},
              .numeric = {true, true, true, true, true, true},
              .rows = {}};
  for (const WhatIf& each : result.what_if) {
    const auto month = each.payback_month ? std::to_string(*each.payback_month) : std::string();
    table.rows.push_back({number(each.utilisation * 100.0),
                          number(each.eur_per_kwh, 4),
                          number(each.cost_per_accelerator_hour_eur, 3),
                          number(each.cost_per_mtok_eur, 3),
                          number(each.margin_eur_per_year, 0),
                          {month.empty() ? "never" : month, month}});
  }
  return table;
}

std::vector<std::string> findings_of(const RunResult& result) {
  std::vector<std::string> findings;
  const auto value = [&](std::string_view name) { return find_value(result, name).value_or(0.0); };
  const double wait_s = value("wait_mean_s");
  findings.push_back(
      fmt::format("{} of {} jobs are done; work held {:.1f} % of {} accelerators{}.", result.jobs_done,
                  result.jobs, value("allocation_pct"), result.accelerators,
                  std::isfinite(wait_s) ? fmt::format(" and waited {:.0f} s in the mean", wait_s) : ""));
  if (result.budget_exceeded > 0) {
    findings.push_back(fmt::format("The draw was above a power budget {} times, {:.0f} s in all.",
                                   result.budget_exceeded, value("budget_exceeded_s")));
  } else {
    findings.push_back(result.budget_infeasible > 0
                           ? "The draw was never above a power budget that can be kept."
                           : "The draw was never above a power budget.");
  }
  if (result.budget_infeasible > 0) {
    findings.push_back(
        fmt::format("A budget was below what idle equipment draws {} times: no schedule can keep it.",
                    result.budget_infeasible));
  }
  if (value("deferrable_jobs") > 0) {
    // Adding nothing turns a negative zero into zero.
    const auto tenth = [&](std::string_view name) { return std::round(value(name) * 10.0) / 10.0 + 0.0; };
    findings.push_back(
        fmt::format("Deferrable work caused {:.1f} % less CO2e than if it had run at once at the same sites; "
                    "with the future "
                    "known {:.1f} % could have been saved.",
                    tenth("carbon_saving_pct"), tenth("carbon_saving_oracle_pct")));
  }
  if (const auto cost = find_value(result, "cost_per_mtok_eur")) {
    findings.push_back(
        fmt::format("{:.3g} million tokens were read and written; a million of them cost {:.3g} EUR.",
                    (value("input_tokens") + value("output_tokens")) * 1e-6, *cost));
  }
  if (const auto month = find_value(result, "payback_months")) {
    findings.push_back(fmt::format("At this use the investment is paid back in month {:.0f}.", *month));
  } else if (value("cost_capital_eur") > 0.0) {
    findings.push_back("At this use and these prices the investment is not paid back within its lifetime.");
  }
  if (result.jobs_unplaceable > 0)
    findings.push_back(fmt::format("{} jobs can never run on this site.", result.jobs_unplaceable));
  return findings;
}

}  // namespace

RunReport report_of(const SiteConfig& config, const Engine& engine, const RunResult& result,
                    VirtualTime start) {
  const Tally& tally = engine.tally();
  RunReport report;
  report.title = config.name;
  const bool is_short = result.simulated_days < 2.0;
  report.subtitle = fmt::format("{} accelerators, {:.1f} {}", result.accelerators,
                                is_short ? result.simulated_days * 24.0 : result.simulated_days,
                                is_short ? "hours" : "days");
  report.start = to_time(start);
  report.end = to_time(engine.now());
  report.inputs = {{"Workload", result.workload},
                   {"Seed", std::to_string(result.seed)},
                   {"Decisions (SHA-256)", result.decisions_sha256}};
  report.metrics = result.metrics;
  report.findings = findings_of(result);
  report.charts = power_charts(config, tally, start);
  report.charts.push_back(queue_chart(tally, start));
  report.charts.push_back(allocation_chart(tally, start, result.accelerators));
  report.charts.push_back(carbon_chart(config, tally, start));
  if (tally.deferrable.jobs > 0) report.charts.push_back(oracle_chart(tally, start, engine.now()));
  std::vector<std::string> names;
  for (const scheduler::Account& account : config.accounts) names.push_back(account.name);
  report.gantt = tally.gantt.jobs(engine.now(), names);
  for (const AccountFigures& each : result.accounts) {
    report.accounts.push_back({.account = each.name,
                               .entitled = each.entitled,
                               .used = each.used,
                               .accelerator_hours = each.accelerator_hours,
                               .wait_mean_s = each.wait_mean_s,
                               .jobs = each.jobs});
  }
  report.tables = {waits_table(result), sites_table(result), kinds_table(result), what_if_table(result)};
  return report;
}

}  // namespace millrace::twin
