#include "twin/sim/outlooks.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "twin/sim/test_world.h"

namespace millrace::twin {
namespace {

constexpr VirtualTime kHour = 3'600'000'000;
constexpr VirtualTime kMinute = 60'000'000;

VirtualTime start() { return world_start().time_since_epoch().count(); }

energy::HourlySeries random_series(SeededRng& rng, int hours) {
  std::vector<std::int64_t> values;
  for (int i = 0; i < hours; ++i) values.push_back(static_cast<std::int64_t>(draw_below(rng, 500'000)));
  return energy::HourlySeries::create(world_start(), values, energy::Outside::kWraps).value();
}

TEST(LeastMean, OfAStretchIsThatOfTheBestStartTriedMinuteByMinute) {
  SeededRng rng(1);
  for (int round = 0; round < 50; ++round) {
    const energy::HourlySeries series = random_series(rng, 30);
    const VirtualTime arrival = start() + static_cast<VirtualTime>(draw_below(rng, 600)) * kMinute;
    const VirtualTime work = (1 + static_cast<VirtualTime>(draw_below(rng, 400))) * kMinute;
    const VirtualTime deadline = arrival + work + static_cast<VirtualTime>(draw_below(rng, 600)) * kMinute;
    double best = mean_value(series, arrival, arrival + work);
    for (VirtualTime at = arrival; at + work <= deadline; at += kMinute)
      best = std::min(best, mean_value(series, at, at + work));
    EXPECT_NEAR(least_mean_value(series, arrival, deadline, work, false), best, 1e-6);
  }
}

TEST(LeastMean, OfHoursIsThatOfTheCheapestMinutes) {
  SeededRng rng(2);
  for (int round = 0; round < 50; ++round) {
    const energy::HourlySeries series = random_series(rng, 30);
    const VirtualTime arrival = start() + static_cast<VirtualTime>(draw_below(rng, 600)) * kMinute;
    const auto work_minutes = 1 + static_cast<VirtualTime>(draw_below(rng, 400));
    const VirtualTime work = work_minutes * kMinute;
    const VirtualTime deadline =
        arrival + work + static_cast<VirtualTime>(1 + draw_below(rng, 600)) * kMinute;
    std::vector<double> minutes;
    for (VirtualTime at = arrival; at < deadline; at += kMinute)
      minutes.push_back(mean_value(series, at, at + kMinute));
    std::ranges::sort(minutes);
    double sum = 0.0;
    for (VirtualTime i = 0; i < work_minutes; ++i) sum += minutes[static_cast<std::size_t>(i)];
    EXPECT_NEAR(least_mean_value(series, arrival, deadline, work, true),
                sum / static_cast<double>(work_minutes), 1e-6);
  }
}

constexpr scheduler::SiteIndex kFirst[] = {0};

TEST(Outlooks, OfSeveralSitesIsTheBestAtEachHourOrTheMeanByWhatAKilowattHourOfWorkTakes) {
  SiteConfig config = small_site(1);
  config.cluster.sites.push_back({.name = "b", .zone = "PL", .jurisdiction = "PL", .pue = 2.0});
  config.cluster.sites[0].pue = 1.0;
  config.sites.push_back(config.sites[0]);
  config.sites[0].carbon =
      energy::HourlySeries::create(world_start(), {300, 300, 300, 300}, energy::Outside::kWraps).value();
  config.sites[1].carbon =
      energy::HourlySeries::create(world_start(), {200, 100, 20, 200}, energy::Outside::kWraps).value();
  config.policy.shift = "oracle";
  Outlooks oracle(config, start());
  oracle.begin(start());
  constexpr scheduler::SiteIndex kBoth[] = {0, 1};
  const control::HourOutlook both = oracle.best_of(kBoth);
  EXPECT_EQ(both.now, 300.0);
  EXPECT_EQ(both.coming[0], 200.0);
  EXPECT_EQ(both.coming[1], 40.0);
  const control::HourOutlook mean = oracle.mean_of(kBoth, std::vector{0.25, 0.75});
  EXPECT_EQ(mean.now, 0.25 * 300.0 + 0.75 * 400.0);
  EXPECT_EQ(mean.coming[1], 0.25 * 300.0 + 0.75 * 40.0);
  EXPECT_EQ(oracle.site_costs(), (std::vector<std::int64_t>{300, 400}));
}

TEST(Outlooks, TheDayAheadForecastIsRightAndTheOracleAlways) {
  SeededRng rng(3);
  SiteConfig config = small_site(1);
  config.sites[0].carbon = random_series(rng, 200);
  config.policy.shift = "forecast";
  Outlooks forecast(config, start());
  config.policy.shift = "oracle";
  Outlooks oracle(config, start());
  config.policy.shift = "history";
  Outlooks history(config, start());
  for (int hour = 0; hour < 48; ++hour) {
    const VirtualTime at = start() + hour * kHour;
    for (Outlooks* each : {&forecast, &oracle, &history}) each->begin(at);
    const control::HourOutlook known = forecast.best_of(kFirst);
    const control::HourOutlook all = oracle.best_of(kFirst);
    const control::HourOutlook learnt = history.best_of(kFirst);
    ASSERT_EQ(all.coming.size(), static_cast<std::size_t>(Outlooks::kHorizonHours));
    EXPECT_TRUE(std::equal(known.coming.begin(), known.coming.begin() + 24, all.coming.begin()));
    EXPECT_EQ(known.now, all.now);
    EXPECT_EQ(learnt.now, all.now);
    EXPECT_FALSE(std::equal(learnt.coming.begin(), learnt.coming.end(), all.coming.begin()))
        << "nobody knows noise";
  }
}

/// What a forecaster that saw the last `hours` hours of a series before the run, and its first hour, expects.
std::vector<double> learnt_of(const energy::HourlySeries& series, int hours) {
  const auto hour_of_week = static_cast<std::int32_t>((start() / kHour + 3 * 24 - hours) % 168);
  energy::HistoryForecaster forecaster(hour_of_week, Outlooks::kHorizonHours);
  for (int ago = hours; ago >= 0; --ago)
    forecaster.observe(static_cast<double>(*series.at(world_start() - std::chrono::hours(ago))));
  std::vector<double> coming(Outlooks::kHorizonHours);
  forecaster.forecast({}, coming);
  return coming;
}

TEST(Outlooks, HistoryKnowsTheEightWeeksBeforeTheRun) {
  SeededRng rng(4);
  SiteConfig config = small_site(1);
  config.sites[0].carbon = random_series(rng, 8'760);
  config.policy.shift = "history";
  Outlooks history(config, start());
  history.begin(start());
  EXPECT_EQ(history.best_of(kFirst).coming, learnt_of(config.sites[0].carbon, 56 * 24))
      << "a year that wraps: those of its end";
}

TEST(Outlooks, HistoryLearnsNothingFromHoursThatTheSeriesDoesNotHold) {
  SeededRng rng(5);
  SiteConfig config = small_site(1);
  std::vector<std::int64_t> values;
  for (int hour = 0; hour < 20 * 24; ++hour)
    values.push_back(static_cast<std::int64_t>(draw_below(rng, 500'000)));
  config.sites[0].carbon = energy::HourlySeries::create(world_start() - std::chrono::hours(10 * 24), values,
                                                        energy::Outside::kUnknown)
                               .value();
  config.policy.shift = "history";
  Outlooks history(config, start());
  history.begin(start());
  EXPECT_EQ(history.best_of(kFirst).coming, learnt_of(config.sites[0].carbon, 10 * 24));
}

}  // namespace
}  // namespace millrace::twin
