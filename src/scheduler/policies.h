// Policies: what an operator decides about how work is ordered and placed.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

namespace millrace::scheduler {

struct Policies {
  /// Blocked workloads that hold a promise at once; full passes give them, in order. More protects more large work, leaves
  /// less to backfill, and fixes the order of those that hold one: keep it well below what usually waits.
  std::int32_t reservations = 64;
  /// Of them, those that wait for other promised work to end, of one rank and those above: enough that the first in order
  /// are never passed. All that are promised keep their order, whatever becomes of shares meanwhile.
  std::int32_t reservations_behind = 4;
  /// A pass looks at all that is pending, and tries to bring promises forward, at most this often; passes in between
  /// look only at what an event may have changed. Zero: every pass.
  std::chrono::seconds replan_every{60};
  /// A promise is moved only if that brings it forward by more than this part of what is left of its wait: a promise on
  /// many nodes is costly to move, and its work starts in any case once all that it was promised is free.
  std::int32_t forward_min_pct = 10;
  /// Past use counts half after this.
  std::chrono::seconds half_life{7 * 24 * 3600};
  /// A workload that has waited so long goes before all others that have not, whatever class and share; of those that have,
  /// shares say whose turn it is, and of an account the first that came. nullopt: never.
  std::optional<std::chrono::seconds> starvation = std::chrono::seconds{3 * 24 * 3600};
  /// Work that one pass may start; where there is more the next goes on, at once, with all that is pending. 0: any.
  std::int32_t starts_per_pass = 0;
  bool preempt = true;
  /// Workloads that one pass may stop others for.
  std::int32_t preemptors_per_pass = 16;
  /// Never cap accelerators below this, in thousandths of their dynamic range.
  std::int32_t cap_floor_milli = 500;
  /// Start work under a cap if only that makes it fit a budget.
  bool start_capped = true;
  /// An announced fall of a budget is acted on as long before it as the longest grace of what draws there takes, and a
  /// moment (or at once, with less notice); but at most so long.
  std::chrono::seconds power_lead{300};
  /// Of each site, cheaper first among places of equal score, and before the score for work with a deadline, which may wait
  /// for that: price, carbon or both. Missing entries are 0.
  std::vector<std::int64_t> site_cost;
};

}  // namespace millrace::scheduler
