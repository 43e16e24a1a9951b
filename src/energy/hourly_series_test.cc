#include "energy/hourly_series.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>

namespace millrace::energy {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr TimePoint kStart{std::chrono::microseconds(1'640'995'200'000'000)};  // 2022-01-01T00:00Z
constexpr std::int64_t kKilowatt = 1'000'000;                                  // mW

HourlySeries series(std::vector<std::int64_t> values, Outside outside) {
  return HourlySeries::create(kStart, std::move(values), outside).value();
}

TEST(HourlySeries, AnswersTheHourThatHoldsTheInstant) {
  const auto carbon = series({50'000, 60'000, 20'000}, Outside::kUnknown);
  EXPECT_EQ(carbon.at(kStart), 50'000);
  EXPECT_EQ(carbon.at(kStart + hours(1) - std::chrono::microseconds(1)), 50'000);
  EXPECT_EQ(carbon.at(kStart + hours(1)), 60'000);
  EXPECT_EQ(carbon.at(kStart + hours(3)), std::nullopt);
  EXPECT_EQ(carbon.at(kStart - std::chrono::microseconds(1)), std::nullopt);
  EXPECT_EQ(carbon.next_border(kStart), kStart + hours(1));
  EXPECT_EQ(carbon.next_border(kStart + minutes(90)), kStart + hours(2));
  EXPECT_EQ(carbon.next_border(kStart - minutes(1)), kStart);
}

TEST(HourlySeries, WrapsBothWays) {
  const auto carbon = series({50'000, 60'000, 20'000}, Outside::kWraps);
  EXPECT_EQ(carbon.at(kStart + hours(3)), 50'000);
  EXPECT_EQ(carbon.at(kStart - hours(1)), 20'000);
  EXPECT_EQ(carbon.at(kStart - hours(4)), 20'000);
}

TEST(HourlySeries, ADrawAcrossBordersIsTheSumOfItsHours) {
  const auto carbon = series({50'000, 60'000, 20'000}, Outside::kUnknown);
  // Half an hour at 50 g/kWh, one at 60, a quarter at 20: 25 + 60 + 5 g.
  EXPECT_EQ(co2e_ug(carbon, kKilowatt, kStart + minutes(30), kStart + minutes(135)), 90'000'000);
  EXPECT_EQ(co2e_ug(carbon, kKilowatt, kStart, kStart + hours(3)), 130'000'000);
  EXPECT_EQ(co2e_ug(carbon, kKilowatt, kStart, kStart + hours(3) + minutes(1)), std::nullopt);
  EXPECT_EQ(co2e_ug(carbon, kKilowatt, kStart + hours(1), kStart), 0);
}

TEST(HourlySeries, AWrappedDrawCountsEachRound) {
  const auto carbon = series({50'000, 60'000, 20'000}, Outside::kWraps);
  EXPECT_EQ(co2e_ug(carbon, kKilowatt, kStart - hours(1), kStart + hours(7)),
            330'000'000);  // 20 + 2 x 130 + 50 g
}

TEST(HourlySeries, APriceMayBeNegative) {
  const auto price = series({100'000, -50'000}, Outside::kUnknown);  // 100 and -50 EUR/MWh
  EXPECT_EQ(energy_cost_microeur(price, kKilowatt, kStart, kStart + hours(1)), 100'000);
  EXPECT_EQ(energy_cost_microeur(price, kKilowatt, kStart + hours(1), kStart + hours(2)), -50'000);
  EXPECT_EQ(energy_cost_microeur(price, kKilowatt, kStart, kStart + hours(2)), 50'000);
}

TEST(HourlySeries, RoundsHalfUpAndSaturates) {
  const auto one = series({1, -1}, Outside::kUnknown);  // 1 and -1 mg/kWh
  // 1 W for half an hour is 0.5 Wh: 0.5 ug, and the same below zero.
  EXPECT_EQ(co2e_ug(one, 1'000, kStart, kStart + minutes(30)), 1);
  EXPECT_EQ(co2e_ug(one, 1'000, kStart, kStart + minutes(29)), 0);
  EXPECT_EQ(co2e_ug(one, 1'000, kStart + hours(1), kStart + minutes(90)), 0);
  EXPECT_EQ(co2e_ug(one, 1'000, kStart + hours(1), kStart + minutes(91)), -1);
  const auto most = series({1'000'000'000, -1'000'000'000}, Outside::kUnknown);
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(co2e_ug(most, kMost, kStart, kStart + hours(1)), kMost);
  EXPECT_EQ(co2e_ug(most, kMost, kStart + hours(1), kStart + hours(2)),
            std::numeric_limits<std::int64_t>::min());
}

TEST(HourlySeries, RefusesNothingTooMuchAndTheAbsurd) {
  EXPECT_FALSE(HourlySeries::create(kStart, {}, Outside::kWraps));
  EXPECT_FALSE(HourlySeries::create(kStart, std::vector<std::int64_t>(1'000'001, 1), Outside::kWraps));
  const auto absurd = HourlySeries::create(kStart, {1, 1'000'000'001}, Outside::kWraps);
  ASSERT_FALSE(absurd);
  EXPECT_NE(absurd.error().message.find("hour 1"), std::string::npos);
}

RC_GTEST_PROP(HourlySeries, AnIntervalIsTheSumOfItsPartsCutAtBorders, ()) {
  const auto values =
      *rc::gen::nonEmpty(rc::gen::container<std::vector<std::int64_t>>(rc::gen::inRange(-900'000, 900'000)));
  const auto carbon = series(values, Outside::kWraps);
  const TimePoint from = kStart + minutes(*rc::gen::inRange(-10'000, 10'000));
  const TimePoint to = from + minutes(*rc::gen::inRange(0, 3'000));
  __int128 sum = 0;
  for (TimePoint at = from; at < to;) {
    const TimePoint next = std::min(carbon.next_border(at), to);
    sum += static_cast<__int128>(*carbon.at(at)) * (next - at).count();
    at = next;
  }
  RC_ASSERT(*carbon.integral(from, to) == sum);
}

}  // namespace
}  // namespace millrace::energy
