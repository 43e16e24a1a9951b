// Outlooks: what a run knows of clean or cheap hours, hour by hour, by the site's policy for deferrable work.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "control/deferral.h"
#include "energy/forecast.h"
#include "twin/sim/event_queue.h"
#include "twin/site_config.h"

namespace millrace::twin {

/// "history": forecast from the series' own past, of which four weeks before the run are known. "forecast": the next 24
/// hours are known (a provider's day-ahead forecast), the rest as history. "oracle": the future is known. "now": no outlook.
/// Several sites are one series, weighted by their accelerators: work is told when to go, not where.
class Outlooks {
 public:
  static constexpr std::int32_t kHorizonHours = 168;

  Outlooks(const SiteConfig& config, VirtualTime start);

  bool any() const { return config_.policy.shift != "now"; }
  /// Of the hour that begins at `hour`. Hours are asked for one after the other, the first is that of the run's start.
  control::HourOutlook next(VirtualTime hour);

 private:
  double value(VirtualTime hour) const;

  const SiteConfig& config_;
  std::size_t known_ =
      kHorizonHours;  // coming hours that need no forecast; the policy as it was when this was made
  std::vector<double> weights_;
  std::optional<energy::HistoryForecaster> forecaster_;
  energy::ForecastErrors errors_;
};

/// Mean of a series from `from` to `to`, in its thousandths.
double mean_value(const energy::HourlySeries& series, VirtualTime from, VirtualTime to);

/// The least mean that work of `work_us` could have between `arrival` and `deadline`, with the future known: over the
/// cheapest hours if it is interruptible, else over the cheapest stretch.
double least_mean_value(const energy::HourlySeries& series, VirtualTime arrival, VirtualTime deadline,
                        VirtualTime work_us, bool interruptible);

}  // namespace millrace::twin
