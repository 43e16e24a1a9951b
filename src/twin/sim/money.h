// Money: what a run cost and earned, and when the investment is paid back.
#pragma once

#include <optional>
#include <vector>

#include "energy/economics.h"
#include "twin/run.h"
#include "twin/sim/tally.h"
#include "twin/site_config.h"

namespace millrace::twin {

struct Money {
  energy::Plant plant;
  energy::Period period;
  energy::Costs costs;
  std::optional<int> payback_month;
  std::vector<WhatIf> what_if;  // utilisation and energy price around those of the run
};

/// The plant has one lifetime: that at which all its parts together lose as much a year as they do apart. Interest and the
/// charge for the largest power budget are counted as operations. Accelerator-hours are sold while work holds them.
Money money_of(const SiteConfig& config, const Tally& tally, double hours, double energy_kwh,
               double energy_eur);

}  // namespace millrace::twin
