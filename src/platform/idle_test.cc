#include "platform/idle.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace millrace::platform {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart{std::chrono::seconds{1'800'000'000}};

TEST(Idle, IsKeptThenWarnedThenStopped) {
  const auto at = [](std::chrono::seconds after) { return judge_idle(kStart + after, kStart, kStart, 1h); };
  EXPECT_EQ(at(0s).verdict, IdleVerdict::kKeep);
  EXPECT_EQ(at(55min - 1s).verdict, IdleVerdict::kKeep);
  EXPECT_EQ(at(55min).verdict, IdleVerdict::kWarn);
  EXPECT_EQ(at(1h - 1s).verdict, IdleVerdict::kWarn);
  EXPECT_EQ(at(1h).verdict, IdleVerdict::kStop);
  EXPECT_EQ(at(0s).stops_at, kStart + 1h);
}

TEST(Idle, UseTakesTheWarningBack) {
  EXPECT_EQ(judge_idle(kStart + 58min, kStart + 57min, kStart, 1h).verdict, IdleVerdict::kKeep);
}

TEST(Idle, WhatWasNotWatchedCountsAsUse) {
  EXPECT_EQ(judge_idle(kStart + 10h, kStart, kStart + 10h - 1min, 1h).verdict, IdleVerdict::kKeep);
}

TEST(Idle, ZeroIsNever) {
  EXPECT_EQ(judge_idle(kStart + 10000h, kStart, kStart, 0s).verdict, IdleVerdict::kKeep);
}

TEST(Idle, NothingIsStoppedWithoutANoticeBefore) {
  EXPECT_TRUE(rc::check("a notice comes first", [](std::uint32_t idle_s) {
    const std::chrono::seconds idle{4 + idle_s % 100'000};
    const auto stop = judge_idle(kStart, kStart, kStart, idle).stops_at;
    RC_ASSERT(judge_idle(stop - 1s, kStart, kStart, idle).verdict == IdleVerdict::kWarn);
    RC_ASSERT(judge_idle(stop, kStart, kStart, idle).verdict == IdleVerdict::kStop);
  }));
}

TEST(Idle, AUseInTheFutureDoesNotKeepItForEver) {
  EXPECT_EQ(judge_idle(kStart, kStart + 1000h, kStart, 1h).stops_at, kStart + 1h);
}

}  // namespace
}  // namespace millrace::platform
