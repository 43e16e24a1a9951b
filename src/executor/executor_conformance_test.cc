// What every implementation of the port promises, tried on the real one and on the one in memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "executor/fake/fake_executor.h"
#include "executor/local/local_executor.h"
#include "host/file.h"
#include "host/system_clock.h"

namespace millrace::executor {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPatience{5000};
constexpr milliseconds kLook{20};  // what is no event, as a workload's output, is looked for so often

struct Local {
  Local() {
    char name[] = "/tmp/mr-exec-XXXXXX";
    folder = mkdtemp(name);
    executor = make();
  }
  ~Local() {
    const auto all = executor->list();
    if (all) {
      for (const WorkloadStatus& status : *all) (void)executor->stop(status.id, milliseconds(0));
      for (const WorkloadStatus& status : *all) settle(status.id);
    }
    (void)host::remove_tree(folder);
  }
  std::unique_ptr<Executor> make() const {
    auto made = LocalExecutor::create({.folder = folder + "/replicas",
                                       .runtime_dir = folder + "/run",
                                       .supervise_argv = {EXECUTOR_SUPERVISE}});
    EXPECT_TRUE(made) << made.error().message;
    return std::move(*made);
  }
  void settle(const std::string& id) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < deadline) {
      const auto status = executor->status(id);
      if (!status || status->state == WorkloadState::kExited || status->state == WorkloadState::kLost) return;
      executor->wait_event(kLook);
    }
  }
  // Prints the text, then goes on for longer than any test.
  WorkloadSpec printing(const std::string& id, const std::string& text) {
    WorkloadSpec spec{
        .id = id, .root = "/", .argv = {"sh", "-c", "printf '%s' '" + text + "'; exec sleep 1000"}};
    return spec;
  }
  void printed(const std::string&, const std::string&) {}
  std::string folder;
  std::unique_ptr<Executor> executor;
};

struct Fake {
  void settle(const std::string&) {}
  WorkloadSpec printing(const std::string& id, const std::string&) {
    return {.id = id, .root = "/", .argv = {"x"}};
  }
  void printed(const std::string& id, const std::string& text) { executor->write_log(id, text); }
  host::SystemClock clock;
  std::unique_ptr<FakeExecutor> executor = std::make_unique<FakeExecutor>(clock);
};

template <typename T>
class ExecutorConformance : public ::testing::Test {
 protected:
  WorkloadSpec sleeping(const std::string& id) { return world_.printing(id, ""); }
  Result<LogPiece> log_when(const std::string& id, std::size_t bytes) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (true) {
      auto piece = world_.executor->log(id, 0, 1000);
      if (!piece || piece->text.size() >= bytes || std::chrono::steady_clock::now() > deadline) return piece;
      world_.executor->wait_event(kLook);
    }
  }
  T world_;
};

using Implementations = ::testing::Types<Local, Fake>;
TYPED_TEST_SUITE(ExecutorConformance, Implementations);

TYPED_TEST(ExecutorConformance, AStartedWorkloadIsListedWithItsLabelsAndProcess) {
  auto& executor = *this->world_.executor;
  WorkloadSpec spec = this->sleeping("a-0");
  spec.labels = {{"endpoint", "a"}};
  ASSERT_TRUE(executor.start(spec, 1));
  ASSERT_TRUE(executor.start(this->sleeping("b-0"), 1));
  const auto all = executor.list();
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ((*all)[0].id, "a-0");
  EXPECT_EQ((*all)[0].labels, spec.labels);
  EXPECT_GT((*all)[0].supervisor_pid, 0);
  EXPECT_EQ((*all)[1].id, "b-0");
  EXPECT_FALSE((*all)[0].limits.kind.empty());
}

TYPED_TEST(ExecutorConformance, StartingTwiceIsOneWorkload) {
  auto& executor = *this->world_.executor;
  const auto first = executor.start(this->sleeping("a-0"), 1);
  const auto second = executor.start(this->sleeping("a-0"), 2);
  ASSERT_TRUE(first);
  ASSERT_TRUE(second);
  EXPECT_EQ(first->supervisor_pid, second->supervisor_pid);
}

TYPED_TEST(ExecutorConformance, AnOlderFenceStartsNothing) {
  auto& executor = *this->world_.executor;
  ASSERT_TRUE(executor.start(this->sleeping("a-0"), 7));
  const auto refused = executor.start(this->sleeping("b-0"), 6);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kDenied);
  EXPECT_EQ(executor.list()->size(), 1u);
}

