#include "control/deferral.h"

#include <gtest/gtest.h>

#include "core/rng.h"
#include "scheduler/shift.h"

namespace millrace::control {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

TimePoint at(std::int64_t hour) { return TimePoint(hours(490'000 + hour)); }

HourOutlook outlook_of(double now, std::vector<double> coming) {
  return {.hour = at(0), .now = now, .coming = std::move(coming), .error = {}};
}

TEST(Deferral, WorkWaitsForACleanerHourInsideItsDeadline) {
  Deferral deferral;
  deferral.set_outlook(outlook_of(100, {100, 50, 100}));
  EXPECT_EQ(deferral.wait_until(at(0), hours(1), at(4), false), at(1));
  EXPECT_EQ(deferral.wait_until(at(0), hours(1), at(4), true), at(1));
  EXPECT_EQ(deferral.wait_until(at(0), hours(1), at(1), false), std::nullopt) << "it would be late";
  EXPECT_EQ(deferral.wait_until(at(0), hours(1), at(2), false), std::nullopt) << "the clean hour is too late";
}

TEST(Deferral, WorkGoesInTheCleanestHour) {
  Deferral deferral;
  deferral.set_outlook(outlook_of(40, {100, 50, 100}));
  EXPECT_EQ(deferral.wait_until(at(0), hours(1), at(4), false), std::nullopt);
  EXPECT_EQ(deferral.wait_until(at(0), hours(1), at(4), true), std::nullopt);
}

TEST(Deferral, ItIsAskedAgainNoLaterThanItMustStart) {
  Deferral deferral;
  deferral.set_outlook(outlook_of(100, {50, 100, 100}));
  EXPECT_EQ(deferral.wait_until(at(0), minutes(30), at(2), false), at(1));
  const TimePoint deadline = at(1) + minutes(60) + minutes(20);
  const auto until = deferral.wait_until(at(0), minutes(60) - minutes(10), deadline, false);
  ASSERT_TRUE(until);
  EXPECT_LE(*until, deadline - minutes(50));
}

TEST(Deferral, WhatRunsIsPausedOnlyForASavingThatIsClearAndWorthThePause) {
  Deferral deferral;
  const auto pause = [&](std::vector<double> coming, minutes work, minutes lost, minutes into = minutes(0)) {
    deferral.set_outlook(outlook_of(100, std::move(coming)));
    return deferral.pause_until(at(0) + into, work, at(4), lost);
  };
  EXPECT_EQ(pause({100, 50, 100}, minutes(50), minutes(5)), at(1));
  EXPECT_EQ(pause({95, 95, 95}, minutes(50), minutes(1)), std::nullopt) << "5 % is not clear";
  EXPECT_EQ(pause({100, 70, 100}, minutes(50), minutes(10)), std::nullopt)
      << "20 of 60 minutes' worth to save 30 %";
  EXPECT_EQ(pause({100, 50, 100}, minutes(50), minutes(5), minutes(50)), std::nullopt)
      << "little of the dirty hour is left";
  EXPECT_EQ(pause({100, 50, 98}, minutes(110), minutes(5)), std::nullopt)
      << "a second hour that is as dear must be taken";
  EXPECT_EQ(pause({200, 200, 200}, minutes(50), minutes(1)), std::nullopt) << "it had better go on";
  EXPECT_EQ(deferral.pause_until(at(0), minutes(230), at(4), minutes(10)), std::nullopt)
      << "it would be late";
}

TEST(Deferral, TheExpectedStartIsTheBeginningOfTheCheapestStretchOrHour) {
  Deferral deferral;
  deferral.set_outlook(outlook_of(300, {300, 100, 300, 50, 60, 300, 10}));
  const auto start = [&](TimePoint now, std::chrono::microseconds work, TimePoint deadline,
                         bool interruptible) {
    return deferral.expected_start(now, work, deadline, interruptible);
  };
  EXPECT_EQ(start(at(0), hours(2), at(8), false), at(4)) << "50 and 60 in a row";
  EXPECT_EQ(start(at(0), hours(2), at(8), true), at(4)) << "50, then 10";
  EXPECT_EQ(start(at(0), hours(3), at(8), true), at(4));
  EXPECT_EQ(start(at(0), hours(4), at(8), true), at(2));
  EXPECT_EQ(start(at(0), hours(1), at(8), false), at(7));
  EXPECT_EQ(start(at(0), hours(1), at(4), false), at(2)) << "what comes after the deadline is no choice";
  EXPECT_EQ(start(at(0) + minutes(30), hours(1), at(2) + minutes(30), false), at(1)) << "at hours' borders";
  EXPECT_EQ(start(at(0) + minutes(30), hours(1), at(1) + minutes(45), false), at(0) + minutes(45))
      << "no later than the deadline allows";
}

TEST(Deferral, WithoutAnOutlookNothingWaits) {
  Deferral deferral;
  EXPECT_EQ(deferral.wait_until(at(0), hours(1), at(4), true), std::nullopt);
}

TEST(Deferral, AgreesWithTheDecisionOfOneWorkload) {
  SeededRng rng(11);
  for (int round = 0; round < 200; ++round) {
    std::vector<double> coming;
    for (int i = 0; i < 30; ++i) coming.push_back(static_cast<double>(rng.next() % 500));
    Deferral deferral;
    const double now = static_cast<double>(rng.next() % 500);
    deferral.set_outlook(outlook_of(now, coming));
    for (std::int64_t work_h = 1; work_h < 10; ++work_h) {
      for (std::int64_t left_h = work_h + 1; left_h < 30; ++left_h) {
        for (const bool interruptible : {false, true}) {
          const auto one =
              scheduler::shift({.now = now, .coming = coming, .error = {}}, {.work_min = work_h * 60,
                                                                             .left_min = left_h * 60,
                                                                             .hour_left_min = 60,
                                                                             .interruptible = interruptible});
          const auto many = deferral.wait_until(at(0), hours(work_h), at(left_h), interruptible);
          ASSERT_EQ(one.run, !many) << work_h << " of " << left_h << (interruptible ? " interruptible" : "");
        }
      }
    }
  }
}

}  // namespace
}  // namespace millrace::control
