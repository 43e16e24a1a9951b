#include "control/replica_work.h"

#include <gtest/gtest.h>

#include "host/system_clock.h"
#include "store/memory/memory_store.h"

namespace millrace::control {
namespace {

using Wanted = std::map<std::string, serving::ReplicaSpec>;

class ReplicaWorkTest : public testing::Test {
 protected:
  void SetUp() override { make(); }
  void make() {
    work_ = *ReplicaWork::create({.take_number = [this]() -> Result<std::uint64_t> { return ++number_; },
                                  .demand = [](const auto&) { return scheduler::Demand{.cpu_milli = 500}; },
                                  .changed = [this] { ++changes_; },
                                  .wake = [this] { ++wakes_; },
                                  .set_cpu = nullptr},
                                 store_, clock_);
  }
  static Wanted wanted() { return {{"chat-0", {.id = "chat-0", .endpoint = "chat"}}}; }
  std::vector<WantedWork> records() {
    std::vector<WantedWork> all;
    for (const auto& record : *store_.list(kWantedPrefix, {}, SIZE_MAX))
      all.push_back(*parse_wanted(record.value));
    return all;
  }
  /// As the manager does.
  void grant(const WantedWork& work, std::uint32_t run) {
    ASSERT_TRUE(work_->start(work, StartRun{.id = work.id, .run = run, .places = {}, .reason = {}}, {}));
    ObservedWork seen;
    seen.id = work.id;
    seen.state = WorkState::kStarting;
    seen.run = run;
    ASSERT_TRUE(
        store_.commit({.expect = {}, .put = {{work_key(kLivePrefix, work.id), to_json(seen)}}, .erase = {}}));
  }

