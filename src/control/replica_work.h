// ReplicaWork: replicas of endpoints as work like any other. To the loop of replicas it is what admits them; to the
// manager of work it is what runs them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "control/replica_admission.h"
#include "control/runs.h"
#include "control/work_view.h"
#include "core/clock.h"
#include "store/store.h"

namespace millrace::control {

/// Tenant of the platform's own work.
inline constexpr std::string_view kServicesTenant = "millrace";
inline constexpr std::string_view kServicesProject = "services";

struct ReplicaWorkOptions {
  /// A number for the next work. Any thread.
  std::function<Result<std::uint64_t>()> take_number;
  /// What a replica needs of a node. Any thread.
  std::function<scheduler::Demand(const serving::ReplicaSpec&)> demand;
  /// The replicas' loop should look again.
  std::function<void()> changed;
  /// The manager of work should look again.
  std::function<void()> wake;
  /// How much processor time a running replica may use, in thousandths of a core. Any thread.
  std::function<Result<void>(const std::string& replica, std::int64_t cpu_milli)> set_cpu;
};

/// A replica of an endpoint has one piece of work, of kind service, for as long as it is wished. Every method is safe
/// from any thread.
class ReplicaWork final : public ReplicaAdmission, public Runs {
 public:
  /// Reads what was wished before. Store and clock outlive it.
  static Result<std::unique_ptr<ReplicaWork>> create(ReplicaWorkOptions options, store::Store& store,
                                                     const Clock& clock);
  ReplicaWork(ReplicaWorkOptions options, store::Store& store, const Clock& clock)
      : options_(std::move(options)), store_(store), clock_(clock) {}

  std::set<std::string> admitted(const std::map<std::string, serving::ReplicaSpec>& wanted,
                                 const std::set<std::string>& running) override;
  std::string reason(const std::string& id) override;
  void ended(const std::string& id) override;
  /// Where reasons come from, once there is a manager. Null: none.
  void set_view(const WorkView* view);

  Result<void> start(const WantedWork& work, const StartRun& run,
                     const std::vector<NamedPlace>& places) override;
  Result<void> stop(const WantedWork& work, const StopRun& stop) override;
  Result<void> cap(const WantedWork& work, const CapRun& cap) override;
  Result<std::vector<RunStatus>> ended() override;
  Result<std::vector<RunStatus>> all() override;
  Result<RunStatus> status(RunKey key) override;
  Result<ReplicaLog> log(RunKey key, std::int32_t task, std::int64_t from, std::size_t max) override;
  void forget(RunKey key) override;
  void wait_event(std::chrono::milliseconds timeout) override;
  void wake() override { options_.wake(); }

 private:
  struct Wish {
    WantedWork work;
    std::optional<RunKey> run;  // the present one
    bool may_run = false;
    bool was_decided = false;  // the manager has started it once, or took the right back
  };
  Result<void> put(const WantedWork& work);
  void add(const serving::ReplicaSpec& spec);
  void withdraw(Wish& wish);
  Wish* find(WorkloadId id);

  const ReplicaWorkOptions options_;
  store::Store& store_;
  const Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, Wish> wishes_;  // by replica; guarded by mutex_
  std::map<RunKey, RunStatus> runs_;    // not forgotten; guarded by mutex_
  const WorkView* view_ = nullptr;      // guarded by mutex_
};

}  // namespace millrace::control
