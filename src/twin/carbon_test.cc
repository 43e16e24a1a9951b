#include "twin/carbon.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <bit>

#include "twin/hourly_csv.h"

namespace millrace::twin {
namespace {

energy::HourlySeries series(std::vector<std::int64_t> values) {
  constexpr TimePoint kStart{std::chrono::microseconds(1'640'995'200'000'000)};  // 2022-01-01T00:00Z
  return energy::HourlySeries::create(kStart, std::move(values), energy::Outside::kWraps).value();
}

CarbonResult shifted(const energy::HourlySeries& hours, const CarbonOptions& options) {
  const auto result = shift_year(hours, options, {});
  EXPECT_TRUE(result) << result.error().message;
  return result.value();
}

CarbonOptions options(CarbonPolicy policy, std::int64_t job_hours, std::int64_t slack_hours,
                      bool interruptible) {
  CarbonOptions options;
  options.zone = "FR";
  options.policy = policy;
  options.job_hours = job_hours;
  options.slack_hours = slack_hours;
  options.interruptible = interruptible;
  return options;
}

TEST(CarbonYear, TheYearWrapsAndEachHourHasAJob) {
  // With an hour of slack the jobs take 1, 2, 3 and, around the end, 1: 7 instead of 10.
  const auto result = shifted(series({1, 2, 3, 4}), options(CarbonPolicy::kOracle, 1, 1, false));
  EXPECT_EQ(result.jobs, 4);
  EXPECT_NEAR(result.saving_pct, 30.0, 1e-9);
  EXPECT_NEAR(result.share_of_oracle.value(), 1.0, 1e-12);
}

TEST(CarbonYear, AnInterruptedJobSkipsTheDirtyHour) {
  const auto hours = series({1, 9, 1, 9, 1, 9});
  // In three hours: 1 + 1 or 9 + 1; without a break always 1 + 9.
  EXPECT_NEAR(shifted(hours, options(CarbonPolicy::kOracle, 2, 1, true)).saving_pct, 40.0, 1e-9);
  EXPECT_NEAR(shifted(hours, options(CarbonPolicy::kOracle, 2, 1, false)).saving_pct, 0.0, 1e-9);
}

TEST(CarbonYear, WithoutWaitingOrSlackNothingIsSaved) {
  const auto hours = series({1, 9, 4, 3, 1, 9});
  EXPECT_EQ(shifted(hours, options(CarbonPolicy::kNow, 2, 3, true)).saving_pct, 0.0);
  for (const auto policy : {CarbonPolicy::kHistory, CarbonPolicy::kForecast, CarbonPolicy::kOracle}) {
    const auto result = shifted(hours, options(policy, 1, 0, true));
    EXPECT_EQ(result.saving_pct, 0.0);
    EXPECT_EQ(result.share_of_oracle, std::nullopt);
  }
}

std::vector<std::int64_t> uneven_days(int hours, int phase) {
  std::vector<std::int64_t> values;
  for (int hour = 0; hour < hours; ++hour) {
    values.push_back(100'000 + 2'000 * ((hour + phase) % 24) + 7'919 * (hour * hour % 13));
  }
  return values;
}

TEST(CarbonYear, AProvidersDayIsAllThatAShortJobNeeds) {
  const auto hours = series(uneven_days(400, 0));
  for (const bool interruptible : {false, true}) {
    const auto result = shifted(hours, options(CarbonPolicy::kForecast, 5, 20, interruptible));
    EXPECT_GT(result.oracle_saving_pct, 5.0);
    EXPECT_DOUBLE_EQ(result.saving_pct, result.oracle_saving_pct);
  }
}

TEST(CarbonYear, HistorySavesWhereDaysRepeat) {
  std::vector<std::int64_t> values;
  for (int hour = 0; hour < 1'000; ++hour) values.push_back(hour % 24 < 12 ? 100 : 200);
  const auto result = shifted(series(values), options(CarbonPolicy::kHistory, 6, 24, true));
  EXPECT_GT(result.share_of_oracle.value(), 0.95);
  EXPECT_LT(result.share_of_oracle.value(), 1.0);  // the first days had to be learnt
}

TEST(CarbonYear, AnErrorIsSeededAndCosts) {
  const auto hours = series(uneven_days(600, 3));
  for (const auto policy : {CarbonPolicy::kHistory, CarbonPolicy::kForecast, CarbonPolicy::kOracle}) {
    auto with_error = options(policy, 4, 20, true);
    const double exact = shifted(hours, with_error).saving_pct;
    with_error.error_pct = 20.0;
    const double first = shifted(hours, with_error).saving_pct;
    EXPECT_EQ(shifted(hours, with_error).saving_pct, first);
    with_error.seed = 2;
    EXPECT_NE(shifted(hours, with_error).saving_pct, first);
    EXPECT_LT(first, exact);
  }
}

TEST(CarbonYear, RefusesWhatItCannotRun) {
  const auto hours = series({1, 2, 3, 4});
  const auto refused = [&](auto change) {
    auto wrong = options(CarbonPolicy::kOracle, 1, 1, false);
    change(wrong);
    const auto result = shift_year(hours, wrong, {});
    return !result && result.error().code == ErrorCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused([](auto& wrong) { wrong.job_hours = 0; }));
  EXPECT_TRUE(refused([](auto& wrong) { wrong.slack_hours = -1; }));
  EXPECT_TRUE(refused([](auto& wrong) { wrong.slack_hours = 745; }));
  EXPECT_TRUE(refused([](auto& wrong) { wrong.slack_hours = 4; }));  // longer than the series
  EXPECT_TRUE(refused([](auto& wrong) { wrong.error_pct = -1; }));
  EXPECT_FALSE(shift_year(series({1, -1}), options(CarbonPolicy::kNow, 1, 1, false), {}));
  EXPECT_FALSE(parse_carbon_policy("yesterday"));
}

RC_GTEST_PROP(CarbonYear, TheOracleIsTheBestOfAllWaysAndNoPolicyBeatsIt, ()) {
  const auto values =
      *rc::gen::container<std::vector<std::int64_t>>(*rc::gen::inRange(8, 30), rc::gen::inRange(1, 50));
  const int job = *rc::gen::inRange(1, 5), slack = *rc::gen::inRange(0, 5);
  const bool interruptible = *rc::gen::arbitrary<bool>();
  std::int64_t best = 0, at_once = 0;
  for (std::size_t arrival = 0; arrival < values.size(); ++arrival) {
    std::int64_t least = INT64_MAX;
    for (unsigned mask = 0; mask < 1U << (job + slack); ++mask) {
      const unsigned lowest = mask == 0 ? 0 : mask >> std::countr_zero(mask);
      if (std::popcount(mask) != job || (!interruptible && (lowest & (lowest + 1)) != 0)) continue;
      std::int64_t sum = 0;
      for (int hour = 0; hour < job + slack; ++hour) {
        if ((mask >> hour & 1U) != 0) sum += values[(arrival + hour) % values.size()];
      }
      least = std::min(least, sum);
    }
    best += least;
    at_once += job * values[arrival];
  }
  const double saving_pct = 100.0 * static_cast<double>(at_once - best) / static_cast<double>(at_once);
  const auto hours = series(values);
  const auto oracle = shifted(hours, options(CarbonPolicy::kOracle, job, slack, interruptible));
  RC_ASSERT(std::abs(oracle.saving_pct - saving_pct) < 1e-9);
  for (const auto policy : {CarbonPolicy::kHistory, CarbonPolicy::kForecast}) {
    RC_ASSERT(shifted(hours, options(policy, job, slack, interruptible)).saving_pct <= saving_pct + 1e-9);
  }
}

TEST(HourlyCsv, ReadsOneZoneAndWraps) {
  const auto read = read_hourly_csv(
      "utc_hour,DE,FR\n2022-01-01T00:00Z,300.5,50.51\n2022-01-01T01:00Z,310,-3\n", "f.csv", "FR");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(std::vector<std::int64_t>(read->values().begin(), read->values().end()),
            (std::vector<std::int64_t>{50'510, -3'000}));
  EXPECT_EQ(read->outside(), energy::Outside::kWraps);
}

TEST(HourlyCsv, ErrorsNameFileLineAndColumn) {
  const auto error = [](std::string_view text) {
    const auto read = read_hourly_csv(text, "f.csv", "FR");
    return read ? std::string() : read.error().message;
  };
  EXPECT_TRUE(error("").starts_with("f.csv:1:")) << error("");
  EXPECT_TRUE(error("utc_hour,FR\n").starts_with("f.csv:1:"));
  EXPECT_NE(error("utc_hour,DE\n2022-01-01T00:00Z,1\n").find("no column 'FR'"), std::string::npos);
  const auto word = error("utc_hour,FR\n2022-01-01T00:00Z,1\n2022-01-01T01:00Z,x\n");
  EXPECT_TRUE(word.starts_with("f.csv:3: column 2 (FR)")) << word;
  const auto gap = error("utc_hour,FR\n2022-01-01T00:00Z,1\n2022-01-01T02:00Z,1\n");
  EXPECT_TRUE(gap.starts_with("f.csv:3: column 1")) << gap;
  const auto short_row = error("utc_hour,FR\n2022-01-01T00:00Z\n");
  EXPECT_TRUE(short_row.starts_with("f.csv:2: column 2")) << short_row;
}

}  // namespace
}  // namespace millrace::twin
