// WorkManager: brings what runs to what is wanted, one pass at a time, through ports. It owns the desired and observed
// state of work; the step and the scheduler below it decide.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "control/account_book.h"
#include "control/crowd.h"
#include "control/deferral.h"
#include "control/runs.h"
#include "control/settle.h"
#include "control/site_events.h"
#include "control/work.h"
#include "control/work_view.h"
#include "control/workload_step.h"
#include "store/store.h"
#include "store/usage_table.h"

namespace millrace::control {

struct WorkOptions {
  scheduler::Cluster cluster;                                  // node names are unique
  std::vector<SiteBudget> budgets;                             // of each site; missing: none
  std::vector<std::optional<std::int64_t>> node_budgets_mw{};  // of each node; missing: none
  std::string limits_kind = {}, limits_why = {};               // of this machine: as NodeStatus
  scheduler::Policies policies{};
  std::map<std::string, std::int32_t> priority_classes = {{"low", -100}, {"normal", 0}, {"high", 100}};
  WorkloadRules rules{};
  std::chrono::seconds start_again{5};  // after a start that failed for no fault of the work
};

/// What it works on, borrowed. Its functions are called from the thread of pass().
struct WorkPorts {
  store::Store& store;
  store::UsageTable& usage;
  Runs& runs;
  std::function<Result<std::vector<OwnerQuota>>()> owners;
  ChargeRun charge;
  /// What is known of carbon intensity (or price) at this time of the first site; none: nothing waits for it.
  std::function<std::optional<HourOutlook>(TimePoint)> outlook = nullptr;
  /// Told of each record that cannot be read. What it is about is left alone, and all other work goes on.
  std::function<void(const Error&)> report = nullptr;
};

/// pass() belongs to one thread; everything else is safe from any thread.
class WorkManager final : public WorkView {
 public:
  /// Reads the store and takes over what runs: work that runs is adopted, what is wanted and not over is queued, runs
  /// that no record knows are stopped.
  static Result<std::unique_ptr<WorkManager>> create(WorkOptions options, WorkPorts ports, TimePoint now);

  /// For create(): knows nothing yet.
  WorkManager(WorkOptions options, WorkPorts ports, WorkloadState state)
      : options_(std::move(options)), ports_(std::move(ports)), state_(std::move(state)) {}

  /// What a commit touched; to be told of every commit from before create() on. Cheap.
  void note_change(const store::Transaction& change);
  /// Everything is read and compared again in the next pass.
  void note_resync();

  struct Next {
    std::optional<TimePoint> wake;  // another pass is due then at the latest
    bool again = false;             // another pass is due at once
  };
  /// One look and what follows from it. A time a little before that of the last pass counts as that one; one further back
  /// is an error. An error means that nothing was decided or that it was not made durable; then the manager must be thrown
  /// away and created again: all further passes of this one fail.
  Result<Next> pass(TimePoint now);

  std::vector<ObservedWork> live() const override;
  Result<ObservedWork> find(WorkloadId id) const override;
  Result<ReplicaLog> work_log(WorkloadId id, std::uint32_t run, std::int32_t task, std::int64_t from,
                              std::size_t max) override;
  std::vector<NodeStatus> nodes() const override;
  std::vector<SitePower> power() const override;

 private:
  struct Entry {
    WantedWork wanted;
    ObservedWork observed;
    std::set<WorkloadId> waits_for;  // of `after`: not over yet
    scheduler::AccountIndex account = 0;
    std::optional<TimePoint> clean_start;  // while it waits for cleaner hours: when those are expected
    bool is_readable = true;               // false: `wanted` stands for a record that cannot be read
  };
  struct Inbox {
    std::map<std::string, std::string> wanted;  // key -> record, newest
    bool nodes = true, events = true, owners = true, resync = true;
  };
  struct Why {
    std::string code, text;
  };
  /// What a pass gathers before it is made durable and carried out.
  struct Turn {
    explicit Turn(TimePoint at) : now(at) {}
    const TimePoint now;
    std::vector<WorkloadEvent> events;
    std::vector<WorkloadAction> actions;
    std::set<WorkloadId> changed;
    std::vector<Entry> over;
    std::vector<store::UsageRecord> usage;
    std::vector<RunKey> forget;
    std::map<RunKey, RunEnd> ends;
    std::optional<TimePoint> wake;
    std::map<WorkloadId, Why> pauses;  // why the manager itself has work paused
    std::set<std::string> stale;       // keys of records that are worth nothing any more
  };

  // Taking over (work_manager_begin.cc)
  Result<void> load(TimePoint now);
  Result<std::map<WorkloadId, ObservedWork>> read_live();
  Result<void> read_past_use(Turn& turn);
  void restore(Entry& entry, Turn& turn);
  Result<void> meet_runs();
  bool is_known(RunKey key) const;
  void stop_orphan(RunKey key);
  void leave_alone(WorkloadId id, const std::string& key, const Error& error);
  void tell_unreadable(const std::string& key, const Error& error);

