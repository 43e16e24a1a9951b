#include "twin/sim/money.h"

#include <algorithm>
#include <cmath>

namespace millrace::twin {
namespace {

constexpr double kEuro = 1e-6;           // of a micro-euro
constexpr double kHour = 1.0 / 3'600e6;  // of a microsecond
constexpr double kMtok = 1e-6;           // of a token

/// The largest budget that is in force at some time of the run; without a limit, what everything can draw.
double budget_held_w(const PowerStages& stages, const RunSpan& run, double max_w) {
  double held_w = stages.empty() || stages.front().since > run.from ? max_w : 0.0;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const bool begins = stages[i].since < run.to || stages[i].since <= run.from;
    const bool is_over = i + 1 < stages.size() && stages[i + 1].since <= run.from;
    if (begins && !is_over) held_w = std::max(held_w, static_cast<double>(stages[i].budget_mw) * 1e-3);
  }
  return held_w;
}

energy::Plant plant_of(const SiteConfig& config, const RunSpan& run) {
  energy::Plant plant;
  plant.accelerators = config.accelerators();
  double nodes_eur = 0.0;
  for (const std::uint16_t type : config.node_type)
    nodes_eur += static_cast<double>(config.node_types[type].capital_microeur) * kEuro;
  double sites_eur = 0.0;
  double meter_idle_w = 0.0;
  double meter_max_w = 0.0;
  double it_max_w = 0.0;
  for (std::uint32_t i = 0; i < config.sites.size(); ++i) {
    const SiteInfo& site = config.sites[i];
    const auto index = static_cast<scheduler::SiteIndex>(i);
    sites_eur += static_cast<double>(site.capital_microeur) * kEuro;
    plant.operations_eur_per_year += static_cast<double>(site.operations_microeur_per_year) * kEuro;
    const auto idle_w = static_cast<double>(config.idle_mw(index)) * 1e-3;
    const auto max_w = static_cast<double>(config.max_mw(index)) * 1e-3;
    meter_idle_w += idle_w;
    meter_max_w += max_w;
    it_max_w += max_w / config.cluster.sites[i].pue;
    const double held_kw = budget_held_w(site.power, run, max_w) * 1e-3;
    plant.operations_eur_per_year += static_cast<double>(site.demand_microeur_per_kw_year) * kEuro * held_kw;
  }
  plant.capital_eur = nodes_eur + sites_eur;
  plant.operations_eur_per_year += config.economics.interest_rate * plant.capital_eur / 2.0;
  const double lost_eur_per_year =
      nodes_eur / config.economics.lifetime_years + sites_eur / config.economics.site_lifetime_years;
  plant.lifetime_years =
      lost_eur_per_year > 0.0 ? plant.capital_eur / lost_eur_per_year : config.economics.lifetime_years;
  plant.pue = it_max_w > 0.0 ? std::max(meter_max_w / it_max_w, 1.0) : 1.0;
  plant.idle_w = meter_idle_w / plant.pue;
  plant.max_w = it_max_w;
  return plant;
}

double discount_of(const SiteConfig& config) {
  return static_cast<double>(config.economics.deferrable_discount_milli) * 1e-3;
}

double tokens_eur(const SiteConfig& config, const Tally& tally) {
  const EconomicsConfig& book = config.economics;
  const double off = discount_of(config);
  return ((tally.input_tokens - off * tally.input_tokens_deferrable) *
              static_cast<double>(book.input_microeur_per_mtok) +
          (tally.output_tokens - off * tally.output_tokens_deferrable) *
              static_cast<double>(book.output_microeur_per_mtok)) *
         kMtok * kEuro;
}

double cores_eur(const SiteConfig& config, const Tally& tally) {
  const double kept = 1.0 - discount_of(config);
  return (tally.cpu_core_us + kept * tally.cpu_core_deferrable_us) * kHour *
         static_cast<double>(config.economics.microeur_per_cpu_core_hour) * kEuro;
}

double kind_eur(const SiteConfig& config, const Tally& tally, std::size_t kind) {
  if (kind >= config.economics.prices.size()) return 0.0;
  const KindTally& held = tally.kinds[kind];
  const auto price = static_cast<double>(config.economics.prices[kind].microeur_per_accelerator_hour);
  return (held.held_us + held.held_deferrable_us * (1.0 - discount_of(config))) * kHour * price * kEuro;
}

std::optional<double> product(std::optional<double> a, std::optional<double> b) {
  return a && b ? std::optional(*a * *b) : std::nullopt;
}

/// The plant as it drew in the run: each sold hour takes as much above idle as one of the run did.
energy::Plant as_run(energy::Plant plant, const energy::Period& period, double utilisation) {
  const double mean_w = period.energy_kwh * 1e3 / period.hours / plant.pue;
  plant.idle_w = std::min(plant.idle_w, mean_w);
  plant.max_w = plant.idle_w + (mean_w - plant.idle_w) / utilisation;
  return plant;
}

std::vector<WhatIf> what_if(const energy::Plant& bought, const energy::Period& period,
                            std::optional<double> hours_per_mtok) {
  if (bought.accelerators == 0 || period.sold_accelerator_hours <= 0.0 || period.energy_kwh <= 0.0) return {};
  const double all_hours = period.hours * static_cast<double>(bought.accelerators);
  const double utilisation = std::min(period.sold_accelerator_hours / all_hours, 1.0);
  const energy::Plant plant = as_run(bought, period, utilisation);
  // Costs are counted in whole micro-euro for each stretch of time: the mean carries their rounding.
  const double price = std::round(period.energy_eur / period.energy_kwh * 1e6) / 1e6;
  const energy::PriceBook book{.accelerator_hour_eur = period.revenue_eur / period.sold_accelerator_hours};
  std::vector<double> utilisations;
  for (const double each : {0.3, 0.5, 0.7, 0.9, utilisation}) utilisations.push_back(each);
  std::ranges::sort(utilisations);
  const std::vector<double> prices = {price * 0.5, price, price * 1.5, price * 2.0};
  std::vector<WhatIf> cells;
  for (const energy::SensitivityCell& cell : energy::sensitivity(plant, {}, book, utilisations, prices)) {
    cells.push_back({.utilisation = cell.utilisation,
                     .eur_per_kwh = cell.eur_per_kwh,
                     .cost_per_accelerator_hour_eur = cell.cost_per_accelerator_hour_eur,
                     .cost_per_mtok_eur = product(cell.cost_per_accelerator_hour_eur, hours_per_mtok),
                     .margin_eur_per_year = cell.margin_eur_per_year,
                     .payback_month = plant.capital_eur > 0.0 ? cell.payback_month : std::nullopt});
  }
  return cells;
}

}  // namespace

