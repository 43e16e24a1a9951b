// The control thread on a store in memory and workloads in memory.
#include "control/loop.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include "control/desired.h"
#include "control/eventually_test_support.h"
#include "executor/fake/fake_executor.h"
#include "host/file.h"
#include "host/system_clock.h"
#include "serving/fake/fake_prober.h"
#include "store/memory/memory_store.h"

namespace millrace::control {
namespace {

using std::chrono::milliseconds;

/// Admits what it is told to.
class Admission final : public ReplicaAdmission {
 public:
  std::set<std::string> admitted(const std::map<std::string, serving::ReplicaSpec>& wanted,
                                 const std::set<std::string>& running) override {
    const std::lock_guard lock(mutex_);
    running_ = running;
    wanted_.clear();
    for (const auto& [id, spec] : wanted) wanted_.insert(id);
    std::set<std::string> all;
    for (const auto& [id, spec] : wanted)
      if (allowed_.contains(id)) all.insert(id);
    return all;
  }
  std::string reason(const std::string& id) override { return "no memory for " + id; }
  void ended(const std::string& id) override {
    const std::lock_guard lock(mutex_);
    ended_.push_back(id);
  }
  void allow(std::set<std::string> ids) {
    const std::lock_guard lock(mutex_);
    allowed_ = std::move(ids);
  }
  std::vector<std::string> ended() {
    const std::lock_guard lock(mutex_);
    return ended_;
  }
  std::set<std::string> wanted() {
    const std::lock_guard lock(mutex_);
    return wanted_;
  }