TYPED_TEST(ExecutorConformance, AStoppedWorkloadEndsAndSaysThatItWasAsked) {
  auto& executor = *this->world_.executor;
  ASSERT_TRUE(executor.start(this->sleeping("a-0"), 1));
  ASSERT_TRUE(executor.stop("a-0", milliseconds(5000)));
  this->world_.settle("a-0");
  const auto status = executor.status("a-0");
  ASSERT_TRUE(status);
  ASSERT_EQ(status->state, WorkloadState::kExited);
  EXPECT_TRUE(status->exit->asked);
  EXPECT_EQ(status->exit->cause, ExitCause::kAsked);
  EXPECT_EQ(status->exit->signal, 15);
  EXPECT_EQ(status->engine_pid, 0);
  EXPECT_TRUE(executor.stop("a-0", milliseconds(0))) << "stopping what has ended is no error";
}

TYPED_TEST(ExecutorConformance, AnEndedWorkloadCanBeStartedAgain) {
  auto& executor = *this->world_.executor;
  const auto first = executor.start(this->sleeping("a-0"), 1);
  ASSERT_TRUE(first);
  ASSERT_TRUE(executor.stop("a-0", milliseconds(5000)));
  this->world_.settle("a-0");
  const auto second = executor.start(this->sleeping("a-0"), 1);
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_NE(first->supervisor_pid, second->supervisor_pid);
  EXPECT_FALSE(second->exit.has_value());
}

TYPED_TEST(ExecutorConformance, OnlyAnEndedWorkloadIsRemoved) {
  auto& executor = *this->world_.executor;
  ASSERT_TRUE(executor.start(this->sleeping("a-0"), 1));
  const auto refused = executor.remove("a-0");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  ASSERT_TRUE(executor.stop("a-0", milliseconds(5000)));
  this->world_.settle("a-0");
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!executor.remove("a-0") && std::chrono::steady_clock::now() < deadline) executor.wait_event(kLook);
  EXPECT_EQ(executor.status("a-0").error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(executor.list()->empty());
}

