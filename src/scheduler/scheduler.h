// Scheduler: facts in, decisions out. No clock, no I/O; the same facts in the same order give the same plans.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/result.h"
#include "scheduler/accounts.h"
#include "scheduler/cluster.h"
#include "scheduler/decision.h"
#include "scheduler/placement.h"
#include "scheduler/policies.h"
#include "scheduler/power.h"
#include "scheduler/workload.h"

namespace millrace::scheduler {

class State;

/// What a scheduler has counted since it was built; for tests and metrics.
struct Counters {
  std::uint64_t passes = 0;
  std::uint64_t full_passes = 0;  // that looked at all that is pending
  std::uint64_t tries = 0;        // workloads that were tried to be placed
  std::uint64_t steps = 0;        // nodes, groups and index entries looked at or changed
};

/// Totals of what runs now, for metrics.
struct Usage {
  Amount used;
  std::int64_t draw_mw = 0;  // predicted, idle included, PUE not
  std::size_t running = 0;
  std::size_t pending = 0;
};

/// Of all nodes, ready or not.
Amount capacity_of(const Cluster& cluster);

/// Facts are cheap (logarithmic in nodes and workloads for each task touched; of the first workload of a shape, linear in nodes); decisions are made by pass alone. `now` must
/// never go back. Not thread-safe. Movable.
class Scheduler {
 public:
  /// `policy` chooses among nodes (nullptr: the tightest fit); it is told what to expect by what has come. Nodes of equal state
  /// are asked about once, and of sizes held nothing is known. kInvalidArgument: an index, amount, name or tree that is
  /// wrong, and which.
  static Result<Scheduler> create(Cluster cluster, Accounts accounts, Policies policies,
                                  std::unique_ptr<PlacementPolicy> policy = nullptr);
  Scheduler(Scheduler&&) noexcept;
  Scheduler& operator=(Scheduler&&) noexcept;
  ~Scheduler();

  /// Takes over work that runs already. kConflict: the id is known, or a place is not free.
  Result<void> adopt(const Running& running);

  /// kInvalidArgument: no such account, or a demand that makes no sense; kConflict: the id is known.
  Result<void> submit(const Workload& workload, TimePoint now);
  /// Withdraws pending work. kNotFound: it is not pending (running work is stopped by its executor, then `ended`).
  Result<void> cancel(WorkloadId id, TimePoint now);
  /// Running work was told to stop by others than this scheduler (its owner, who drains its node), and is gone by then at the
  /// latest. kNotFound: does not run.
  Result<void> stopping(WorkloadId id, TimePoint by);
  /// The executor confirms that running work is gone; only now its capacity and draw are free. kNotFound: does not run.
  Result<void> ended(WorkloadId id, TimePoint now);
  /// Changes when pending work may start at the earliest. kNotFound: it is not pending.
  Result<void> set_not_before(WorkloadId id, std::optional<TimePoint> not_before, TimePoint now);
  /// kDown: work there (whole gangs) is told to stop in the next pass; the executor confirms with `ended`.
  void set_health(NodeIndex node, Health health, TimePoint now);
  /// A budget from change.from on; see BudgetChange. kInvalidArgument: no such scope.
  Result<void> set_budget(const BudgetChange& change, TimePoint now);
  Result<void> set_quota(AccountIndex account, const Quota& quota);
  /// Its share among its siblings. kInvalidArgument: no such account, or not above 0.
  Result<void> set_weight(AccountIndex account, std::int32_t weight_milli);
  /// Its parent must exist. The index it gets is the number of accounts before.
  Result<void> add_account(const Account& account);
  /// What an account used in the past, as of the last change of what it holds; of one that exists.
  PastUse past_use(AccountIndex account) const;
  /// Takes over what a scheduler before this one knew: before `adopt`, since it covers what runs now up to its `as_of`.
  /// kInvalidArgument: no such account.
  Result<void> set_past_use(AccountIndex account, const PastUse& past);
  /// As Policies::site_cost, which changes with the hour.
  void set_site_cost(std::vector<std::int64_t> cost);

  /// Decides, and applies its own starts, stops and caps: the caller carries them out.
  Plan pass(TimePoint now);
  /// The same, and looks at everything that is pending, whatever the policy's interval.
  Plan full_pass(TimePoint now);

  /// Why it is pending, with the numbers as they are, at the time of the last pass; nullopt if it is not pending. What only
  /// stopping others can change is told as when it was looked at last.
  std::optional<Reason> why(WorkloadId id) const;
  /// When it is promised to start; nullopt if nothing is promised to it.
  std::optional<TimePoint> expected_start(WorkloadId id) const;
  Usage usage() const;
  /// Predicted draw of a scope as its budget counts it (idle included; of a site, with PUE), in milliwatts.
  std::int64_t draw_mw(Scope scope) const;
  /// The budget in force at `at`, as far as known; nullopt: none.
  std::optional<std::int64_t> budget_mw(Scope scope, TimePoint at) const;
  const NodeState& node_state(NodeIndex node) const;
  Counters counters() const;

 private:
  explicit Scheduler(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Everything a decision needs, as values.
struct Snapshot {
  Cluster cluster;
  Accounts accounts;
  Policies policies;
  std::vector<BudgetChange> budgets;
  std::vector<Running> running;
  std::vector<Workload> queue;
};

/// A scheduler built from a snapshot, and its first (full) pass.
Result<Plan> decide(const Snapshot& snapshot, TimePoint now);

}  // namespace millrace::scheduler