Money money_of(const SiteConfig& config, const Tally& tally, const RunSpan& run, double energy_kwh,
               double energy_eur) {
  Money money;
  money.plant = plant_of(config, run);
  money.period.hours = std::max(run.hours(), 1e-9);
  money.period.energy_kwh = energy_kwh;
  money.period.energy_eur = energy_eur;
  money.tokens_eur = tokens_eur(config, tally);
  money.period.revenue_eur = cores_eur(config, tally) + money.tokens_eur;
  for (std::size_t kind = 0; kind < tally.kinds.size(); ++kind) {
    const KindTally& held = tally.kinds[kind];
    money.period.sold_accelerator_hours += (held.held_us + held.held_deferrable_us) * kHour;
    money.kinds_eur.push_back(kind_eur(config, tally, kind));
    money.period.revenue_eur += money.kinds_eur.back();
  }
  money.period.tokens = tally.input_tokens + tally.output_tokens;
  std::optional<double> hours_per_mtok;
  if (money.period.tokens > 0.0)
    hours_per_mtok = tally.held_for_tokens_us * kHour / (money.period.tokens * kMtok);
  money.costs = energy::costs_of(money.plant, money.period);
  money.per_mtok_eur = product(money.costs.per_accelerator_hour_eur, hours_per_mtok);
  const double monthly[] = {energy::monthly_cash_eur(money.plant, money.period)};
  if (money.plant.capital_eur > 0.0) money.payback_month = energy::payback_month(money.plant, monthly);
  money.what_if = what_if(money.plant, money.period, hours_per_mtok);
  return money;
}

}  // namespace millrace::twin
