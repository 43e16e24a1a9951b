// WorkLoop: the thread that has the manager of work look when something happened, and at the latest every half minute.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "control/work_manager.h"
#include "core/clock.h"

namespace millrace::control {

struct WorkLoopOptions {
  WorkOptions work;
  std::chrono::milliseconds resync{30'000};
  std::chrono::milliseconds after_failure{1'000};
};

/// Everything passed in must outlive the loop.
class WorkLoop final : public WorkView {
 public:
  /// Called from the loop's thread: what failed, before it is tried again; and which records cannot be read.
  using Report = std::function<void(const Error&)>;

  /// Takes over what runs and decides once, so that the view is true on return; then goes on by itself.
  static Result<std::unique_ptr<WorkLoop>> start(WorkLoopOptions options, WorkPorts ports, const Clock& clock,
                                                 Report report);
  /// For start().
  WorkLoop(WorkLoopOptions options, WorkPorts ports, const Clock& clock, Report report)
      : options_(std::move(options)), ports_(std::move(ports)), clock_(clock), report_(std::move(report)) {}
  ~WorkLoop() override { stop(); }

  /// Ends the thread; what runs goes on. Idempotent.
  void stop();

  std::vector<ObservedWork> live() const override { return manager()->live(); }
  Result<ObservedWork> find(WorkloadId id) const override { return manager()->find(id); }
  Result<ReplicaLog> work_log(WorkloadId id, std::uint32_t run, std::int32_t task, std::int64_t from,
                              std::size_t max) override {
    return manager()->work_log(id, run, task, from, max);
  }
  std::vector<NodeStatus> nodes() const override { return manager()->nodes(); }
  std::vector<SitePower> power() const override { return manager()->power(); }

 private:
  /// Outlives the loop: the store keeps its listeners for good.
  struct Signal {
    std::mutex mutex;
    WorkLoop* loop = nullptr;  // guarded by mutex; null once the loop is gone
  };

  void note(const store::Transaction& change);
  void run();
  std::chrono::milliseconds look();
  Result<void> renew();
  std::shared_ptr<WorkManager> manager() const {
    const std::lock_guard lock(manager_mutex_);
    return manager_;
  }

  const WorkLoopOptions options_;
  const WorkPorts ports_;
  const Clock& clock_;
  const Report report_;
  const std::shared_ptr<Signal> signal_ = std::make_shared<Signal>();
  mutable std::mutex manager_mutex_;
  std::shared_ptr<WorkManager> manager_;  // guarded by manager_mutex_; replaced by the thread
  std::atomic<bool> ending_ = false, noted_ = false;
  MonotonicPoint resynced_{};  // of the thread
  std::thread thread_;
};

}  // namespace millrace::control
