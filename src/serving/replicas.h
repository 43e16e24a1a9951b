// Replicas: what runs now, from the executor and the engines themselves; and the means to change it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.h"
#include "executor/executor.h"
#include "serving/engine_install.h"
#include "serving/probe.h"
#include "serving/read_ahead.h"
#include "serving/replica.h"

namespace millrace::serving {

/// Life of a replica. An ended one stays known until it is removed or started again.
enum class Phase : std::uint8_t { kStarting, kReady, kDraining, kStopping, kEnded };

struct Replica {
  ReplicaSpec spec = {};
  Phase phase = Phase::kStarting;
  MonotonicPoint since{};                           // of the phase
  std::optional<MonotonicPoint> silent_since = {};  // a ready engine that stopped answering its probe
  std::int64_t busy_slots = 0;                      // known while draining
  bool unwanted_stop = false;  // it is being stopped because it failed: its end counts as a failure
  std::vector<MonotonicPoint> failures = {};  // ends nobody asked for, oldest first, of the last ten minutes
  TimePoint retry_at{};  // when the last failure's back-off is over; zero in a crash loop
  std::int64_t restarts = 0;
  std::string reason = {};
  EngineProps props = {};
  executor::WorkloadStatus workload = {};
};

/// One thread at a time.
class Replicas {
 public:
  struct Options {
    EngineInstall engine;
    std::vector<int> cpus;
    std::int64_t fence = 0;
  };
  Replicas(Options options, executor::Executor& executor, Prober& prober, const Clock& clock)
      : options_(std::move(options)), executor_(executor), prober_(prober), clock_(clock) {}

  /// Reads the executor's list and probes the engines. What runs and was not known is adopted.
  Result<void> refresh();

  /// Asks those that are starting whether they are ready. True if one is now.
  bool probe_starting();
  /// In how long probe_starting() should be called; nullopt: none is starting. 2 ms at first, up to 50 ms for one that has
  /// been loading for long.
  std::optional<std::chrono::milliseconds> probe_due(MonotonicPoint now) const;

  /// Starts it, or starts it again after its end (failures are kept if the generation is the same). A start that fails
  /// leaves it ended with a failure counted. `threads` 0 in the spec is decided here from `replicas_in_all`.
  void start(const ReplicaSpec& spec, std::size_t replicas_in_all);
  void drain(const std::string& id);
  /// `why` is for people. `failed`: not our wish, so it counts towards the crash loop.
  void stop(const std::string& id, const std::string& why, bool failed);
  void remove(const std::string& id);

  const std::map<std::string, Replica>& all() const { return replicas_; }
  /// For the layers above, ordered by id.
  std::vector<ReplicaStatus> statuses() const;

 private:
  void observe(Replica& replica, const executor::WorkloadStatus& workload);
  void probe(Replica& replica);
  void become(Replica& replica, Phase phase);
  void note_end(Replica& replica);
  void note_failure(Replica& replica);
  ReplicaStatus status_of(const Replica& replica) const;

  const Options options_;
  executor::Executor& executor_;
  Prober& prober_;
  const Clock& clock_;
  std::map<std::string, Replica> replicas_;
  ReadAhead read_ahead_;
};

}  // namespace millrace::serving
