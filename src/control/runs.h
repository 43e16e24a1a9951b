// Runs: the port through which control has work carried out, whatever runs it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "control/replica_status.h"
#include "control/work.h"
#include "control/workload_step.h"

namespace millrace::control {

/// Names a run for good.
struct RunKey {
  WorkloadId id = 0;
  std::uint32_t run = 0;
  auto operator<=>(const RunKey&) const = default;
};

/// What a run has come to.
struct RunEnd {
  Exit exit = Exit::kDone;       // kDone, kFailed, kTimedOut, kStopped (as it was told) or kLost
  std::string why;               // for people, where it did not simply exit
  std::optional<int> exit_code;  // 128 + signal where a signal ended it
  TimePoint started_at{}, ended_at{};
  std::int64_t cpu_us = 0;  // of all its tasks
  bool operator==(const RunEnd&) const = default;
};

struct RunStatus {
  RunKey key;
  bool is_running = false;  // all its programs are up, or were
  TimePoint started_at{};
  std::int64_t cpu_us = 0;    // so far
  std::optional<RunEnd> end;  // it is gone
};

/// A run to be started, borrowed.
struct Begin {
  const WantedWork* work = nullptr;
  const StartRun* run = nullptr;
  std::vector<NamedPlace> places;
};

/// Every operation may be repeated: one that was carried out before changes nothing. What runs outlives the caller.
class Runs {
 public:
  virtual ~Runs() = default;

  /// Starts it at these places (one for each task; `nodes` are their names). kInvalidArgument and kNotFound: it cannot be
  /// run as it is described, and the message is for its owner. Other errors: not now.
  virtual Result<void> start(const WantedWork& work, const StartRun& run,
                             const std::vector<NamedPlace>& places) = 0;
  /// Starts them, and answers in their order: one after the other, or at once where that is faster.
  virtual std::vector<Result<void>> start_all(std::span<const Begin> begins) {
    std::vector<Result<void>> results;
    for (const Begin& each : begins) results.push_back(start(*each.work, *each.run, each.places));
    return results;
  }
  /// As StopRun. Success if it is not there.
  virtual Result<void> stop(const WantedWork& work, const StopRun& run) = 0;
  virtual Result<void> cap(const WantedWork& work, const CapRun& run) = 0;

  /// Those that ended and were not forgotten.
  virtual Result<std::vector<RunStatus>> ended() = 0;
  /// All that were started and not forgotten, by this object or one before it.
  virtual Result<std::vector<RunStatus>> all() = 0;
  /// kNotFound: it was never started, or is forgotten.
  virtual Result<RunStatus> status(RunKey key) = 0;
  /// Output of one of its tasks, also after its end, and where possible after it was forgotten.
  virtual Result<ReplicaLog> log(RunKey key, std::int32_t task, std::int64_t from, std::size_t max) = 0;
  /// Its end is stored: what is kept for that alone may go.
  virtual void forget(RunKey key) = 0;

  /// Blocks until something ended, wake() was called or the time is up.
  virtual void wait_event(std::chrono::milliseconds timeout) = 0;
  virtual void wake() = 0;
};

}  // namespace millrace::control
