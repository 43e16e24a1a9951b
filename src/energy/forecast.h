// Forecast: the coming hours of a carbon or price series, learnt from its own past as it goes by.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "energy/recent_hours.h"

namespace millrace::energy {

/// Half a ridge regression for each hour ahead (on the deviations from level and daily profile, refitted daily), half the
/// mean of three seasonal means whose current error decays. It holds nothing but what was observed: with less than a day
/// it expects the level seen so far, and the regressions count from the fourth day on.
class HistoryForecaster {
 public:
  static constexpr std::string_view kName = "ridge regression and seasonal means of the zone's own past";

  /// `hour_of_week` of the first hour that will be observed: 0 is Monday, 00:00 UTC. `horizon_h`: how far ahead it will be
  /// asked, at least 1.
  HistoryForecaster(std::int32_t hour_of_week, std::int32_t horizon_h);

  /// The next hour's value.
  void observe(double value);

  /// Expected values of the hours that follow the last observed one and `given`, which holds a provider's forecast of the
  /// first of them (or nothing). Fills `out`, at most horizon_h hours. Precondition: something was observed.
  void forecast(std::span<const double> given, std::span<double> out) const;

 private:
  static constexpr std::size_t kFeatures = RecentHours::kShared + 3;
  using Row = std::array<double, kFeatures>;
  /// Normal equations of one hour ahead; the lower triangle, row by row.
  struct Equations {
    std::array<double, kFeatures*(kFeatures + 1) / 2> products{};
    Row targets{};
  };

  static Row row_of(const RecentHours::Origin& origin, std::int64_t ahead);
  static double base_of(const RecentHours::Origin& origin, std::int64_t ahead);
  void learn(double value);
  void refit();

  std::size_t regressed_h_;  // hours ahead that have a regression
  RecentHours recent_;
  std::vector<RecentHours::Origin> origins_;  // a ring: of the last regressed_h_ + 1 hours
  std::vector<Equations> equations_;
  std::vector<Row> coefficients_;
};

/// How wrong forecasts were: the mean absolute error of each hour ahead, over about the last two weeks.
class ForecastErrors {
 public:
  explicit ForecastErrors(std::int32_t horizon_h);

  /// Once an hour: first the value that came true, then the forecast made in that hour, of horizon_h hours.
  void observe(double value);
  void issued(std::span<const double> forecast);

  /// Of each hour ahead; 0 where no forecast has come due.
  std::span<const double> mean() const { return mean_; }

 private:
  std::size_t horizon_h_;
  std::size_t hours_ = 0;
  std::vector<double> issued_;  // a ring of horizon_h_ forecasts
  std::vector<double> mean_;
  std::vector<std::int32_t> count_;
};

}  // namespace millrace::energy
