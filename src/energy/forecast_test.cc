#include "energy/forecast.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace millrace::energy {
namespace {

constexpr std::int32_t kMonday = 0, kHorizon = 192;

HistoryForecaster fed(int hours, const std::function<double(int)>& value) {
  HistoryForecaster forecaster(kMonday, kHorizon);
  for (int hour = 0; hour < hours; ++hour) forecaster.observe(value(hour));
  return forecaster;
}

std::vector<double> forecast_of(const HistoryForecaster& forecaster, std::span<const double> given = {}) {
  std::vector<double> out(kHorizon);
  forecaster.forecast(given, out);
  return out;
}

/// Largest error over the horizon, `hours` being observed.
double worst_error(int hours, const std::function<double(int)>& value) {
  const auto forecast = forecast_of(fed(hours, value));
  double worst = 0.0;
  for (int i = 0; i < kHorizon; ++i) worst = std::max(worst, std::abs(forecast[i] - value(hours + i)));
  return worst;
}

double daily(int hour) { return 100.0 + 5.0 * (hour % 24) - (hour % 24 > 12 ? 60.0 : 0.0); }
double weekly(int hour) { return daily(hour) - (hour / 24 % 7 >= 5 ? 40.0 : 0.0); }

TEST(HistoryForecaster, ExpectsWhatNeverChangesFromTheFirstHourOn) {
  for (const int hours : {1, 2, 25, 80, 700}) {
    EXPECT_NEAR(worst_error(hours, [](int) { return 42.0; }), 0.0, 1e-9) << hours;
  }
}

TEST(HistoryForecaster, LearnsADay) { EXPECT_LT(worst_error(10 * 24, daily), 4.0); }

TEST(HistoryForecaster, LearnsThatWeekendsDiffer) {
  // Eight weeks and four days: the hours to come begin with a Friday.
  const auto forecast = forecast_of(fed(60 * 24, weekly));
  const auto fresh = forecast_of(fed(4 * 24, weekly));
  EXPECT_GT(forecast[12] - forecast[24 + 12],
            6.0);  // of 40: shrunk, and half of the forecast knows no weekdays
  EXPECT_LT(fresh[12] - fresh[24 + 12], 2.0);
}

TEST(HistoryForecaster, AProvidersHoursCountAsIfTheyHadBeenSeen) {
  // Before the first fit nothing else is learnt by observing.
  const auto forecaster = fed(40, daily);
  std::vector<double> given;
  for (int i = 0; i < 24; ++i) given.push_back(daily(40 + i) + 30.0);
  const auto seen = fed(64, [](int hour) { return daily(hour) + (hour >= 40 ? 30.0 : 0.0); });
  EXPECT_EQ(forecast_of(forecaster, given), forecast_of(seen));
  EXPECT_EQ(forecast_of(forecaster), forecast_of(fed(40, daily)));
}

TEST(HistoryForecaster, FollowsTheLatestHourAndReturnsToTheUsual) {
  const auto forecast = forecast_of(fed(600, [](int hour) { return hour == 599 ? 200.0 : 100.0; }));
  EXPECT_GT(forecast[0], forecast[23]);
  EXPECT_GT(forecast[0], 120.0);
  EXPECT_NEAR(forecast[190], 100.0, 10.0);
}

TEST(ForecastErrors, AreTheMeanOfEachHourAhead) {
  ForecastErrors errors(2);
  errors.observe(10);
  EXPECT_EQ(errors.mean()[0], 0.0);
  errors.issued(std::vector<double>{11, 13});
  errors.observe(14);  // 3 off
  EXPECT_EQ(errors.mean()[0], 3.0);
  EXPECT_EQ(errors.mean()[1], 0.0);
  errors.issued(std::vector<double>{14, 14});
  errors.observe(13);  // 1 off one hour ahead, exact two hours ahead
  EXPECT_EQ(errors.mean()[0], 2.0);
  EXPECT_EQ(errors.mean()[1], 0.0);
  errors.issued(std::vector<double>{9, 9});
  errors.observe(9);  // exact; 5 off two hours ahead
  EXPECT_NEAR(errors.mean()[0], 4.0 / 3.0, 1e-12);
  EXPECT_NEAR(errors.mean()[1], 2.5, 1e-12);
}

}  // namespace
}  // namespace millrace::energy
