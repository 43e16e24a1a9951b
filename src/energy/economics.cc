#include "energy/economics.h"

#include <fmt/format.h>

namespace millrace::energy {
namespace {

constexpr double kTokensPerMtok = 1e6;

/// The longest that is planned for: 100 years of months.
constexpr int kMonthsMax = 1200;

double operations_eur(const Plant& plant, double hours) {
  return plant.operations_eur_per_year * hours / kHoursPerYear;
}

}  // namespace

Result<void> check(const Plant& plant) {
  const auto wrong = [](const char* member, double found, const char* wanted) {
    return failure(ErrorCode::kInvalidArgument, fmt::format("{}: found {}, want {}", member, found, wanted));
  };
  // Written so that a value that is not a number fails too.
  if (plant.accelerators < 1)
    return wrong("accelerators", static_cast<double>(plant.accelerators), "1 or more");
  if (!(plant.capital_eur >= 0)) return wrong("capital_eur", plant.capital_eur, "0 or more");
  if (!(plant.lifetime_years > 0 && plant.lifetime_years <= 100)) {
    return wrong("lifetime_years", plant.lifetime_years, "above 0, at most 100");
  }
  if (!(plant.operations_eur_per_year >= 0)) {
    return wrong("operations_eur_per_year", plant.operations_eur_per_year, "0 or more");
  }
  if (!(plant.idle_w >= 0)) return wrong("idle_w", plant.idle_w, "0 or more");
  if (!(plant.max_w >= plant.idle_w)) return wrong("max_w", plant.max_w, "at least idle_w");
  if (!(plant.pue >= 1)) return wrong("pue", plant.pue, "1 or more");
  return {};
}

double mean_eur_per_kwh(std::span<const std::int64_t> microeur_per_kwh) {
  if (microeur_per_kwh.empty()) return 0.0;
  std::int64_t sum = 0;  // exact: prices are below 10^9 and hours below 10^6 (energy/hourly_series.h)
  for (const std::int64_t price : microeur_per_kwh) sum += price;
  return static_cast<double>(sum) / static_cast<double>(microeur_per_kwh.size()) / 1e6;
}

Period expect(const Plant& plant, const Use& use, const PriceBook& prices, double eur_per_kwh, double hours) {
  Period period{.hours = hours};
  const double watts = plant.idle_w + use.utilisation * (plant.max_w - plant.idle_w);
  period.energy_kwh = hours * plant.pue * watts / 1000.0;
  period.energy_eur = period.energy_kwh * eur_per_kwh;
  period.sold_accelerator_hours = hours * static_cast<double>(plant.accelerators) * use.utilisation;
  period.tokens = period.sold_accelerator_hours * use.tokens_per_accelerator_hour;
  period.revenue_eur = period.sold_accelerator_hours * prices.accelerator_hour_eur +
                       period.tokens / kTokensPerMtok * prices.mtok_eur;
  return period;
}

Costs costs_of(const Plant& plant, const Period& period) {
  Costs costs;
  costs.capital_eur = plant.capital_eur * period.hours / (plant.lifetime_years * kHoursPerYear);
  costs.operations_eur = operations_eur(plant, period.hours);
  costs.energy_eur = period.energy_eur;
  costs.total_eur = costs.capital_eur + costs.operations_eur + costs.energy_eur;
  costs.margin_eur = period.revenue_eur - costs.total_eur;
  if (period.sold_accelerator_hours > 0) {
    costs.per_accelerator_hour_eur = costs.total_eur / period.sold_accelerator_hours;
  }
  if (period.tokens > 0) costs.per_mtok_eur = costs.total_eur / period.tokens * kTokensPerMtok;
  return costs;
}

double monthly_cash_eur(const Plant& plant, const Period& period) {
  const double cash_eur = period.revenue_eur - period.energy_eur - operations_eur(plant, period.hours);
  return cash_eur * kHoursPerMonth / period.hours;
}

std::optional<int> payback_month(const Plant& plant, std::span<const double> cash_eur_by_month) {
  if (plant.capital_eur <= 0) return 0;
  if (cash_eur_by_month.empty()) return std::nullopt;
  double came_in_eur = 0.0;
  for (int month = 1; month <= kMonthsMax && month <= plant.lifetime_years * 12; ++month) {
    came_in_eur += cash_eur_by_month[static_cast<std::size_t>(month - 1) % cash_eur_by_month.size()];
    if (came_in_eur >= plant.capital_eur) return month;
  }
  return std::nullopt;
}

std::vector<SensitivityCell> sensitivity(const Plant& plant, const Use& use, const PriceBook& prices,
                                         std::span<const double> utilisations,
                                         std::span<const double> eur_per_kwh) {
  std::vector<SensitivityCell> cells;
  cells.reserve(utilisations.size() * eur_per_kwh.size());
  for (const double utilisation : utilisations) {
    for (const double price : eur_per_kwh) {
      Use changed = use;
      changed.utilisation = utilisation;
      const Period year = expect(plant, changed, prices, price);
      const Costs costs = costs_of(plant, year);
      const double cash_eur = monthly_cash_eur(plant, year);
      cells.push_back({.utilisation = utilisation,
                       .eur_per_kwh = price,
                       .cost_per_accelerator_hour_eur = costs.per_accelerator_hour_eur,
                       .cost_per_mtok_eur = costs.per_mtok_eur,
                       .margin_eur_per_year = costs.margin_eur,
                       .payback_month = payback_month(plant, {&cash_eur, 1})});
    }
  }
  return cells;
}

}  // namespace millrace::energy
