#include "control/executor_runs.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "executor/fake/fake_executor.h"
#include "host/file.h"
#include "host/system_clock.h"

namespace millrace::control {
namespace {

using executor::FakeExecutor;
using executor::FakeRun;
using executor::WorkloadState;
using std::chrono::hours;
using std::chrono::milliseconds;

WantedWork gang(std::int32_t tasks) {
  WantedWork work;
  work.id = workload_id(7);
  work.name = "7";
  work.tasks = tasks;
  work.demand = {.cpu_milli = 1000, .memory_mib = 64};
  work.program.command = {"true"};
  return work;
}

std::vector<NamedPlace> places_of(std::int32_t tasks) {
  std::vector<NamedPlace> places;
  for (std::int32_t i = 0; i < tasks; ++i) places.push_back({"n" + std::to_string(i), 3});
  return places;
}

class ExecutorRunsTest : public testing::Test {
 protected:
  Result<void> start(std::int32_t tasks) {
    const StartRun run{.id = workload_id(7), .run = 1, .places = {}, .reason = {}};
    return runs_.start(gang(tasks), run, places_of(tasks));
  }
  std::size_t there() { return executor_.list()->size(); }
  static ExecutorRunsOptions options() {
    return {.work_folder = "/w",
            .log_folder = {},
            .image_root = [](const std::string&) -> Result<std::string> { return "/"; },
            .secret = nullptr,
            .make_folder = nullptr};
  }

  host::SystemClock clock_;
  FakeExecutor executor_{clock_};
  ExecutorRuns runs_{options(), executor_};
};

TEST_F(ExecutorRunsTest, EachTaskOfAGangIsToldItsPlaceAndTheRunEndsWithTheLast) {
  ASSERT_TRUE(start(2));
  EXPECT_EQ(executor_.spec_of("w7.0.r1.t1").env.at("MILLRACE_NODE"), "n1");
  EXPECT_EQ(executor_.spec_of("w7.0.r1.t1").env.at("CUDA_VISIBLE_DEVICES"), "0,1");
  EXPECT_EQ(executor_.spec_of("w7.0.r1.t0").env.at("MILLRACE_TASKS"), "2");
  executor_.end("w7.0.r1.t0", 0);
  EXPECT_TRUE(runs_.ended()->empty());
  executor_.end("w7.0.r1.t1", 0);
  const auto ended = runs_.ended().value();
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].end->exit, Exit::kDone);
  runs_.forget(ended[0].key);
  EXPECT_EQ(there(), 0u);
}

TEST_F(ExecutorRunsTest, ARunThatEndedWhileNobodyLookedIsNotStartedAgain) {
  ASSERT_TRUE(start(2));
  executor_.end("w7.0.r1.t0", 0);
  ExecutorRuns next(options(), executor_);
  ASSERT_EQ(next.all()->size(), 1u);
  executor_.end("w7.0.r1.t1", 0);
  const StartRun again{.id = workload_id(7), .run = 1, .places = {}, .reason = {}};
  ASSERT_TRUE(next.start(gang(2), again, places_of(2)));
  EXPECT_EQ(executor_.starts(), 2u);
  ASSERT_EQ(next.ended()->size(), 1u);
  EXPECT_EQ(next.ended()->front().end->exit, Exit::kDone);
}

TEST_F(ExecutorRunsTest, ARunThatIsThereIsNotRefusedForWhatItsStartNeededAndNowIsGone) {
  ASSERT_TRUE(start(2));
  ExecutorRunsOptions bare = options();
  bare.image_root = [](const std::string&) -> Result<std::string> {
    return failure(ErrorCode::kNotFound, "no such image");
  };
  ExecutorRuns next(bare, executor_);
  const StartRun again{.id = workload_id(7), .run = 1, .places = {}, .reason = {}};
  EXPECT_TRUE(next.start(gang(2), again, places_of(2)));
  EXPECT_FALSE(next.start(gang(3), again, places_of(3))) << "its third task is not there yet";
}

TEST_F(ExecutorRunsTest, ARunThatDoesNotAnswerIsNotStartedAgain) {
  ASSERT_TRUE(start(1));
  executor_.end("w7.0.r1.t0", 0);
  executor_.set_silent(true);
  ExecutorRuns next(options(), executor_);
  const StartRun again{.id = workload_id(7), .run = 1, .places = {}, .reason = {}};
  EXPECT_TRUE(next.start(gang(1), again, places_of(1)));
  executor_.set_silent(false);
  EXPECT_EQ(executor_.starts(), 1u);
  const auto end = next.all()->front().end;
  ASSERT_TRUE(end);
  EXPECT_EQ(end->exit, Exit::kDone);
}

TEST_F(ExecutorRunsTest, ARunWhoseOutputCannotBeKeptIsNotForgotten) {
  ASSERT_TRUE(start(2));
  executor_.write_log("w7.0.r1.t1", "what it found");
  executor_.end("w7.0.r1.t0", 0);
  executor_.end("w7.0.r1.t1", 0);
  ExecutorRunsOptions full = options();
  full.log_folder = "/dev/null";
  ExecutorRuns next(full, executor_);
  ASSERT_EQ(next.all()->size(), 1U);
  next.forget({workload_id(7), 1});
  EXPECT_EQ(there(), 2U);
  EXPECT_EQ(next.ended()->size(), 1U) << "to be forgotten again";
}

