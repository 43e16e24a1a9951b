#include "twin/sim/figures.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "twin/sim/money.h"

namespace millrace::twin {
namespace {

constexpr double kHour = 1.0 / 3'600e6;  // of a microsecond
constexpr double kKwh = 1.0 / 3.6e6;     // of a joule

double part(double some, double all) { return all > 0.0 ? some / all : 0.0; }

class MetricList {
 public:
  explicit MetricList(std::vector<Metric>& out) : out_(out) {}
  void add(std::string name, double value) { out_.push_back({.name = std::move(name), .value = value}); }
  /// What does not apply to this run is shown as such, and null in JSON.
  void add(std::string name, std::optional<double> value) {
    add(std::move(name), value.value_or(std::numeric_limits<double>::quiet_NaN()));
  }
  void add(std::string name, std::int64_t value) { add(std::move(name), static_cast<double>(value)); }
  void add_if(bool applies, std::string name, double value) {
    add(std::move(name), applies ? std::optional(value) : std::nullopt);
  }
  void add_sample(const std::string& name, Sample& sample) {
    const bool any = sample.count() > 0;
    add_if(any, name + "_mean_s", sample.mean());
    add_if(any, name + "_p50_s", sample.quantile(0.5));
    add_if(any, name + "_p95_s", sample.quantile(0.95));
    add_if(any, name + "_p99_s", sample.quantile(0.99));
  }

