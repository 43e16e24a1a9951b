// Power: budgets of nodes, racks, feeds and sites, and what work is predicted to draw.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "scheduler/workload.h"

namespace millrace::scheduler {

enum class ScopeKind : std::uint8_t { kNode, kRack, kFeed, kSite };

/// What a budget is of. The draw of a site is that of its nodes times its PUE; of the others, that of the nodes alone.
struct Scope {
  ScopeKind kind = ScopeKind::kSite;
  std::uint32_t index = 0;  // into the vector of Cluster
  bool operator==(const Scope&) const = default;
};

/// From `from` on the draw of `scope` may be at most `milliwatts` (nullopt: any). `from` later than now announces a change:
/// it is the deadline. One that is in force already, or comes without notice, has `from` = now.
/// Several changes of a scope may be known at once; a change takes the place of one with the same scope and `from`.
struct BudgetChange {
  Scope scope;
  TimePoint from{};
  std::optional<std::int64_t> milliwatts;
};

/// Draw of one task above idle, in milliwatts, on a node of `cluster`, when its accelerators are capped at `cap_milli`
/// thousandths of their dynamic range. Where a kind's power is unknown its accelerators count 0 (and so say reports).
std::int64_t predicted_draw_mw(const Cluster& cluster, NodeIndex node, const Workload& workload,
                               std::int32_t cap_milli);

/// Draw of a node, idle included, with all of it in use at full load: no work predicts more.
std::int64_t full_load_mw(const Cluster& cluster, NodeIndex node);

}  // namespace millrace::scheduler