  // Reading (work_manager.cc)
  Result<Next> look(TimePoint at);
  void tell_again(bool looks_at_all, Turn& turn);
  Result<bool> read_inbox(Turn& turn);  // true: everything is to be looked at
  Result<void> take_record(const std::string& key, const std::string& value, Turn& turn);
  Result<void> take_wanted(WantedWork wanted, Turn& turn);
  WorkloadRecord record_of(Entry& entry, Turn& turn);
  Result<void> submit(Entry& entry, Turn& turn, bool is_restored);
  Result<bool> hold_for_others(Entry& entry);
  void drain(std::string_view node, Turn& turn);
  Result<void> read_node_wishes(Turn& turn);
  Result<void> read_site_events(Turn& turn);
  void tell_node_budgets(Turn& turn) const;
  Result<void> read_ends(const std::vector<RunStatus>& seen, Turn& turn);
  Result<void> take_end(Entry& entry, const std::vector<scheduler::TaskPlace>& places,
                        const RunStatus& status, Turn& turn);
  scheduler::Workload workload_of(const WantedWork& wanted, Turn& turn);

  // What may wait for clean hours (work_manager_defer.cc)
  std::optional<TimePoint> start_not_before(Entry& entry, TimePoint now);
  void ask_deferred(Turn& turn);
  void ask_running(Entry& entry, Turn& turn);
  void ask_next_hour(const Entry& entry, TimePoint now);
  bool know_outlook(TimePoint now);
  void count_crowd(TimePoint now);

  // Writing (work_manager_act.cc)
  void apply(Turn& turn);
  void apply(const StartRun& start, Turn& turn);
  void apply(const StopRun& stop, Turn& turn);
  void apply(const CapRun& cap, Turn& turn);
  void apply(const StoreReason& reason, Turn& turn);
  void apply(const Requeued& requeued, Turn& turn);
  void apply(const Settled& settled, Turn& turn);
  void apply(const WarnInfeasible& warning, Turn& turn);
  void apply(const WakeAt& wake, Turn& turn);
  void release_dependents(WorkloadId id, bool succeeded, Turn& turn);
  void tell(const Entry& entry, const scheduler::Reason& reason, ObservedWork& work) const;
  void set_reason(Entry& entry, const scheduler::Reason& reason);
  static void cannot_go(Entry& entry);
  Result<void> make_durable(const Turn& turn);
  void keep_past_use(const Turn& turn, store::Transaction& change);
  void carry_out(const Turn& turn);
  void take_start(const StartRun& run, const Result<void>& started, TimePoint now);

  std::vector<NamedPlace> named(const std::vector<scheduler::TaskPlace>& places) const;
  std::vector<scheduler::TaskPlace> indexed(const std::vector<NamedPlace>& places) const;
  Entry* find_entry(WorkloadId id);
  ObservedWork shown(const Entry& entry) const;
  std::optional<std::int64_t> budget_now_of(std::uint32_t site) const;

  const WorkOptions options_;
  const WorkPorts ports_;

  std::mutex inbox_mutex_;
  Inbox inbox_;  // guarded by inbox_mutex_

  // Changed by pass() alone, with mutex_ held; read by pass() without, by others with it.
  mutable std::mutex mutex_;
  WorkloadState state_;
  AccountBook accounts_;
  std::map<WorkloadId, Entry> entries_;
  std::optional<WorkloadId> highest_;  // of all that were ever seen
  std::map<std::string, NodeWish, std::less<>> wishes_;
  std::vector<SiteEvent> events_;
  std::map<std::uint32_t, scheduler::Infeasible> infeasible_;  // by site
  TimePoint last_pass_{};

  // Of pass() alone.
  bool is_spent_ = false;  // a pass failed
  Deferral deferral_;
  Crowd crowd_;
  std::optional<TimePoint> outlook_until_;
  bool has_outlook_ = false;
  std::map<WorkloadId, std::set<WorkloadId>> dependents_;   // of work that is not over
  std::set<std::pair<TimePoint, WorkloadId>> ask_again_;    // deferrable work that waits, or may pause
  std::map<scheduler::AccountIndex, TimePoint> past_kept_;  // as of when an account's past use is stored
  std::map<WorkloadId, std::string> unreadable_;            // work that is left alone: key of the record
  std::map<std::string, std::string> told_unreadable_;      // what was told of records, by key
  std::set<WorkloadId> unheard_caps_;                       // whose cap did not get through
  std::vector<StopRun> unheard_;                            // stops that did not get through
  std::vector<RunStatus> refused_;    // starts that failed, told as ends in the next pass
  std::vector<WorkloadEvent> early_;  // known since create, told in the first pass
};

}  // namespace millrace::control