TYPED_TEST(ExecutorConformance, WhatWasNeverStartedIsNotFound) {
  auto& executor = *this->world_.executor;
  EXPECT_EQ(executor.status("a-0").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(executor.stop("a-0", milliseconds(0)).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(executor.remove("a-0").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(executor.log("a-0", 0, 10).error().code, ErrorCode::kNotFound);
}

TYPED_TEST(ExecutorConformance, ASpecThatCannotRunIsRefusedByName) {
  auto& executor = *this->world_.executor;
  for (const char* id : {"", "../a", "A", "a/b", ".a", "-a"}) {
    const auto refused = executor.start(this->sleeping(id), 1);
    ASSERT_FALSE(refused) << id;
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(refused.error().message.find("id"), std::string::npos);
  }
}

TYPED_TEST(ExecutorConformance, TheLogIsReadByOffsetFromStartAndEnd) {
  auto& executor = *this->world_.executor;
  ASSERT_TRUE(executor.start(this->world_.printing("a-0", "hello mill"), 1));
  this->world_.printed("a-0", "hello mill");
  ASSERT_EQ(this->log_when("a-0", 10)->text, "hello mill");
  const auto middle = executor.log("a-0", 6, 2);
  EXPECT_EQ(middle->text, "mi");
  EXPECT_EQ(middle->next, 8);
  const auto tail = executor.log("a-0", -4, 100);
  EXPECT_EQ(tail->text, "mill");
  EXPECT_EQ(tail->from, 6);
  EXPECT_EQ(executor.log("a-0", -400, 5)->text, "hello");
  const auto past = executor.log("a-0", 400, 5);
  EXPECT_EQ(past->text, "");
  EXPECT_EQ(past->next, 10);
}

TYPED_TEST(ExecutorConformance, ALogIsNeverReadEmptyWhileItsWorkloadIsRemoved) {
  auto& executor = *this->world_.executor;
  for (int round = 0; round < 20; ++round) {
    ASSERT_TRUE(executor.start(this->world_.printing("a-0", "hello mill"), 1));
    this->world_.printed("a-0", "hello mill");
    ASSERT_EQ(this->log_when("a-0", 10)->text, "hello mill");
    ASSERT_TRUE(executor.stop("a-0", std::chrono::milliseconds(0)));
    this->world_.settle("a-0");
    std::vector<std::string> read;
    std::thread reader([&] {
      while (const auto piece = executor.log("a-0", 0, 100)) read.push_back(piece->text);
    });
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!executor.remove("a-0") && std::chrono::steady_clock::now() < deadline) executor.wait_event(kLook);
    reader.join();
    for (const std::string& text : read) ASSERT_EQ(text, "hello mill") << "round " << round;
  }
}

TYPED_TEST(ExecutorConformance, WaitEndsWhenAWorkloadEndsOrSomebodyWakes) {
  auto& executor = *this->world_.executor;
  ASSERT_TRUE(executor.start(this->sleeping("a-0"), 1));
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(executor.stop("a-0", milliseconds(5000)));
  executor.wait_event(milliseconds(20000));
  executor.wake();
  executor.wait_event(milliseconds(20000));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(15000));
}

TYPED_TEST(ExecutorConformance, WhatWasSeenToEndIsTakenOnce) {
  auto& executor = *this->world_.executor;
  ASSERT_TRUE(executor.start(this->sleeping("a-0"), 1));
  ASSERT_TRUE(executor.start(this->sleeping("b-0"), 1));
  EXPECT_TRUE(executor.take_ended().empty());
  ASSERT_TRUE(executor.stop("a-0", milliseconds(5000)));
  std::vector<std::string> ended;
  for (int i = 0; i < 500 && ended.empty(); ++i) {
    executor.wait_event(milliseconds(100));
    ended = executor.take_ended();
  }
  EXPECT_EQ(ended, std::vector<std::string>{"a-0"});
  EXPECT_TRUE(executor.take_ended().empty());
}

TYPED_TEST(ExecutorConformance, ACpuCapIsReportedWhereItHolds) {
  auto& executor = *this->world_.executor;
  WorkloadSpec spec = this->sleeping("a-0");
  spec.resources.cpu_millis = 700;
  ASSERT_TRUE(executor.start(spec, 1));
  const auto set = executor.set_cpu("a-0", 300);
  if (set) {
    EXPECT_EQ(executor.status("a-0")->limits.cpu_millis, 300);
    ASSERT_TRUE(executor.set_cpu("a-0", 0));
    EXPECT_EQ(executor.status("a-0")->limits.cpu_millis, 0);
  } else {
    EXPECT_EQ(set.error().code, ErrorCode::kUnavailable) << set.error().message;
    EXPECT_NE(executor.status("a-0")->limits.cpu_millis, 300);
  }
  EXPECT_EQ(executor.set_cpu("z-0", 300).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(executor.stop("a-0", milliseconds(5000)));
  this->world_.settle("a-0");
  EXPECT_TRUE(executor.set_cpu("a-0", 300)) << "capping what has ended is no error";
}

TYPED_TEST(ExecutorConformance, ImpossibleFieldsAreRefusedByName) {
  auto& executor = *this->world_.executor;
  const auto refused = [&](auto change) {
    WorkloadSpec spec = this->sleeping("a-0");
    change(spec);
    const auto started = executor.start(spec, 1);
    return started ? "it was started" : started.error().message;
  };
  EXPECT_THAT(refused([](WorkloadSpec& s) { s.workdir = "work"; }), testing::HasSubstr("workdir"));
  EXPECT_THAT(refused([](WorkloadSpec& s) { s.workdir = "/job/../etc"; }), testing::HasSubstr("workdir"));
  EXPECT_THAT(refused([](WorkloadSpec& s) { s.unpack_archive = "/a.tar"; }),
              testing::HasSubstr("unpack_archive"));
  EXPECT_THAT(refused([](WorkloadSpec& s) { s.stop_signal = 9; }), testing::HasSubstr("stop_signal"));
  EXPECT_THAT(refused([](WorkloadSpec& s) { s.disk_bytes = -1; }), testing::HasSubstr("disk_bytes"));
  EXPECT_THAT(refused([](WorkloadSpec& s) { s.secrets = {{"/usr/key", "x"}}; }),
              testing::HasSubstr("/usr/key"));
  EXPECT_THAT(refused([](WorkloadSpec& s) {
                s.mounts = {{"/tmp", "/job", true}};
                s.secrets = {{"/job/key", "x"}};
              }),
              testing::HasSubstr("/job/key"));
  EXPECT_THAT(refused([](WorkloadSpec& s) { s.forwards = {{80, "127.0.0.1:80"}}; }),
              testing::HasSubstr("forwards"));
  for (const char* to :
       {"", "localhost:80", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "relative.sock"}) {
    EXPECT_THAT(refused([&](WorkloadSpec& s) {
                  s.network = Network::kForwards;
                  s.forwards = {{80, to}};
                }),
                testing::HasSubstr("forward"))
        << to;
  }
}

}  // namespace
}  // namespace millrace::executor
