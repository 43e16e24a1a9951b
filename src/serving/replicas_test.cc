#include "serving/replicas.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "executor/fake/fake_executor.h"
#include "host/file.h"
#include "serving/engine_command.h"
#include "serving/fake/fake_prober.h"

namespace millrace::serving {
namespace {

using std::chrono::seconds;

class ManualClock final : public Clock {
 public:
  TimePoint now() const override {
    return TimePoint(std::chrono::hours(500000)) +
           std::chrono::duration_cast<std::chrono::microseconds>(passed);
  }
  MonotonicPoint monotonic() const override { return MonotonicPoint(std::chrono::hours(1)) + passed; }
  std::chrono::nanoseconds passed{0};
};

class ReplicasTest : public ::testing::Test {
 protected:
  ReplicasTest() {
    char name[] = "/tmp/mr-repl-XXXXXX";
    folder_ = mkdtemp(name);
    EXPECT_TRUE(host::write_file_atomic(folder_ + "/m.gguf", "GGUF", 0644));
  }
  ~ReplicasTest() override { (void)host::remove_tree(folder_); }
  ReplicaSpec spec(const std::string& id, const std::string& generation = "g") {
    return {
        .id = id, .endpoint = "e", .model = "m", .model_file = folder_ + "/m.gguf", .generation = generation};
  }
  Replicas make() {
    return Replicas(
        {.engine = {.root = "/", .program = "llama-server", .prefix = {}}, .cpus = {0, 1}, .fence = 1},
        executor_, prober_, clock_);
  }
  ManualClock clock_;
  executor::FakeExecutor executor_{clock_};
  FakeProber prober_;
  std::string folder_;
};

TEST_F(ReplicasTest, AStartedReplicaIsReadyWhenItsEngineSaysSo) {
  Replicas replicas = make();
  prober_.set("e-0", {.ready = false});
  replicas.start(spec("e-0"), 1);
  ASSERT_TRUE(replicas.refresh());
  EXPECT_EQ(replicas.statuses()[0].state, ReplicaState::kStarting);
  EXPECT_FALSE(replicas.statuses()[0].reason.empty());
  prober_.set("e-0",
              {.ready = true, .props = {.slots = 3, .context_tokens = 77, .template_has_tools = true}});
  ASSERT_TRUE(replicas.refresh());
  const ReplicaStatus status = replicas.statuses()[0];
  EXPECT_EQ(status.state, ReplicaState::kReady);
  EXPECT_EQ(status.context_tokens, 77);
  EXPECT_EQ(status.slots, 3);
  EXPECT_TRUE(status.template_has_tools);
  EXPECT_EQ(status.socket, "/nowhere/e-0/engine.sock");
  EXPECT_GT(status.engine_pid, 0);
  EXPECT_TRUE(status.reason.empty());
}

TEST_F(ReplicasTest, TwoEnginesOnTwoCoresGetOneEach) {
  Replicas replicas = make();
  replicas.start(spec("e-0"), 2);
  replicas.start(spec("e-1"), 2);
  EXPECT_EQ(executor_.spec_of("e-0").cpus, std::vector<int>{0});
  EXPECT_EQ(executor_.spec_of("e-1").cpus, std::vector<int>{1});
}

TEST_F(ReplicasTest, ASecondManagerAdoptsWithoutStarting) {
  {
    Replicas first = make();
    first.start(spec("e-0"), 1);
    ASSERT_TRUE(first.refresh());
  }
  Replicas second = make();
  ASSERT_TRUE(second.refresh());
  ASSERT_EQ(second.statuses().size(), 1u);
  EXPECT_EQ(second.statuses()[0].state, ReplicaState::kReady);
  EXPECT_EQ(second.all().at("e-0").spec.generation, "g");
  EXPECT_EQ(executor_.starts(), 1);
}

TEST_F(ReplicasTest, EndsNobodyAskedForAddUpToACrashLoopAndWishedOnesDoNot) {
  Replicas replicas = make();
  replicas.start(spec("e-0"), 1);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(replicas.refresh());
    executor_.end("e-0", 9);
    ASSERT_TRUE(replicas.refresh());
    EXPECT_EQ(replicas.statuses()[0].state, i < 4 ? ReplicaState::kFailed : ReplicaState::kCrashLoop) << i;
    EXPECT_NE(replicas.statuses()[0].reason.find("exit code 9"), std::string::npos);
    clock_.passed += seconds(10);
    if (i < 4) replicas.start(spec("e-0"), 1);
  }
  EXPECT_EQ(replicas.statuses()[0].restarts, 4);
  replicas.start(spec("e-0", "another"), 1);
  ASSERT_TRUE(replicas.refresh());
  EXPECT_EQ(replicas.statuses()[0].state, ReplicaState::kReady) << "a changed endpoint gets a new chance";
  replicas.stop("e-0", "no longer wanted", false);
  ASSERT_TRUE(replicas.refresh());
  EXPECT_EQ(replicas.statuses()[0].state, ReplicaState::kStopped);
}

TEST_F(ReplicasTest, AKilledSupervisorCountsAsAFailure) {
  Replicas replicas = make();
  replicas.start(spec("e-0"), 1);
  ASSERT_TRUE(replicas.refresh());
  executor_.lose("e-0");
  ASSERT_TRUE(replicas.refresh());
  EXPECT_EQ(replicas.statuses()[0].state, ReplicaState::kFailed);
  EXPECT_NE(replicas.statuses()[0].reason.find("supervisor"), std::string::npos);
  EXPECT_GT(replicas.statuses()[0].retry_at, clock_.now());
}

TEST_F(ReplicasTest, AStopBecauseOfAFailureCountsAndKeepsItsReason) {
  Replicas replicas = make();
  replicas.start(spec("e-0"), 1);
  ASSERT_TRUE(replicas.refresh());
  replicas.stop("e-0", "the engine did not answer", true);
  ASSERT_TRUE(replicas.refresh());
  EXPECT_EQ(replicas.all().at("e-0").failures.size(), 1u);
  EXPECT_EQ(replicas.statuses()[0].reason, "the engine did not answer");
}

TEST_F(ReplicasTest, AReplicaThatCannotBeMadeSaysWhy) {
  Replicas replicas = make();
  ReplicaSpec broken = spec("e-0");
  broken.model_file = folder_ + "/gone.gguf";
  replicas.start(broken, 1);
  EXPECT_EQ(replicas.statuses()[0].state, ReplicaState::kFailed);
  EXPECT_NE(replicas.statuses()[0].reason.find("gone.gguf"), std::string::npos);
  EXPECT_EQ(executor_.starts(), 0);
}

TEST_F(ReplicasTest, ASilentEngineIsRememberedAndForgiven) {
  Replicas replicas = make();
  replicas.start(spec("e-0"), 1);
  ASSERT_TRUE(replicas.refresh());
  prober_.set("e-0", {.hangs = true});
  ASSERT_TRUE(replicas.refresh());
  EXPECT_TRUE(replicas.all().at("e-0").silent_since.has_value());
  EXPECT_EQ(replicas.statuses()[0].state, ReplicaState::kReady);
  prober_.set("e-0", {});
  ASSERT_TRUE(replicas.refresh());
  EXPECT_FALSE(replicas.all().at("e-0").silent_since.has_value());
}

}  // namespace
}  // namespace millrace::serving
