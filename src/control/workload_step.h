// Workload step: what happened to workloads and to the site in, what to do out. Pure: no clock, no I/O. The caller gives
// the time, carries the actions out, and tells how that went with further events; the server does so with executors,
// the twin with a virtual clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "core/clock.h"
#include "core/result.h"
#include "scheduler/scheduler.h"

namespace millrace::control {

using scheduler::WorkloadId;

enum class WorkloadPhase : std::uint8_t {
  kQueued,    // waits for the scheduler
  kStarting,  // was told to start, not yet confirmed
  kRunning,
  kPausing,   // was told to stop; goes back to the queue when that is confirmed
  kStopping,  // was told to stop; ends when that is confirmed
};
/// "queued", "starting", ...
const char* name_of(WorkloadPhase phase);

enum class Exit : std::uint8_t {
  kDone,       // its work is done
  kFailed,     // its own fault
  kTimedOut,   // ran for as long as it may
  kStopped,    // as it was told
  kLost,       // its node or its supervisor is gone; not its fault
  kCancelled,  // by its owner, before or after it ran
  kRefused,    // the scheduler cannot take it as it is described
};
const char* name_of(Exit exit);

/// One life of a workload. Runs are numbered from 1; 0 is none yet. The pair (id, run) names a run for good.
struct WorkloadRecord {
  scheduler::Workload workload;
  WorkloadPhase phase = WorkloadPhase::kQueued;
  std::uint32_t run = 0;
  std::uint32_t failures = 0;                // runs that ended kFailed
  std::uint32_t retries = 0;                 // so many of them are followed by another run
  bool requeue = true;                       // a run that was stopped or lost is followed by another
  std::vector<scheduler::TaskPlace> places;  // while it is not queued
  /// False: the scheduler cannot hold all of its places. It is told to stop, and nothing starts on its nodes until it ended.
  bool is_placed = true;
  std::int32_t cap_milli = 1000;
  std::optional<std::chrono::microseconds>
      stop_grace;            // while pausing or stopping: the shortest that was told
  scheduler::Reason reason;  // why it waits, is capped or was told to stop; the latest
};

// Events. Ids rise in the order in which workloads are submitted: an id that is not above all before it is a repetition.

struct Submitted {
  scheduler::Workload workload;
  std::optional<std::uint32_t> retries = {};  // nullopt: as the rules say
  bool requeue = true;
};
/// Takes over a workload as it was when its record was last stored, before anything is submitted; in any order. If its
/// places are not there or not free any more (the nodes are others now; kNoIndex is one that is gone), its run is told to
/// stop, and it waits again once that has ended.
struct Restored {
  WorkloadRecord record;
  TimePoint started{};  // of its run
};
struct Cancelled {
  WorkloadId id = 0;
};
/// The run's programs are up.
struct Started {
  WorkloadId id = 0;
  std::uint32_t run = 0;
};
/// The run is gone, whatever the reason: it holds and draws nothing any more.
struct Ended {
  WorkloadId id = 0;
  std::uint32_t run = 0;
  Exit exit = Exit::kDone;
  std::optional<std::chrono::seconds> left;  // of its limit, if it is to run again; nullopt: as before
};
struct NodeHealth {
  scheduler::NodeIndex node = 0;
  scheduler::Health health = scheduler::Health::kReady;
};
struct QuotaChanged {
  scheduler::AccountIndex account = 0;
  scheduler::Quota quota;
  std::optional<std::int32_t> weight_milli = {};  // nullopt: as before
};
struct AccountAdded {
  scheduler::AccountIndex index = 0;  // that it gets; one that is taken is a repetition
  scheduler::Account account;
};
/// What an account used before this state was made; to be told before what runs is restored.
struct PastUseKnown {
  scheduler::AccountIndex account = 0;
  scheduler::PastUse past;
};
/// Deferrable work may go from `not_before` on.
struct Deferred {
  WorkloadId id = 0;
  std::optional<TimePoint> not_before;
};
/// Work that can be paused without loss should wait: it is told to stop and goes back to the queue.
struct Paused {
  WorkloadId id = 0;
  std::uint32_t run = 0;
  TimePoint until{};
  std::optional<std::chrono::microseconds> grace = {};  // nullopt: as the rules say
};
/// What a site's hour costs from now on, of each site: scheduler::Policies::site_cost.
struct SitesCost {
  std::vector<std::int64_t> cost;
};
/// Time has passed.
struct Tick {};

using WorkloadEvent =
    std::variant<Tick, Submitted, Restored, Cancelled, Started, Ended, NodeHealth, scheduler::BudgetChange,
                 QuotaChanged, AccountAdded, PastUseKnown, Deferred, Paused, SitesCost>;

// Actions. Each names the run it is meant for, so that carrying one out twice, or late, changes nothing.

/// Start `run` at these places; answer Started or Ended.
struct StartRun {
  WorkloadId id = 0;
  std::uint32_t run = 0;
  std::vector<scheduler::TaskPlace> places;  // one for each task
  std::int32_t cap_milli = 1000;             // of the dynamic range of its accelerators
  scheduler::Reason reason;
};
/// Tell it to stop, stop it after `grace`, answer Ended. A second one for the same run only shortens the grace.
struct StopRun {
  WorkloadId id = 0;
  std::uint32_t run = 0;
  std::chrono::microseconds grace{};
  bool again = false;  // it goes back to the queue
  scheduler::Reason reason;
};
struct CapRun {
  WorkloadId id = 0;
  std::uint32_t run = 0;
  std::int32_t cap_milli = 1000;
  scheduler::Reason reason;
};
/// Why it waits has changed: to be stored.
struct StoreReason {
  WorkloadId id = 0;
  scheduler::Reason reason;
};
/// It waits again, after a run.
struct Requeued {
  WorkloadId id = 0;
  std::uint32_t run = 0;
  Exit exit = Exit::kStopped;
};
/// Its life is over; it is known no more.
struct Settled {
  WorkloadId id = 0;
  std::uint32_t run = 0;  // its last; 0 if it never ran
  Exit exit = Exit::kDone;
  std::string why;  // kRefused: for its owner
};
/// A budget that no schedule can keep, with the nodes to power off.
using WarnInfeasible = scheduler::Infeasible;
/// Give a Tick then, if nothing happens before. Replaces the one before; at most one in a step, and last.
struct WakeAt {
  TimePoint at{};
};

using WorkloadAction =
    std::variant<StartRun, StopRun, CapRun, StoreReason, Requeued, Settled, WarnInfeasible, WakeAt>;

struct WorkloadRules {
  /// A workload whose own fault ended a run is started so often again.
  std::uint32_t retries = 0;
  /// Between being told to pause and being stopped, where the event does not say.
  std::chrono::seconds pause_grace{60};
};

/// Everything that is known of workloads that are not over. Movable; one thread at a time.
class WorkloadState {
 public:
  /// As Scheduler::create.
  static Result<WorkloadState> create(scheduler::Cluster cluster, scheduler::Accounts accounts,
                                      scheduler::Policies policies,
                                      std::unique_ptr<scheduler::PlacementPolicy> policy = nullptr,
                                      WorkloadRules rules = {});

