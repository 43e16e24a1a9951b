// FakeExecutor: workloads that exist in memory only, for tests and the twin.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>

#include "executor/executor.h"

namespace millrace::executor {

/// A started workload runs until it is stopped (it obeys at once unless `set_stubborn`) or a test ends it.
class FakeExecutor final : public Executor {
 public:
  explicit FakeExecutor(const Clock& clock) : clock_(clock) {}

  Result<WorkloadStatus> start(const WorkloadSpec& spec, std::int64_t fence) override;
  Result<void> stop(const std::string& id, std::chrono::milliseconds grace) override;
  Result<std::vector<WorkloadStatus>> list() override;
  Result<WorkloadStatus> status(const std::string& id) override;
  Result<LogPiece> log(const std::string& id, std::int64_t from, std::size_t max) override;
  Result<void> remove(const std::string& id) override;
  void wait_event(std::chrono::milliseconds timeout) override;
  void wake() override;

  /// Levers for tests.
  void end(const std::string& id, int code);  // as if it exited by itself
  void lose(const std::string& id);           // as if its supervisor was killed
  void write_log(const std::string& id, const std::string& text);
  void set_stubborn(bool stubborn);                   // stop() leaves workloads in kStopping
  std::int64_t starts() const;                        // how many were really started so far
  WorkloadSpec spec_of(const std::string& id) const;  // empty if unknown

 private:
  struct Workload {
    WorkloadSpec spec;
    WorkloadStatus status;
    std::string log;
  };
  void end_locked(Workload& workload, int code, int signal, bool asked);

  const Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Workload> workloads_;  // everything below is guarded by mutex_
  std::int64_t fence_ = 0, starts_ = 0;
  int next_pid_ = 1000000;
  bool woken_ = false, stubborn_ = false;
};

}  // namespace millrace::executor
