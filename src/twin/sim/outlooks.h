// Outlooks: what a run knows of clean or cheap hours, hour by hour, by the site's policy for deferrable work.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "control/deferral.h"
#include "energy/forecast.h"
#include "twin/sim/event_queue.h"
#include "twin/site_config.h"

namespace millrace::twin {

/// "history": forecast from the series' own past, of which the eight weeks before the run are known, as far as the series
/// holds them (one that wraps holds them all: a year's hours of the same season). "forecast": the next 24
/// hours are known (a provider's day-ahead forecast), the rest as history. "oracle": the future is known. "now": no outlook.
/// Values are for each kilowatt-hour that work draws, so with what the site takes on top (PUE).
class Outlooks {
 public:
  static constexpr std::int32_t kHorizonHours = 168;

  Outlooks(const SiteConfig& config, VirtualTime start);

  bool any() const { return config_.policy.shift != "now"; }
  /// The hour at `hour` begins. Hours come one after the other, the first is that of the run's start.
  void begin(VirtualTime hour);
  /// Of the hour that began last: at each hour the best of these sites. Precondition: there is one.
  control::HourOutlook best_of(std::span<const scheduler::SiteIndex> sites) const;
  /// The same: the mean of these sites by their shares, which add up to 1.
  control::HourOutlook mean_of(std::span<const scheduler::SiteIndex> sites,
                               std::span<const double> shares) const;
  /// What that hour is worth at each site: for scheduler::Policies::site_cost.
  std::vector<std::int64_t> site_costs() const;

 private:
  struct Site {
    double factor = 1.0;  // its PUE, against that of the first
    std::optional<energy::HistoryForecaster> forecaster;
    energy::ForecastErrors errors{kHorizonHours};
    control::HourOutlook outlook;
  };
  const energy::HourlySeries& series_of(std::size_t site) const;
  double value(std::size_t site, VirtualTime hour) const;
  void learn_before(std::size_t site, VirtualTime hour);
  void begin(std::size_t site, VirtualTime hour);

  const SiteConfig& config_;
  std::size_t known_ =
      kHorizonHours;  // coming hours that need no forecast; the policy as it was when this was made
  std::vector<Site> sites_;
};

/// Mean of a series from `from` to `to`, in its thousandths.
double mean_value(const energy::HourlySeries& series, VirtualTime from, VirtualTime to);

/// The least mean that work of `work_us` could have between `arrival` and `deadline`, with the future known: over the
/// cheapest hours if it is interruptible, else over the cheapest stretch.
double least_mean_value(const energy::HourlySeries& series, VirtualTime arrival, VirtualTime deadline,
                        VirtualTime work_us, bool interruptible);

}  // namespace millrace::twin