  /// nullptr if it was never submitted, or is over. Valid until the next step.
  const WorkloadRecord* find(WorkloadId id) const;
  /// nullptr unless `run` is its present run and not over. Valid until the next step.
  const WorkloadRecord* find_run(WorkloadId id, std::uint32_t run) const;
  std::size_t size() const { return records_.size(); }
  const scheduler::Scheduler& scheduler() const { return scheduler_; }

 private:
  friend class WorkloadStepper;
  friend std::vector<WorkloadAction> outstanding(const WorkloadState& state);
  WorkloadState(scheduler::Scheduler scheduler, WorkloadRules rules)
      : scheduler_(std::move(scheduler)), rules_(rules) {}

  scheduler::Scheduler scheduler_;
  WorkloadRules rules_;
  std::unordered_map<WorkloadId, WorkloadRecord> records_;  // iterated only to be sorted
  std::optional<WorkloadId> highest_id_;
  std::vector<scheduler::Health> health_;         // by node, as last told
  std::map<scheduler::NodeIndex, int> unplaced_;  // tasks on it of runs that are not placed; none: no entry
  scheduler::AccountIndex accounts_ = 0;
};

/// Applies all events, then lets the scheduler decide once. Actions are appended in the order in which they should be
/// carried out: what makes room before what takes it. An event that repeats what is known, or is meant for a run that is
/// over, changes nothing. kInvalidArgument, with all other events applied, if an event names a scope or account that does
/// not exist; a caller that made its own world sees a fault in that.
Result<void> step(WorkloadState& state, std::span<const WorkloadEvent> events, TimePoint now,
                  std::vector<WorkloadAction>& actions);

/// The actions that bring an executor that lost some (a crash between step and their being carried out) to what the state
/// wants: ordered by id, and the caps of starts, which may have got through before another cap, last.
std::vector<WorkloadAction> outstanding(const WorkloadState& state);

}  // namespace millrace::control
