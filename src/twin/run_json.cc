#include <fmt/format.h>

#include <boost/json.hpp>

#include "twin/run.h"

namespace millrace::twin {
namespace json = boost::json;
namespace {

template <typename T>
json::value or_null(const std::optional<T>& value) {
  return value ? json::value(*value) : json::value(nullptr);
}

json::object waits_json(const RunResult& result) {
  json::object waits;
  for (const WaitFigures& each : result.waits) {
    const auto if_any = [&](double value) {
      return each.jobs > 0 ? json::value(value) : json::value(nullptr);
    };
    waits[each.priority_class] = {{"jobs", each.jobs},
                                  {"mean_s", if_any(each.mean_s)},
                                  {"p50_s", if_any(each.p50_s)},
                                  {"p95_s", if_any(each.p95_s)},
                                  {"p99_s", if_any(each.p99_s)}};
  }
  return waits;
}

json::object sites_json(const RunResult& result) {
  json::object sites;
  for (const SiteFigures& each : result.sites) {
    sites[each.name] = {{"accelerators", each.accelerators},
                        {"accelerator_hours", each.accelerator_hours},
                        {"allocation_pct", or_null(each.allocation_pct)},
                        {"energy_kwh", each.energy_kwh},
                        {"work_kwh", each.work_kwh},
                        {"idle_kwh", each.idle_kwh},
                        {"overhead_kwh", each.overhead_kwh},
                        {"co2e_kg", each.co2e_kg},
                        {"energy_eur", each.energy_eur}};
  }
  return sites;
}

json::object kinds_json(const RunResult& result) {
  json::object kinds;
  for (const KindFigures& each : result.kinds) {
    kinds[each.name] = {{"accelerators", each.accelerators},
                        {"accelerator_hours", each.accelerator_hours},
                        {"allocation_pct", or_null(each.allocation_pct)},
                        {"work_kwh", each.work_kwh},
                        {"revenue_eur", each.revenue_eur}};
  }
  return kinds;
}

json::object accounts_json(const RunResult& result) {
  json::object accounts;
  for (const AccountFigures& each : result.accounts) {
    accounts[each.name] = {{"jobs", each.jobs},
                           {"entitled", each.entitled},
                           {"used", each.used},
                           {"accelerator_hours", each.accelerator_hours},
                           {"energy_kwh", each.energy_kwh},
                           {"co2e_kg", each.co2e_kg},
                           {"wait_mean_s", each.wait_mean_s}};
  }
  return accounts;
}

json::array what_if_json(const RunResult& result) {
  json::array cells;
  for (const WhatIf& each : result.what_if) {
    cells.push_back({{"utilisation", each.utilisation},
                     {"eur_per_kwh", each.eur_per_kwh},
                     {"cost_per_accelerator_hour_eur", or_null(each.cost_per_accelerator_hour_eur)},
                     {"cost_per_mtok_eur", or_null(each.cost_per_mtok_eur)},
                     {"margin_eur_per_year", each.margin_eur_per_year},
                     {"payback_month", or_null(each.payback_month)}});
  }
  return cells;
}

}  // namespace

json::object to_json(const RunResult& result) {
  json::object out;
  out["metrics"] = metrics_json(result.metrics);
  out["wall_s"] = result.wall_s;
  out["rss_mb"] = result.rss_mb;
  out["jobs"] = result.jobs;
  out["accelerators"] = result.accelerators;
  out["budget_exceeded"] = result.budget_exceeded;
  out["budget_infeasible"] = result.budget_infeasible;
  out["nodes"] = result.nodes;
  out["jobs_done"] = result.jobs_done;
  out["jobs_failed"] = result.jobs_failed;
  out["jobs_refused"] = result.jobs_refused;
  out["jobs_unplaceable"] = result.jobs_unplaceable;
  out["jobs_running"] = result.jobs_running;
  out["jobs_waiting"] = result.jobs_waiting;
  out["simulated_days"] = result.simulated_days;
  out["steps"] = result.steps;
  out["decisions"] = result.decisions;
  out["decisions_sha256"] = result.decisions_sha256;
  out["seed"] = result.seed;
  out["last_draw"] = fmt::format("{:016x}", result.last_draw);
  out["workload"] = result.workload;
  out["notes"] = json::array(result.notes.begin(), result.notes.end());
  out["wait_by_class"] = waits_json(result);
  out["sites"] = sites_json(result);
  out["kinds"] = kinds_json(result);
  out["accounts"] = accounts_json(result);
  out["what_if"] = what_if_json(result);
  return out;
}

}  // namespace millrace::twin
