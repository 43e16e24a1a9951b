// FakeExecutor: workloads that exist in memory only, for tests, the twin and measurements with very many of them.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "executor/executor.h"

namespace millrace::executor {

/// What becomes of one workload.
struct FakeRun {
  std::optional<std::chrono::milliseconds> time =
      {};        // then it ends by itself; absent: it runs until it is told
  int code = 0;  // exit status; -1 with a signal
  int signal = 0;
  ExitCause cause = ExitCause::kItself;
  bool lost = false;                   // it ends as if its supervisor was killed
  bool obeys = true;                   // false: stop() ends it only after the grace
  std::int64_t cpu_millis = 1000;      // processor time it uses while it runs, thousandths of a core
  std::int64_t memory_peak_bytes = 0;  // of its exit record
  std::string log = {};
  std::optional<Error> refused = {};  // start() fails with this
};

/// A started workload runs as the script says (without one: until it is stopped or a test ends it), by the clock that
/// was passed in; the spec's time limit counts. Start, stop and end cost the logarithm of the number of workloads.
class FakeExecutor final : public Executor {
 public:
  using Script = std::function<FakeRun(const WorkloadSpec&)>;

  explicit FakeExecutor(const Clock& clock) : clock_(clock) {}

  Result<WorkloadStatus> start(const WorkloadSpec& spec, std::int64_t fence) override;
  Result<void> stop(const std::string& id, std::chrono::milliseconds grace) override;
  Result<void> set_cpu(const std::string& id, std::int64_t cpu_millis) override;
  Result<std::vector<WorkloadStatus>> list() override;
  Result<WorkloadStatus> status(const std::string& id) override;
  Result<LogPiece> log(const std::string& id, std::int64_t from, std::size_t max) override;
  Result<void> remove(const std::string& id) override;
  void wait_event(std::chrono::milliseconds timeout) override;
  void wake() override;
  std::vector<std::string> take_ended() override;

  /// Levers for tests.
  void set_script(Script script);  // asked at each start, under the lock: it must not call back
  void clock_moved();              // ends what is due by now, and wakes wait_event if something was
  void end(const std::string& id, int code);  // as if it exited by itself
  void lose(const std::string& id);           // as if its supervisor was killed
  void write_log(const std::string& id, const std::string& text);
  void set_silent(bool silent);                       // status() cannot say how what is there is doing
  void set_stubborn(bool stubborn);                   // stop() leaves workloads in kStopping, for ever
  std::int64_t starts() const;                        // how many were really started so far
  WorkloadSpec spec_of(const std::string& id) const;  // empty if unknown

 private:
  struct Workload {
    WorkloadSpec spec;
    WorkloadStatus status;
    FakeRun run;
    std::string log;
    MonotonicPoint since{};
    std::optional<MonotonicPoint> due;  // when `end` happens
    ExitRecord end;                     // but for times
  };
  using Due = std::set<std::pair<MonotonicPoint, std::string>>;

  Workload* find(const std::string& id);
  void end_at(Workload& workload, MonotonicPoint when, const ExitRecord& end);
  void begin_locked(Workload& workload);
  void advance_locked();
  void end_locked(Workload& workload, MonotonicPoint when, const ExitRecord& end);

  const Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Workload> workloads_;  // everything below is guarded by mutex_
  Due due_;
  std::vector<std::string> ended_;
  Script script_;
  std::int64_t fence_ = 0, starts_ = 0;
  int next_pid_ = 1000000;
  bool woken_ = false, stubborn_ = false, silent_ = false;
};

}  // namespace millrace::executor
