// What only the executor in memory promises: scripts, the passed-in clock, and very many workloads.
#include <gtest/gtest.h>

#include "executor/fake/fake_executor.h"

namespace millrace::executor {
namespace {

using std::chrono::milliseconds;

class ManualClock final : public Clock {
 public:
  TimePoint now() const override {
    return TimePoint(std::chrono::seconds(1'700'000'000)) +
           std::chrono::duration_cast<std::chrono::microseconds>(at_.time_since_epoch());
  }
  MonotonicPoint monotonic() const override { return at_; }
  void pass(milliseconds time) { at_ += time; }

 private:
  MonotonicPoint at_{};
};

WorkloadSpec workload(const std::string& id) { return {.id = id, .root = "/", .argv = {"x"}}; }

class FakeExecutorTest : public ::testing::Test {
 protected:
  ManualClock clock_;
  FakeExecutor executor_{clock_};
};

TEST_F(FakeExecutorTest, AScriptedRunEndsAtItsTimeByThePassedInClock) {
  executor_.set_script([](const WorkloadSpec&) {
    return FakeRun{.time = milliseconds(1500), .code = 3, .cpu_millis = 500, .memory_peak_bytes = 7};
  });
  const auto started = executor_.start(workload("a"), 1);
  ASSERT_TRUE(started);
  clock_.pass(milliseconds(1499));
  EXPECT_EQ(executor_.status("a")->state, WorkloadState::kRunning);
  clock_.pass(milliseconds(10));
  executor_.clock_moved();
  EXPECT_EQ(executor_.take_ended(), std::vector<std::string>{"a"});
  const auto ended = executor_.status("a");
  ASSERT_TRUE(ended->exit);
  EXPECT_EQ(ended->exit->code, 3);
  EXPECT_EQ(ended->exit->at, started->started_at + milliseconds(1500)) << "not when it was noticed";
  EXPECT_EQ(ended->exit->cpu_time_us, 750'000);
  EXPECT_EQ(ended->exit->memory_peak_bytes, 7);
}

TEST_F(FakeExecutorTest, TheTimeLimitOfTheSpecEndsARun) {
  WorkloadSpec spec = workload("a");
  spec.time_limit = milliseconds(100);
  ASSERT_TRUE(executor_.start(spec, 1));
  clock_.pass(milliseconds(100));
  EXPECT_EQ(executor_.status("a")->exit->cause, ExitCause::kTimeLimit);
}

TEST_F(FakeExecutorTest, ARunThatDoesNotObeyEndsAfterTheGraceUnlessItEndsBefore) {
  executor_.set_script([](const WorkloadSpec& spec) {
    return FakeRun{.time = milliseconds(spec.id == "short" ? 200 : 100000), .obeys = false};
  });
  ASSERT_TRUE(executor_.start(workload("long"), 1));
  ASSERT_TRUE(executor_.start(workload("short"), 1));
  ASSERT_TRUE(executor_.stop("long", milliseconds(500)));
  ASSERT_TRUE(executor_.stop("short", milliseconds(500)));
  EXPECT_EQ(executor_.status("long")->state, WorkloadState::kStopping);
  ASSERT_TRUE(executor_.stop("long", milliseconds(400)));
  ASSERT_TRUE(executor_.stop("long", milliseconds(900))) << "a later stop only shortens";
  clock_.pass(milliseconds(400));
  EXPECT_EQ(executor_.status("long")->exit->signal, 9);
  EXPECT_EQ(executor_.status("short")->exit->signal, 0);
  EXPECT_TRUE(executor_.status("short")->exit->asked);
}

TEST_F(FakeExecutorTest, FaultsAreScripted) {
  executor_.set_script([](const WorkloadSpec& spec) -> FakeRun {
    if (spec.id == "lost") return {.time = milliseconds(10), .lost = true};
    if (spec.id == "refused") return {.refused = Error{ErrorCode::kUnavailable, "no room"}};
    return {.time = milliseconds(10), .code = -1, .signal = 9, .cause = ExitCause::kMemory};
  });
  ASSERT_TRUE(executor_.start(workload("lost"), 1));
  ASSERT_TRUE(executor_.start(workload("memory"), 1));
  EXPECT_EQ(executor_.start(workload("refused"), 1).error().code, ErrorCode::kUnavailable);
  clock_.pass(milliseconds(10));
  EXPECT_EQ(executor_.status("lost")->state, WorkloadState::kLost);
  EXPECT_FALSE(executor_.status("lost")->exit);
  EXPECT_EQ(executor_.status("memory")->exit->cause, ExitCause::kMemory);
  EXPECT_EQ(executor_.starts(), 2);
}

// The end of one finds its way without a look at all the others.
TEST_F(FakeExecutorTest, ManyThousandsRunAndEndEachOnce) {
  constexpr int kCount = 20000;
  executor_.set_script([](const WorkloadSpec& spec) {
    return FakeRun{.time = milliseconds(static_cast<int>(spec.id.size() * 7 + spec.id.back()) % 50)};
  });
  std::size_t ended = 0;
  for (int i = 0; i < kCount; ++i) {
    ASSERT_TRUE(executor_.start(workload("j" + std::to_string(i)), 1));
    if (i % 100 != 0) continue;
    clock_.pass(milliseconds(1));
    for (const std::string& id : executor_.take_ended()) {
      ASSERT_EQ(executor_.status(id)->state, WorkloadState::kExited);
      ASSERT_TRUE(executor_.remove(id));
      ++ended;
    }
  }
  clock_.pass(milliseconds(50));
  ended += executor_.take_ended().size();
  EXPECT_EQ(ended, static_cast<std::size_t>(kCount));
}

}  // namespace
}  // namespace millrace::executor
