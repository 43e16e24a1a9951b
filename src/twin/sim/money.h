// Money: what a run cost and earned, and when the investment is paid back.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "energy/economics.h"
#include "twin/run.h"
#include "twin/sim/tally.h"
#include "twin/site_config.h"

namespace millrace::twin {

struct RunSpan {
  TimePoint from{}, to{};
  double hours() const { return std::chrono::duration<double, std::ratio<3600>>(to - from).count(); }
};

struct Money {
  energy::Plant plant;
  energy::Period period;
  energy::Costs costs;
  double tokens_eur = 0.0;             // of the revenue: for tokens
  std::vector<double> kinds_eur;       // of the revenue: for accelerator-hours, by kind
  std::optional<double> per_mtok_eur;  // what a million tokens cost; nullopt where there were none
  std::optional<int> payback_month;    // nullopt also where nothing was bought
  std::vector<WhatIf> what_if;         // utilisation and energy price around those of the run
};

/// The plant has one lifetime: that at which all its parts together lose as much a year as they do apart. Interest and the
/// charge for the largest power budget of the run are counted as operations. Accelerator-hours are sold while work holds them; tokens are
/// sold beside them, at their own price. A million tokens cost what the accelerator-hours cost that gave them.
Money money_of(const SiteConfig& config, const Tally& tally, const RunSpan& run, double energy_kwh,
               double energy_eur);

}  // namespace millrace::twin