  host::SystemClock clock_;
  store::MemoryStore store_;
  std::uint64_t number_ = 0;
  int changes_ = 0, wakes_ = 0;
  std::unique_ptr<ReplicaWork> work_;
};

TEST_F(ReplicaWorkTest, AReplicaBecomesWorkOnceAndRunsWhenItIsGranted) {
  EXPECT_TRUE(work_->admitted(wanted(), {}).empty());
  EXPECT_TRUE(work_->admitted(wanted(), {}).empty());
  ASSERT_EQ(records().size(), 1u);
  EXPECT_EQ(records()[0].kind, WorkKind::kService);
  EXPECT_EQ(records()[0].demand.cpu_milli, 500);
  grant(records()[0], 1);
  EXPECT_EQ(changes_, 1);
  EXPECT_EQ(work_->admitted(wanted(), {}), std::set<std::string>{"chat-0"});
}

TEST_F(ReplicaWorkTest, OneThatRunsWhenItBecomesWorkGoesOnUntilSomethingIsDecided) {
  const std::set<std::string> running = {"chat-0"};
  EXPECT_EQ(work_->admitted(wanted(), running), running);
  grant(records()[0], 1);
  ASSERT_TRUE(work_->stop(records()[0], StopRun{.id = records()[0].id, .run = 1, .reason = {}}));
  EXPECT_TRUE(work_->admitted(wanted(), running).empty());
}

TEST_F(ReplicaWorkTest, ItsRunEndsOnlyWhenTheReplicaIsGone) {
  (void)work_->admitted(wanted(), {});
  const WantedWork work = records()[0];
  grant(work, 1);
  ASSERT_TRUE(work_->stop(work, StopRun{.id = work.id, .run = 1, .reason = {}}));
  EXPECT_TRUE(work_->ended()->empty());
  work_->ended("chat-0");
  EXPECT_EQ(wakes_, 1);
  ASSERT_EQ(work_->ended()->size(), 1u);
  EXPECT_EQ(work_->ended()->front().end->exit, Exit::kStopped);
  work_->forget({work.id, 1});
  EXPECT_TRUE(work_->all()->empty());
}

TEST_F(ReplicaWorkTest, WhatIsWishedNoMoreIsWithdrawnAndANewWishIsNewWork) {
  (void)work_->admitted(wanted(), {});
  EXPECT_TRUE(work_->admitted({}, {}).empty());
  ASSERT_EQ(records().size(), 1u);
  EXPECT_TRUE(records()[0].cancelled_at);
  (void)work_->admitted(wanted(), {});
  EXPECT_EQ(records().size(), 2u);
}

TEST_F(ReplicaWorkTest, ReplicasOfOneGenerationAreKeptApart) {
  Wanted spread;
  for (const char* id : {"chat-0", "chat-1"})
    spread[id] = {.id = id, .endpoint = "chat", .spread = "rail", .generation = "1"};
  (void)work_->admitted(spread, {});
  ASSERT_EQ(records().size(), 2u);
  for (const WantedWork& work : records()) {
    EXPECT_EQ(work.spread, scheduler::Spread::kRail);
    EXPECT_EQ(work.siblings, "1");
  }
}

TEST_F(ReplicaWorkTest, OneOfAnotherGenerationThatTakesAnIdIsNewWork) {
  (void)work_->admitted(wanted(), {});
  Wanted next = wanted();
  next["chat-0"].spread = "rail";
  next["chat-0"].generation = "2";
  (void)work_->admitted(next, {});
  (void)work_->admitted(next, {});
  ASSERT_EQ(records().size(), 2u);
  EXPECT_TRUE(records()[0].cancelled_at);
  EXPECT_EQ(records()[1].siblings, "2");
}

TEST_F(ReplicaWorkTest, ARestartKnowsWhatWasWishedAndAsksForNothingTwice) {
  (void)work_->admitted(wanted(), {});
  grant(records()[0], 1);
  make();
  EXPECT_TRUE(work_->admitted(wanted(), {}).empty()) << "the manager grants it anew when it takes over";
  grant(records()[0], 1);
  EXPECT_EQ(work_->admitted(wanted(), {}), std::set<std::string>{"chat-0"});
  EXPECT_EQ(records().size(), 1u);
}

TEST_F(ReplicaWorkTest, ACrashBeforeTheManagerSawAWishMakesNoSecondOne) {
  (void)work_->admitted(wanted(), {});
  make();
  EXPECT_TRUE(work_->admitted(wanted(), {}).empty());
  ASSERT_EQ(records().size(), 1u);
  grant(records()[0], 1);
  EXPECT_EQ(work_->admitted(wanted(), {}), std::set<std::string>{"chat-0"});
}

TEST_F(ReplicaWorkTest, AWishThatWasWithdrawnBeforeTheManagerSawItStaysWithdrawnAfterACrash) {
  (void)work_->admitted(wanted(), {});
  (void)work_->admitted({}, {});
  make();
  (void)work_->admitted(wanted(), {});
  ASSERT_EQ(records().size(), 2u);
  EXPECT_TRUE(records()[0].cancelled_at);
  EXPECT_FALSE(records()[1].cancelled_at);
}

TEST_F(ReplicaWorkTest, AWishThatIsOverIsNotTakenUpAgain) {
  (void)work_->admitted(wanted(), {});
  ObservedWork over;
  over.id = records()[0].id;
  over.state = WorkState::kFailed;
  ASSERT_TRUE(
      store_.commit({.expect = {}, .put = {{work_key(kEndedPrefix, over.id), to_json(over)}}, .erase = {}}));
  make();
  (void)work_->admitted(wanted(), {});
  EXPECT_EQ(records().size(), 2u) << "nobody would ever grant the first";
}

TEST_F(ReplicaWorkTest, OfTwoWishesForOneReplicaTheLaterIsWithdrawn) {
  (void)work_->admitted(wanted(), {});
  WantedWork second = records()[0];
  second.id = workload_id(++number_);
  ASSERT_TRUE(store_.commit(
      {.expect = {}, .put = {{work_key(kWantedPrefix, second.id), to_json(second)}}, .erase = {}}));
  make();
  (void)work_->admitted(wanted(), {});
  ASSERT_EQ(records().size(), 2u);
  EXPECT_FALSE(records()[0].cancelled_at);
  EXPECT_TRUE(records()[1].cancelled_at);
}

}  // namespace
}  // namespace millrace::control