TEST_F(ExecutorRunsTest, ATaskThatFailsTakesTheOthersOfItsGangWithIt) {
  ASSERT_TRUE(start(2));
  executor_.end("w7.0.r1.t0", 3);
  (void)runs_.ended();
  const auto ended = runs_.ended().value();
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].end->exit, Exit::kFailed);
  EXPECT_EQ(ended[0].end->exit_code, 3);
}

TEST_F(ExecutorRunsTest, AGangTakesAsLongAsItTookWhateverTheClockWasSetToBetweenItsStarts) {
  for (const hours step : {hours(-1), hours(24)}) {
    const TimePoint start{hours(480000)};
    const auto task = [&](TimePoint at, milliseconds after, milliseconds ran) {
      executor::WorkloadStatus status;
      status.started_at = at;
      status.started = MonotonicPoint(after);
      status.exit = executor::ExitRecord{.code = 0, .at = at + ran};
      return status;
    };
    const RunEnd end = run_end({task(start + step, milliseconds(20), milliseconds(3000)),
                                task(start, milliseconds(0), milliseconds(1000))});
    EXPECT_EQ(end.started_at, start);
    EXPECT_EQ(end.ended_at, start + milliseconds(3020));
  }
}

TEST_F(ExecutorRunsTest, ATaskThatNeverToldOfItsStartDoesNotDateTheRun) {
  executor::WorkloadStatus silent, other;
  silent.state = WorkloadState::kLost;
  other.started_at = TimePoint{hours(480000)};
  other.started = MonotonicPoint(hours(5));
  other.exit = executor::ExitRecord{.code = 0, .at = other.started_at + milliseconds(900)};
  for (const auto& tasks : {std::vector{silent, other}, std::vector{other, silent}}) {
    const RunEnd end = run_end(tasks);
    EXPECT_EQ(end.started_at, other.started_at);
    EXPECT_EQ(end.ended_at, other.exit->at);
    EXPECT_EQ(end.exit, Exit::kLost);
  }
}

TEST_F(ExecutorRunsTest, ALostTaskCountsUpToWhenItWasSeenLast) {
  executor::WorkloadStatus lost;
  lost.state = WorkloadState::kLost;
  lost.started_at = TimePoint{hours(480000)};
  lost.started = MonotonicPoint(hours(5));
  lost.seen_at = lost.started_at + hours(2);
  lost.cpu_time_us = 70;
  const RunEnd end = run_end({lost});
  EXPECT_EQ(end.exit, Exit::kLost);
  EXPECT_EQ(end.ended_at, lost.seen_at);
  EXPECT_EQ(end.cpu_us, 70);
}

TEST_F(ExecutorRunsTest, WhatATaskWroteIsReadPieceByPieceAfterItsRunIsForgotten) {
  std::string folder = "/tmp/millrace-runs-test-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  ExecutorRuns runs({.work_folder = "/w",
                     .log_folder = folder,
                     .image_root = [](const std::string&) -> Result<std::string> { return "/"; },
                     .secret = nullptr,
                     .make_folder = nullptr},
                    executor_);
  const RunKey key{workload_id(7), 1};
  ASSERT_TRUE(
      runs.start(gang(1), StartRun{.id = key.id, .run = 1, .places = {}, .reason = {}}, places_of(1)));
  executor_.write_log("w7.0.r1.t0", "one two");
  executor_.end("w7.0.r1.t0", 0);
  ASSERT_EQ(runs.ended()->size(), 1u);
  runs.forget(key);
  EXPECT_EQ(there(), 0u);
  EXPECT_EQ(runs.log(key, 0, 4, 2)->text, "tw");
  EXPECT_EQ(runs.log(key, 0, -3, 100)->text, "two");
  EXPECT_EQ(runs.log(key, 0, 0, 100)->next, 7);
  EXPECT_EQ(runs.log(key, 1, 0, 100)->text, "");
  ASSERT_TRUE(host::remove_tree(folder));
}

TEST_F(ExecutorRunsTest, AGangThatCouldNotStartWholeLeavesNothing) {
  executor_.set_script([](const executor::WorkloadSpec& spec) {
    FakeRun run;
    if (spec.id == "w7.0.r1.t2") run.refused = Error{ErrorCode::kUnavailable, "not now"};
    return run;
  });
  EXPECT_FALSE(start(3));
  EXPECT_EQ(there(), 2u) << "told to stop, and not forgotten before it has";
  for (const auto& run : runs_.ended().value()) runs_.forget(run.key);
  EXPECT_EQ(there(), 0u);
  executor_.set_script([](const executor::WorkloadSpec&) {
    return FakeRun{.refused = Error{ErrorCode::kUnavailable, "not now"}};
  });
  EXPECT_FALSE(start(1));
  EXPECT_TRUE(runs_.ended()->empty());
}

}  // namespace
}  // namespace millrace::control
