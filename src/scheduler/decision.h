// Decision: what a pass decided, and why, in words that a person understands.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/power.h"
#include "scheduler/workload.h"

namespace millrace::scheduler {

enum class ReasonCode : std::uint8_t {
  kNone,
  kNotBefore,  // it asked, or clean hours were chosen, to wait until `at`
  kNeverFits,  // no set of nodes could run it even if they were empty; of `resource` (of a node, or tasks) `free` is most;
               // "nodes": none meets its constraints, `subject`: which, in words
  kCapacity,  // not enough free: needs `needed` of `resource`, `free` are free for it; `subject`: where, in words
  kDomain,  // as kCapacity, in one domain; `free` is that of the best domain
  kSpread,  // needs `needed` racks (or rails), `free` have room; `subject`: the siblings it is kept apart from
  kPromised,    // would fit, but what is free is promised at `at` to `other`
  kQuota,       // `subject` is an account: its quota lacks `needed` of `resource`, `free` is left
  kQuotaKept,   // what is left of the quota of `subject` is kept for `other`, which goes first
  kPower,       // `subject` is a scope: needs `needed` mW, `free` mW are left (now, or from `at` on)
  kPreempting,  // waits for work that was told to stop, until `at`
  // Of preempt and cap:
  kPriority,      // stopped for `other`, of a higher priority class in the same account
  kReclaim,       // stopped for `other`, whose account takes back what this one borrowed
  kBudgetFall,    // the budget of `subject` is `free` mW from `at` on
  kBudgetRoom,    // the budget of `subject` has room again: the cap is lifted
  kBudgetStart,   // capped so that it fits the budget of `subject`
  kBudgetShared,  // capped so that `other` may run within the budget of `subject`
  kNodeDown,      // `subject` is the node
};

/// "capacity", "quota_kept": for logs and metrics.
const char* name_of(ReasonCode code);

/// "2026-11-22 14:20", or "2026-11-22 14:20:05" (UTC), as reasons tell times.
std::string minute_of(TimePoint time);

struct Reason {
  ReasonCode code = ReasonCode::kNone;
  std::int64_t needed = 0;
  std::int64_t free = 0;
  std::optional<TimePoint> at;      // when this is expected to end, where known
  std::optional<WorkloadId> other;  // the workload that `at` or the hold comes from
  std::string subject;              // name of the account, scope or node meant
  std::string where;                // of kSpread: in words, where all of them must be
  std::optional<Scope> scope;       // of kPower: the same
  std::int64_t closed =
      0;  // of kCapacity, kDomain, kSpread: nodes that could serve it, but take nothing new now
  std::string resource;  // "accelerators", "cores", "MiB of memory", "tasks", "nodes", "racks", "rails", "W"

  /// "needs 64 accelerators in one domain; 48 are free, next at 2026-11-22 14:20 when 17 ends".
  /// `called`: what people put before the number of work, as "job-".
  std::string text(std::string_view called = {}) const;
};

struct Start {
  WorkloadId id = 0;
  std::vector<TaskPlace> places;  // one for each task
  std::int32_t cap_milli = 1000;  // of the dynamic range of its accelerators
  Reason reason;                  // kNone, or why it is capped
};

/// Stays pending. In a plan only when the code, or the scope whose power it lacks, differs from the one before.
struct Hold {
  WorkloadId id = 0;
  Reason reason;
};

/// Tell it to stop, and stop it after `grace`. Its capacity and draw stay taken until Scheduler::ended.
struct Preempt {
  WorkloadId id = 0;
  std::chrono::microseconds grace{};
  Reason reason;
};

/// Cap the accelerators of a running workload, at once. 1000 is no cap.
struct Cap {
  WorkloadId id = 0;
  std::int32_t cap_milli = 1000;
  Reason reason;
};

/// A budget below what the nodes draw when nothing runs: no schedule can keep it. It could be kept without `nodes` (those that
/// run nothing first). Nothing here switches them off: the idle draw of a node counts as long as the cluster has it.
struct Infeasible {
  Scope scope;
  TimePoint from{};
  std::int64_t budget_mw = 0;
  std::int64_t idle_mw = 0;
  std::vector<NodeIndex> nodes;
};

struct Plan {
  std::vector<Preempt> preempts;
  std::vector<Cap> caps;
  std::vector<Start> starts;
  std::vector<Hold> holds;
  std::vector<Infeasible> infeasible;  // in a plan only when it is new
  /// Call pass again then at the latest, even if nothing happens (a budget falls, a wait ends, a replan is due).
  std::optional<TimePoint> wake;
};

}  // namespace millrace::scheduler