 private:
  std::mutex mutex_;
  std::set<std::string> allowed_, running_, wanted_;  // guarded by mutex_
  std::vector<std::string> ended_;                    // guarded by mutex_
};

class LoopTest : public ::testing::Test {
 protected:
  LoopTest() {
    char name[] = "/tmp/mr-loop-XXXXXX";
    folder_ = mkdtemp(name);
    EXPECT_TRUE(host::write_file_atomic(folder_ + "/m.gguf", "GGUF", 0644));
    begin();
  }
  ~LoopTest() override {
    loop_.reset();
    (void)host::remove_tree(folder_);
  }
  void begin() {
    LoopOptions options{
        .engine = {.root = "/", .program = "llama-server", .prefix = {}}, .cpus = {0, 1}, .fence = 1};
    options.admission = admits_ ? &admission_ : nullptr;
    options.has_room = [this](const auto&) { return room_.load(); };
    loop_ = std::move(*Loop::start(options, store_, executor_, prober_, clock_, [this](const auto& all) {
      largest_ = std::max(largest_.load(), all.size());
      least_ready_ = std::min<std::size_t>(
          least_ready_, std::ranges::count(all, ReplicaState::kReady, &ReplicaStatus::state));
      eventually_.note();
    }));
  }
  void wish(const std::string& name, std::int64_t replicas, std::int64_t most = 0, std::int64_t slots = 0) {
    DesiredEndpoint e;
    e.name = name;
    e.model = "m";
    e.slots = slots;
    e.model_file = folder_ + "/m.gguf";
    e.min_replicas = replicas;
    e.max_replicas = std::max(replicas, most);
    e.idle_s = 1;
    e.changes = ++changes_;
    ASSERT_TRUE(store_.commit({.expect = {}, .put = {{"endpoint/" + name, to_json(e)}}, .erase = {}}));
  }
  // Every event wakes the loop, so this is far less than one resync (5 s) except where a back-off is waited for.
  template <typename Condition>
  bool soon(Condition condition, milliseconds patience = milliseconds(4000)) {
    return eventually_.holds(std::move(condition), patience);
  }
  std::size_t ready() const {
    std::size_t count = 0;
    for (const auto& status : loop_->observed()) count += status.state == ReplicaState::kReady ? 1 : 0;
    return count;
  }
  host::SystemClock clock_;
  store::MemoryStore store_;
  executor::FakeExecutor executor_{clock_};
  serving::FakeProber prober_;
  std::string folder_;
  std::atomic<std::size_t> largest_ = 0;
  std::atomic<std::size_t> least_ready_ = 0;
  std::int64_t changes_ = 0;
  Admission admission_;
  bool admits_ = false;  // the loop asks admission_
  std::atomic<bool> room_ = true;
  Eventually eventually_;
  std::unique_ptr<Loop> loop_;
};

TEST_F(LoopTest, AnEndpointInTheStoreGetsItsReplicasWithoutWaitingForTheResync) {
  wish("chat", 2);
  EXPECT_TRUE(soon([&] { return ready() == 2; }));
  EXPECT_EQ(loop_->observed()[0].id, "chat-0");
  EXPECT_EQ(largest_, 2u) << "the listener is told";
}

TEST_F(LoopTest, ReplicasOfAnEndpointWhoseRecordCannotBeReadStayAdmitted) {
  loop_.reset();
  admits_ = true;
  admission_.allow({"chat-0"});
  begin();
  wish("chat", 1);
  ASSERT_TRUE(soon([&] { return ready() == 1; }));
  ASSERT_TRUE(store_.commit({.expect = {}, .put = {{"endpoint/chat", "{}"}}, .erase = {}}));
  wish("other", 1);
  const std::set<std::string> both = {"chat-0", "other-0"};
  EXPECT_TRUE(soon([&] { return admission_.wanted() == both; }));
  EXPECT_EQ(ready(), 1U);
}

TEST_F(LoopTest, ADeletedEndpointsReplicasAreDrainedAndGone) {
  wish("chat", 1);
  ASSERT_TRUE(soon([&] { return ready() == 1; }));
  ASSERT_TRUE(store_.commit({.expect = {}, .put = {}, .erase = {"endpoint/chat"}}));
  EXPECT_TRUE(soon(
      [&] { return !loop_->observed().empty() && loop_->observed()[0].state == ReplicaState::kDraining; }));
  EXPECT_TRUE(soon([&] { return loop_->observed().empty(); }));
  EXPECT_TRUE(executor_.list()->empty());
}

TEST_F(LoopTest, ADeadEngineIsReplacedAfterItsBackoff) {
  wish("chat", 1);
  ASSERT_TRUE(soon([&] { return ready() == 1; }));
  executor_.end("chat-0", 139);
  EXPECT_TRUE(soon(
      [&] { return !loop_->observed().empty() && loop_->observed()[0].state == ReplicaState::kFailed; }));
  EXPECT_TRUE(soon([&] { return ready() == 1; }));
  EXPECT_EQ(loop_->observed()[0].restarts, 1);
  EXPECT_EQ(executor_.starts(), 2);
}

TEST_F(LoopTest, ANewLoopAdoptsAndStartsNothing) {
  wish("chat", 2);
  ASSERT_TRUE(soon([&] { return ready() == 2; }));
  loop_.reset();
  wish("later", 0);  // a commit while no loop listens must be harmless
  begin();
  EXPECT_EQ(ready(), 2u) << "what runs is known at once, or gateways are told that nothing does";
  EXPECT_EQ(executor_.starts(), 2);
}

TEST_F(LoopTest, StoppingWithReplicasLeavesNone) {
  wish("chat", 2);
  ASSERT_TRUE(soon([&] { return ready() == 2; }));
  ASSERT_TRUE(loop_->stop_with_replicas(milliseconds(5000)));
  EXPECT_TRUE(loop_->observed().empty());
  EXPECT_TRUE(executor_.list()->empty());
}

TEST_F(LoopTest, AStubbornReplicaIsReportedNotWaitedForForever) {
  wish("chat", 1);
  ASSERT_TRUE(soon([&] { return ready() == 1; }));
  executor_.set_stubborn(true);
  const auto stopped = loop_->stop_with_replicas(milliseconds(300));
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::kTimeout);
}

TEST_F(LoopTest, ARecordThatCannotBeReadStopsNothing) {
  wish("chat", 1);
  ASSERT_TRUE(soon([&] { return ready() == 1; }));
  ASSERT_TRUE(store_.commit({.expect = {}, .put = {{"endpoint/chat", "{broken"}}, .erase = {}}));
  wish("other", 1);
  ASSERT_TRUE(soon([&] { return ready() == 2; }));
  EXPECT_EQ(executor_.status("chat-0")->state, executor::WorkloadState::kRunning);
}

TEST_F(LoopTest, ARequestThatWaitsStartsAReplicaAndIdlenessEndsIt) {
  wish("chat", 0, 2);
  ASSERT_TRUE(soon([&] { return !loop_->services().empty(); }));
  EXPECT_EQ(loop_->services()[0].wanted, 0);
  loop_->set_load(EndpointLoads{{"chat", {.waiting = 1, .begun = 1, .at = clock_.monotonic()}}});
  ASSERT_TRUE(soon([&] { return ready() == 1; }));
  EXPECT_EQ(loop_->services()[0].waiting, 1);
  loop_->set_load(EndpointLoads{{"chat", {.begun = 1, .at = clock_.monotonic()}}});
  EXPECT_TRUE(soon([&] { return loop_->observed().empty(); }, milliseconds(8000)));
  EXPECT_EQ(loop_->services()[0].wanted, 0);
}

TEST_F(LoopTest, ReplicasRunOnlyWhileTheyAreAdmitted) {
  loop_.reset();
  admits_ = true;
  begin();
  wish("chat", 2);
  ASSERT_TRUE(soon([&] { return loop_->observed().size() == 2; }));
  EXPECT_EQ(loop_->observed()[1].reason, "no memory for chat-1");
  EXPECT_EQ(executor_.starts(), 0);
  admission_.allow({"chat-0", "chat-1"});
  loop_->wake();
  ASSERT_TRUE(soon([&] { return ready() == 2; }));
  admission_.allow({"chat-0"});
  loop_->wake();
  ASSERT_TRUE(soon([&] { return admission_.ended() == std::vector<std::string>{"chat-1"}; }));
  ASSERT_TRUE(soon([&] { return ready() == 1 && loop_->observed().size() == 2; }));
  EXPECT_EQ(loop_->observed()[1].reason, "no memory for chat-1");
  ASSERT_TRUE(soon([&] {
    return loop_->services()[0].reason == "1 of 2 replicas are ready; chat-1 waits: no memory for chat-1";
  })) << loop_->services()[0].reason;
  executor_.end("chat-0", 1);  // it will be started again: it keeps what it was given
  ASSERT_TRUE(soon([&] { return executor_.starts() == 3; }));
  EXPECT_EQ(admission_.ended().size(), 1u);
  wish("chat", 0);
  EXPECT_TRUE(soon([&] { return admission_.ended().size() == 2; }));
}

TEST_F(LoopTest, AChangeOfParametersGoesBeyondWhatIsWantedOnlyWhereThereIsRoom) {
  wish("chat", 1);
  ASSERT_TRUE(soon([&] { return ready() == 1; }));
  least_ready_ = 1;
  wish("chat", 1, 1, 2);
  ASSERT_TRUE(soon([&] { return loop_->observed().size() == 2; }));
  EXPECT_TRUE(soon([&] { return loop_->observed().size() == 1 && loop_->services()[0].reason.empty(); }));
  EXPECT_EQ(loop_->observed()[0].id, "chat-1");
  EXPECT_EQ(least_ready_, 1u) << "the new one is ready before the old one drains";
  room_ = false;
  largest_ = 0;
  wish("chat", 1, 1, 3);
  EXPECT_TRUE(soon([&] { return loop_->services()[0].reason.find("no room") != std::string::npos; }));
  EXPECT_TRUE(soon([&] { return ready() == 1 && loop_->services()[0].reason.empty(); }));
  EXPECT_EQ(largest_, 1u);
}

TEST_F(LoopTest, TheLogOfAReplicaIsReadThroughTheLoop) {
  wish("chat", 1);
  ASSERT_TRUE(soon([&] { return ready() == 1; }));
  executor_.write_log("chat-0", "model loaded\n");
  EXPECT_EQ(loop_->log("chat-0", -7, 100)->text, "loaded\n");
  EXPECT_EQ(loop_->log("nobody-0", 0, 1).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace millrace::control
