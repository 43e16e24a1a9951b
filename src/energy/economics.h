// Economics: what a plant of accelerators costs and earns, for each accelerator-hour and token, and when it has paid back.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/result.h"

namespace millrace::energy {

// Figures for planning: doubles in euro, made with + - x / alone, so they are the same on every machine. Bills are integers
// and are made elsewhere (energy/cost.h).
//
// The cost model is the usual one of capital spread over its life plus what running takes (Barroso, Hoelzle, Ranganathan,
// "The Datacenter as a Computer", 3rd edition 2018, chapter 6), with straight-line depreciation (IAS 16, paragraph 62) and
// no discounting.

/// Hours in a year of planning, and in a twelfth of it.
inline constexpr double kHoursPerYear = 8760.0;
inline constexpr double kHoursPerMonth = 730.0;

/// What was bought and is paid for whether it works or not.
struct Plant {
  std::int64_t accelerators = 0;
  double capital_eur = 0.0;     // all that was bought: accelerators, servers, network, power, cooling
  double lifetime_years = 5.0;  // worth nothing after it
  double operations_eur_per_year = 0.0;  // staff, repairs, space, connections; not energy
  double idle_w = 0.0;                   // of all IT equipment when nothing runs
  double max_w = 0.0;                    // of all IT equipment when every accelerator works
  double pue = 1.0;                      // energy of the site / energy of its IT equipment, at least 1
};

/// kInvalidArgument names the first member that is out of range.
Result<void> check(const Plant& plant);

/// What is charged for. A plan that sells tokens leaves the hour at 0, and the other way round; both add up.
struct PriceBook {
  double accelerator_hour_eur = 0.0;  // for each hour that an accelerator was sold
  double mtok_eur = 0.0;              // for each million tokens
};

struct Use {
  double utilisation = 0.0;                  // sold accelerator-hours / all accelerator-hours, 0 to 1
  double tokens_per_accelerator_hour = 0.0;  // that a sold hour gives
};

/// What happened in a time, counted by a simulation or a ledger, or expected by a plan.
struct Period {
  double hours = 0.0;  // its length, above 0
  double sold_accelerator_hours = 0.0;
  double tokens = 0.0;
  double energy_kwh = 0.0;  // of the site, PUE included
  double energy_eur = 0.0;
  double revenue_eur = 0.0;
};

/// Mean of hourly prices in micro-euro/kWh (HourlySeries::values()), in euro/kWh: what a constant draw pays. 0 for none.
double mean_eur_per_kwh(std::span<const std::int64_t> microeur_per_kwh);

/// A period of `hours` at a constant use:
///   energy_kwh = hours x pue x (idle_w + utilisation x (max_w - idle_w)) / 1000   (as energy/power_model.h)
///   energy_eur = energy_kwh x eur_per_kwh
///   sold       = hours x accelerators x utilisation
///   revenue    = sold x accelerator_hour_eur + tokens / 10^6 x mtok_eur.
Period expect(const Plant& plant, const Use& use, const PriceBook& prices, double eur_per_kwh,
              double hours = kHoursPerYear);

/// Costs of a period, and what is left.
struct Costs {
  double capital_eur = 0.0;     // capital_eur x hours / (lifetime_years x 8760)
  double operations_eur = 0.0;  // operations_eur_per_year x hours / 8760
  double energy_eur = 0.0;
  double total_eur = 0.0;
  double margin_eur = 0.0;                         // revenue - total
  std::optional<double> per_accelerator_hour_eur;  // total / sold hours; nullopt where none was sold
  std::optional<double> per_mtok_eur;              // total / tokens x 10^6; nullopt where there were none
};

Costs costs_of(const Plant& plant, const Period& period);

/// Money that comes in in a month (730 h) of such a period: (revenue - energy - operations) x 730 / hours. Capital is not
/// in it: it was paid at the start.
double monthly_cash_eur(const Plant& plant, const Period& period);

/// The month, counted from 1, at whose end the cash that came in has reached the capital (pay-back rule: Brealey, Myers,
/// Allen, "Principles of Corporate Finance", chapter 5). Months repeat after the last of `cash_eur_by_month`, so that
/// one value is a constant flow and twelve are a year. nullopt if that does not happen within the lifetime.
/// 0 where there is no capital.
std::optional<int> payback_month(const Plant& plant, std::span<const double> cash_eur_by_month);

struct SensitivityCell {
  double utilisation = 0.0;
  double eur_per_kwh = 0.0;
  std::optional<double> cost_per_accelerator_hour_eur;
  std::optional<double> cost_per_mtok_eur;
  double margin_eur_per_year = 0.0;
  std::optional<int> payback_month;
};

/// One cell for each utilisation and price, utilisations outermost; all else as in `use`.
std::vector<SensitivityCell> sensitivity(const Plant& plant, const Use& use, const PriceBook& prices,
                                         std::span<const double> utilisations,
                                         std::span<const double> eur_per_kwh);

}  // namespace millrace::energy