 private:
  std::vector<Metric>& out_;
};

template <typename Is>
std::int64_t accelerators_of(const SiteConfig& config, Is is) {
  std::int64_t sum = 0;
  for (const scheduler::Node& node : config.cluster.nodes) sum += is(node) ? node.accelerators : 0;
  return sum;
}

std::optional<double> allocation_pct(double accelerator_hours, std::int64_t accelerators, double days) {
  const double all_hours = static_cast<double>(accelerators) * days * 24.0;
  return all_hours > 0.0 ? std::optional(100.0 * accelerator_hours / all_hours) : std::nullopt;
}

void add_sites(const SiteConfig& config, const Engine& engine, RunResult& result) {
  for (std::uint32_t i = 0; i < config.sites.size(); ++i) {
    const auto index = static_cast<scheduler::SiteIndex>(i);
    const SiteTally& its = engine.tally().sites[i];
    const double it_kwh = joules(engine.power().site_energy(index)) * kKwh;
    const std::int64_t accelerators =
        accelerators_of(config, [&](const scheduler::Node& node) { return node.site == index; });
    const double hours = its.held_us * kHour;
    result.sites.push_back({.name = config.cluster.sites[i].name,
                            .accelerators = accelerators,
                            .accelerator_hours = hours,
                            .allocation_pct = allocation_pct(hours, accelerators, result.simulated_days),
                            .energy_kwh = it_kwh * config.cluster.sites[i].pue,
                            .idle_kwh = joules(engine.power().site_idle_energy(index)) * kKwh,
                            .work_kwh = joules(its.attributed) * kKwh,
                            .overhead_kwh = it_kwh * (config.cluster.sites[i].pue - 1.0),
                            .co2e_kg = its.co2e_ug * 1e-9,
                            .energy_eur = its.energy_microeur * 1e-6});
  }
}

void add_kinds(const SiteConfig& config, const Tally& tally, const Money& money, RunResult& result) {
  for (std::size_t i = 0; i < tally.kinds.size(); ++i) {
    const KindTally& its = tally.kinds[i];
    const std::int64_t accelerators =
        accelerators_of(config, [&](const scheduler::Node& node) { return node.kind == i; });
    if (accelerators == 0) continue;
    const double hours = (its.held_us + its.held_deferrable_us) * kHour;
    result.kinds.push_back({.name = config.cluster.kinds[i].kind,
                            .accelerators = accelerators,
                            .accelerator_hours = hours,
                            .allocation_pct = allocation_pct(hours, accelerators, result.simulated_days),
                            .work_kwh = joules(its.attributed) * kKwh,
                            .revenue_eur = money.kinds_eur[i]});
  }
}

// Entitled are the accounts that asked for something, by their weights; used is what they held of all that was held.
void add_accounts(const SiteConfig& config, const Tally& tally, RunResult& result,
                  std::vector<double>& weighted) {
  const std::vector<std::int64_t> weights = leaf_weights(config);
  double weight_sum = 0.0;
  double held_sum = 0.0;
  for (std::size_t i = 0; i < config.leaves.size(); ++i) {
    const AccountTally& account = tally.accounts[config.leaves[i]];
    if (account.asked_us > 0.0) weight_sum += static_cast<double>(weights[i]);
    held_sum += account.held_us;
  }
  for (std::size_t i = 0; i < config.leaves.size(); ++i) {
    const AccountTally& account = tally.accounts[config.leaves[i]];
    AccountFigures figures;
    figures.name = config.accounts[config.leaves[i]].name;
    figures.jobs = account.jobs;
    figures.used = part(account.held_us, held_sum);
    figures.accelerator_hours = account.held_us * kHour;
    figures.energy_kwh = joules(account.energy) * kKwh;
    figures.co2e_kg = static_cast<double>(account.co2e_ug) * 1e-9;
    figures.wait_mean_s = part(account.wait_sum_s, static_cast<double>(account.started));
    if (account.asked_us > 0.0) {
      figures.entitled = part(static_cast<double>(weights[i]), weight_sum);
      weighted.push_back(part(account.held_us, static_cast<double>(weights[i])));
    }
    result.accounts.push_back(std::move(figures));
  }
}

void add_waits(const SiteConfig& config, Tally& tally, RunResult& result) {
  for (std::size_t i = 0; i < tally.classes.size(); ++i) {
    Sample& waits = tally.classes[i].wait_s;
    result.waits.push_back({.priority_class = config.priority_classes[i].name,
                            .jobs = waits.count(),
                            .mean_s = waits.mean(),
                            .p50_s = waits.quantile(0.5),
                            .p95_s = waits.quantile(0.95),
                            .p99_s = waits.quantile(0.99)});
  }
}

void add_counts(const Tally& tally, MetricList& list) {
  list.add("jobs_done", tally.done);
  list.add("starts", tally.starts);
  list.add("preemptions", tally.preempted);
  list.add("power_stops", tally.power_stops);
  list.add("pauses", tally.pauses);
  list.add("caps", tally.caps);
  list.add("node_failures", tally.node_failures);
  list.add("feed_failures", tally.feed_failures);
  list.add("runs_lost", tally.lost_runs);
  list.add("lost_accelerator_hours", tally.lost_us * kHour);
  list.add("input_tokens", tally.input_tokens);
  list.add("output_tokens", tally.output_tokens);
}

void add_energy(const PowerBook::Totals& power, const RunResult& result, MetricList& list) {
  SiteFigures all;
  for (const SiteFigures& site : result.sites) {
    all.energy_kwh += site.energy_kwh;
    all.idle_kwh += site.idle_kwh;
    all.work_kwh += site.work_kwh;
    all.overhead_kwh += site.overhead_kwh;
    all.co2e_kg += site.co2e_kg;
  }
  list.add("energy_mwh", all.energy_kwh * 1e-3);
  list.add("energy_work_mwh", all.work_kwh * 1e-3);
  list.add("energy_idle_mwh", all.idle_kwh * 1e-3);
  list.add("energy_overhead_mwh", all.overhead_kwh * 1e-3);
  list.add("peak_power_mw", static_cast<double>(power.peak_mw) * 1e-9);
  list.add_if(power.limited, "power_used_pct", power.used_share * 100.0);
  list.add_if(power.backlog_s > 0.0, "power_used_backlog_pct", power.used_share_backlog * 100.0);
  list.add("backlog_hours", power.backlog_s / 3600.0);
  list.add("budget_exceeded", power.exceeded);
  list.add("budget_exceeded_s", power.exceeded_s);
  list.add("budget_infeasible", power.infeasible);
  list.add("co2e_t", all.co2e_kg * 1e-3);
}

void add_deferrable(const DeferrableTally& deferrable, MetricList& list) {
  const bool any = deferrable.jobs > 0;
  list.add("deferrable_jobs", deferrable.jobs);
  list.add("deferrable_late", deferrable.late);
  list.add_if(any, "deferrable_co2e_t", deferrable.co2e_ug * 1e-12);
  list.add_if(any, "deferrable_co2e_at_once_t", deferrable.co2e_at_once_ug * 1e-12);
  list.add_if(any, "deferrable_co2e_oracle_t", deferrable.co2e_oracle_ug * 1e-12);
  // Carbon is counted in whole micrograms for each stretch of time; beyond five decimals a share is their rounding.
  const double at_once = deferrable.co2e_at_once_ug;
  const auto saved = [&](double emitted) {
    return at_once > 0.0 ? std::optional(std::round(1e7 * (at_once - emitted) / at_once) / 1e5 + 0.0)
                         : std::nullopt;
  };
  list.add("carbon_saving_pct", saved(deferrable.co2e_ug));
  list.add("carbon_saving_oracle_pct", saved(deferrable.co2e_oracle_ug));
}

void add_money(const Money& money, MetricList& list) {
  list.add("cost_eur", money.costs.total_eur);
  list.add("cost_energy_eur", money.costs.energy_eur);
  list.add("cost_capital_eur", money.costs.capital_eur);
  list.add("cost_operations_eur", money.costs.operations_eur);
  list.add("cost_per_accelerator_hour_eur", money.costs.per_accelerator_hour_eur);
  list.add("cost_per_mtok_eur", money.per_mtok_eur);
  list.add("revenue_eur", money.period.revenue_eur);
  list.add("revenue_tokens_eur", money.tokens_eur);
  list.add("margin_eur", money.costs.margin_eur);
  list.add("payback_months",
           money.payback_month ? std::optional<double>(*money.payback_month) : std::nullopt);
}

}  // namespace

RunResult figures_of(const SiteConfig& config, Engine& engine, VirtualTime start) {
  RunResult result;
  Tally& tally = engine.tally();
  const auto lasts_us = static_cast<double>(engine.now() - start);
  result.accelerators = config.accelerators();
  result.nodes = static_cast<std::int64_t>(config.cluster.nodes.size());
  result.jobs = tally.submitted;
  result.jobs_done = tally.done;
  result.jobs_failed = tally.failed;
  result.jobs_refused = tally.refused;
  result.jobs_unplaceable = tally.unplaceable;
  result.jobs_running = engine.running();
  result.jobs_waiting = engine.waiting();
  result.simulated_days = lasts_us * kHour / 24.0;
  result.steps = engine.steps();
  result.last_draw = engine.last_draw();
  add_sites(config, engine, result);
  std::vector<double> weighted;
  add_accounts(config, tally, result, weighted);
  add_waits(config, tally, result);
  const PowerBook::Totals power = engine.power().totals();
  result.budget_exceeded = power.exceeded;
  result.budget_infeasible = power.infeasible;

  MetricList list(result.metrics);
  const double capacity_us = static_cast<double>(result.accelerators) * lasts_us;
  double held_us = 0.0;
  for (const AccountTally& account : tally.accounts) held_us += account.held_us;
  list.add("allocation_pct", 100.0 * part(held_us, capacity_us));
  list.add("utilisation_pct", 100.0 * part(tally.useful_us, capacity_us));
  list.add("fragmentation_pct", 100.0 * part(tally.fragmented_milli_sum, tally.free_milli_sum));
  list.add_sample("wait", tally.wait_s);
  list.add_sample("jct", tally.jct_s);
  list.add_if(tally.slowdown.count() > 0, "slowdown_mean", tally.slowdown.mean());
  list.add("makespan_s", static_cast<double>(tally.last_end - start) * 1e-6);
  list.add_if(!weighted.empty(), "fairness_jain", jain_index(weighted));
  add_counts(tally, list);
  add_energy(power, result, list);
  add_deferrable(tally.deferrable, list);
  double energy_kwh = 0.0;
  double energy_eur = 0.0;
  for (const SiteFigures& site : result.sites) {
    energy_kwh += site.energy_kwh;
    energy_eur += site.energy_eur;
  }
  Money money =
      money_of(config, tally, {.from = to_time(start), .to = to_time(engine.now())}, energy_kwh, energy_eur);
  add_money(money, list);
  add_kinds(config, tally, money, result);
  result.what_if = std::move(money.what_if);
  return result;
}

}  // namespace millrace::twin
