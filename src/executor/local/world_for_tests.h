// LocalWorld: a local executor in a folder of its own and one workload "w", for tests with real processes.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "executor/local/local_executor.h"
#include "host/file.h"

namespace millrace::executor {

using std::chrono::milliseconds;

class LocalWorld : public ::testing::Test {
 protected:
  LocalWorld() {
    char name[] = "/tmp/mr-sup-XXXXXX";
    folder_ = mkdtemp(name);
    executor_ = make();
  }
  ~LocalWorld() override {
    (void)executor_->stop("w", milliseconds(0));
    (void)wait_end();
    (void)host::remove_tree(folder_);
  }
  std::unique_ptr<LocalExecutor> make() const {
    return std::move(*LocalExecutor::create({.folder = folder_ + "/replicas",
                                             .runtime_dir = folder_ + "/run",
                                             .supervise_argv = {EXECUTOR_SUPERVISE}}));
  }
  static WorkloadSpec shell(const std::string& script) {
    return {.id = "w", .root = "/", .argv = {"sh", "-c", script}};
  }
  /// True once `condition` holds. What another process wrote or used announces itself to nobody: it is looked at again.
  template <typename Condition>
  static bool soon(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(15);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(milliseconds(10));
    }
    return true;
  }
  WorkloadStatus wait_end() {
    WorkloadStatus status;
    EXPECT_TRUE(soon([&] {
      const auto found = executor_->status("w");
      status = found.value_or(WorkloadStatus{});
      // A supervisor that was killed holds its lock for a moment after its socket is gone.
      if (!found) return found.error().code != ErrorCode::kUnavailable;
      return status.state == WorkloadState::kExited || status.state == WorkloadState::kLost;
    })) << "the workload did not end";
    return status;
  }
  WorkloadStatus wait_running() {
    WorkloadStatus status;
    EXPECT_TRUE(soon([&] {
      status = executor_->status("w").value_or(WorkloadStatus{});
      return status.engine_pid > 0;
    })) << "the workload did not run";
    return status;
  }
  std::string output() { return executor_->log("w", 0, 1 << 20).value_or(LogPiece{}).text; }
  /// What a script printed, run to its end.
  std::string run(const WorkloadSpec& spec) {
    const auto started = executor_->start(spec, 1);
    EXPECT_TRUE(started) << started.error().message;
    wait_end();
    return output();
  }
  std::string folder_;
  std::unique_ptr<LocalExecutor> executor_;
};

}  // namespace millrace::executor
