#include "platform/idle.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace millrace::platform {
namespace {

using namespace std::chrono_literals;

TEST(Idle, IsKeptThenWarnedThenStopped) {
  EXPECT_EQ(judge_idle(0s, 1h).verdict, IdleVerdict::kKeep);
  EXPECT_EQ(judge_idle(55min - 1s, 1h).verdict, IdleVerdict::kKeep);
  EXPECT_EQ(judge_idle(55min, 1h).verdict, IdleVerdict::kWarn);
  EXPECT_EQ(judge_idle(1h - 1s, 1h).verdict, IdleVerdict::kWarn);
  EXPECT_EQ(judge_idle(1h, 1h).verdict, IdleVerdict::kStop);
  EXPECT_EQ(judge_idle(10min, 1h).left, 50min);
}

TEST(Idle, ZeroIsNever) { EXPECT_EQ(judge_idle(10000h, 0s).verdict, IdleVerdict::kKeep); }

TEST(Idle, ATenthOfACoreIsWork) {
  EXPECT_TRUE(is_at_work(1'000'000, 10s));
  EXPECT_FALSE(is_at_work(999'999, 10s));
  EXPECT_FALSE(is_at_work(0, 0s));
  EXPECT_EQ(work_window(4s), 1s);
  EXPECT_EQ(work_window(24s), 3s);
  EXPECT_EQ(work_window(24h), 30s);
}

TEST(Idle, TheReasonNamesAWholeTime) {
  EXPECT_EQ(idle_reason(24s), "nobody used it for 24 seconds");
  EXPECT_EQ(idle_reason(90s), "nobody used it for 90 seconds");
  EXPECT_EQ(idle_reason(1min), "nobody used it for 1 minute");
  EXPECT_EQ(idle_reason(2h), "nobody used it for 120 minutes");
}

TEST(Idle, NothingIsStoppedWithoutANoticeBefore) {
  EXPECT_TRUE(rc::check("a notice comes first", [](std::uint32_t idle_s) {
    const std::chrono::seconds idle{4 + idle_s % 100'000};
    RC_ASSERT(judge_idle(idle - 1s, idle).verdict == IdleVerdict::kWarn);
    RC_ASSERT(judge_idle(idle, idle).verdict == IdleVerdict::kStop);
  }));
}

}  // namespace
}  // namespace millrace::platform
