#include "scheduler/shift.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>
#include <optional>

namespace millrace::scheduler {
namespace {

constexpr Deferrable interruptible(std::int64_t work_min, std::int64_t left_min,
                                   std::int64_t hour_left_min = 60) {
  return {.work_min = work_min, .left_min = left_min, .hour_left_min = hour_left_min, .interruptible = true};
}
constexpr Deferrable whole(std::int64_t work_min, std::int64_t left_min, std::int64_t hour_left_min = 60) {
  return {.work_min = work_min, .left_min = left_min, .hour_left_min = hour_left_min, .interruptible = false};
}

TEST(Shift, InterruptibleWorkTakesTheCheapestHours) {
  const std::vector<double> coming{40, 10, 30, 20};
  // Two hours of work in five: the hours at 10 and 20 are cheaper than 25, the first of them begins in two hours.
  const auto wait = shift({.now = 25, .coming = coming, .error = {}}, interruptible(120, 300));
  EXPECT_FALSE(wait.run);
  EXPECT_EQ(wait.wait_min, 120);
  // Three hours of work take 10, 20 and 25.
  EXPECT_TRUE(shift({.now = 25, .coming = coming, .error = {}}, interruptible(180, 300)).run);
  // As cheap as the dearest hour it would take instead: it does not wait for nothing.
  EXPECT_TRUE(shift({.now = 20, .coming = coming, .error = {}}, interruptible(120, 300)).run);
}

TEST(Shift, OtherWorkTakesTheCheapestWindow) {
  const std::vector<double> coming{40, 10, 30, 20};
  // Two hours of work in five: now 25 + 40, then 50, 40, 50.
  const auto wait = shift({.now = 25, .coming = coming, .error = {}}, whole(120, 300));
  EXPECT_FALSE(wait.run);
  EXPECT_EQ(wait.wait_min, 120);
  EXPECT_TRUE(shift({.now = -1, .coming = coming, .error = {}}, whole(120, 300)).run);  // 39
}

TEST(Shift, PricesMayBeNegative) {
  const std::vector<double> coming{-5, -20};
  EXPECT_FALSE(shift({.now = -10, .coming = coming, .error = {}}, interruptible(60, 180)).run);
  EXPECT_TRUE(shift({.now = -10, .coming = coming, .error = {}}, interruptible(120, 180)).run);
}

TEST(Shift, CountsThePartsOfHours) {
  const std::vector<double> coming{10, 20, 30};
  // 30 minutes of this hour are left, 70 to the deadline: of the next hour only 40 minutes can be used.
  EXPECT_FALSE(shift({.now = 15, .coming = coming, .error = {}}, interruptible(40, 70, 30)).run);
  EXPECT_TRUE(shift({.now = 15, .coming = coming, .error = {}}, interruptible(41, 70, 30)).run);
  // Not interruptible, 45 minutes of work, 100 minutes left, this hour ends in 10: now costs 10 x 90 + 35 x 10; the start at
  // the border 45 x 10; the last possible one, after 55 minutes, 15 x 10 + 30 x 20.
  const auto wait = shift({.now = 90, .coming = coming, .error = {}}, whole(45, 100, 10));
  EXPECT_FALSE(wait.run);
  EXPECT_EQ(wait.wait_min, 10);
  // Where the next hour is the dear one, the last start is the best: 15 x 90 + 30 x 5.
  const std::vector<double> falling{90, 5};
  const auto last = shift({.now = 80, .coming = falling, .error = {}}, whole(45, 100, 10));
  EXPECT_FALSE(last.run);
  EXPECT_EQ(last.wait_min, 55);
}

TEST(Shift, HoursBeyondTheForecastAreNotCountedOn) {
  EXPECT_TRUE(shift({.now = 100, .coming = {}, .error = {}}, interruptible(60, 6'000)).run);
  EXPECT_TRUE(shift({.now = 100, .coming = {}, .error = {}}, whole(60, 6'000)).run);
  const std::vector<double> coming{1, 1};
  EXPECT_TRUE(shift({.now = 100, .coming = coming, .error = {}}, interruptible(180, 6'000)).run);
  EXPECT_TRUE(shift({.now = 100, .coming = coming, .error = {}}, whole(180, 6'000)).run);
}

TEST(Shift, UncertaintyMakesItWaitWhileThereIsMuchToChooseFrom) {
  const std::vector<double> coming{50, 50, 50, 50, 50, 50, 50, 50, 50};
  const std::vector<double> error(9, 10.0);
  // 1 of 10 hours: waiting is worth 0.3 x (1 - 2/10) x 10 = 2.4.
  EXPECT_TRUE(shift({.now = 49, .coming = coming, .error = {}}, interruptible(60, 600)).run);
  EXPECT_FALSE(shift({.now = 49, .coming = coming, .error = error}, interruptible(60, 600)).run);
  EXPECT_TRUE(shift({.now = 47.5, .coming = coming, .error = error}, interruptible(60, 600)).run);
  // 9 of 10 hours: running now keeps the choice of which hour to skip, worth the same.
  EXPECT_FALSE(shift({.now = 51, .coming = coming, .error = {}}, interruptible(540, 600)).run);
  EXPECT_TRUE(shift({.now = 51, .coming = coming, .error = error}, interruptible(540, 600)).run);
  EXPECT_FALSE(shift({.now = 52.5, .coming = coming, .error = error}, interruptible(540, 600)).run);
}

/// Whole numbers, so that sums are exact whatever their order.
std::vector<double> values(int hours) {
  std::vector<double> result;
  for (int i = 0; i < hours; ++i) result.push_back(*rc::gen::inRange(-20, 60));
  return result;
}

/// The least sum over all ways to place `work` hours in `hours` (in one piece, or any).
double brute_force(const std::vector<double>& hours, int work, bool in_pieces) {
  double best = std::numeric_limits<double>::infinity();
  for (unsigned mask = 0; mask < 1U << hours.size(); ++mask) {
    if (std::popcount(mask) != work) continue;
    const unsigned shifted = mask >> std::countr_zero(mask);
    if (!in_pieces && (shifted & (shifted + 1)) != 0) continue;
    double sum = 0.0;
    for (std::size_t i = 0; i < hours.size(); ++i) sum += (mask >> i & 1U) != 0 ? hours[i] : 0.0;
    best = std::min(best, sum);
  }
  return best;
}

/// What the decisions of `shift` cost hour by hour when `told` is what it expects; nullopt if the deadline passes first.
std::optional<double> cost_of_decisions(const std::vector<double>& hours, const std::vector<double>& told,
                                        const std::vector<double>& error, int work, bool in_pieces) {
  double cost = 0.0;
  int left = work;
  for (std::size_t hour = 0; hour < hours.size() && left > 0; ++hour) {
    const auto coming = std::span(told).subspan(hour + 1);
    const Outlook outlook{
        .now = hours[hour], .coming = coming, .error = std::span(error).first(coming.size())};
    const bool started = !in_pieces && left < work;
    const Deferrable rest{.work_min = 60 * left,
                          .left_min = 60 * static_cast<std::int64_t>(hours.size() - hour),
                          .hour_left_min = 60,
                          .interruptible = in_pieces};
    if (!started && !shift(outlook, rest).run) continue;
    cost += hours[hour];
    --left;
  }
  return left == 0 ? std::optional(cost) : std::nullopt;
}

RC_GTEST_PROP(Shift, WithAPerfectForecastItIsTheOracle, ()) {
  const int hours = *rc::gen::inRange(1, 11);
  const int work = *rc::gen::inRange(1, hours + 1);
  const bool in_pieces = *rc::gen::arbitrary<bool>();
  const auto truth = values(hours);
  const std::vector<double> certain(hours, 0.0);
  RC_ASSERT(cost_of_decisions(truth, truth, certain, work, in_pieces) == brute_force(truth, work, in_pieces));
}

RC_GTEST_PROP(Shift, NoForecastMakesItMissADeadline, ()) {
  const int hours = *rc::gen::inRange(1, 30);
  const int work = *rc::gen::inRange(1, hours + 1);
  const auto truth = values(hours), told = values(hours), error = values(hours);
  RC_ASSERT(cost_of_decisions(truth, told, error, work, *rc::gen::arbitrary<bool>()).has_value());
}

RC_GTEST_PROP(Shift, WaitingLeavesTimeForTheWork, ()) {
  const auto coming = values(*rc::gen::inRange(0, 8)), error = values(static_cast<int>(coming.size()));
  Deferrable work{.work_min = *rc::gen::inRange(1, 500),
                  .left_min = 0,
                  .hour_left_min = *rc::gen::inRange(1, 61),
                  .interruptible = *rc::gen::arbitrary<bool>()};
  work.left_min = work.work_min + *rc::gen::inRange(0, 400);
  const auto decision = shift({.now = 20, .coming = coming, .error = error}, work);
  RC_ASSERT(decision.run == (decision.wait_min == 0));
  // The caller decides again at the next border, or starts at the time told if that is sooner.
  const auto until = work.interruptible ? std::max(decision.wait_min, work.hour_left_min) : decision.wait_min;
  RC_ASSERT(decision.run || until + work.work_min <= work.left_min);
}

RC_GTEST_PROP(Shift, DecidingForAllWorkAtOnceIsTheSame, ()) {
  const auto coming = values(*rc::gen::inRange(0, 14));
  auto error = values(static_cast<int>(coming.size()));
  for (auto& each : error) each = std::max(each, 0.0);
  const Outlook outlook{
      .now = static_cast<double>(*rc::gen::inRange(-20, 60)), .coming = coming, .error = error};
  const int work_max = *rc::gen::inRange(1, 9);
  const auto least = least_work_that_runs(outlook, work_max);
  RC_ASSERT(least.size() == coming.size() + 2);
  for (int work = 1; work <= work_max; ++work) {
    const auto starts = starts_now(outlook, work);
    for (int left = work; left < static_cast<int>(least.size()); ++left) {
      RC_ASSERT(shift(outlook, interruptible(60 * work, 60 * left)).run ==
                (work >= left || work >= least[left]));
      RC_ASSERT(shift(outlook, whole(60 * work, 60 * left)).run == starts.at(left - work));
    }
  }
}

}  // namespace
}  // namespace millrace::scheduler
