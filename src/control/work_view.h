// WorkView: what the layers above see of work, nodes and power: they may not know scheduler or executor.
#pragma once

#include <string>
#include <vector>

#include "control/node_wish.h"
#include "control/replica_status.h"
#include "control/work.h"

namespace millrace::control {

struct AcceleratorStatus {
  std::string id, kind;
  std::int32_t used_milli = 0;
};

struct NodeStatus {
  std::string name, site, zone, rack, rail, domain, kind;
  std::string health;  // "ready", "cordoned", "draining", "down"
  std::vector<AcceleratorStatus> accelerators;
  std::int64_t cpu_milli = 0, cpu_used_milli = 0, memory_mib = 0, memory_used_mib = 0;
  std::int64_t idle_mw = 0, draw_mw = 0;  // draw: predicted
  std::optional<std::int64_t> budget_mw;
  std::string limits_kind,
      limits_why;  // what holds its work to its limits: "cgroup-v2", "cgroup-v1", "rlimits" and why
  std::vector<std::string> work;  // names of what runs there
};

struct SitePower {
  std::string site, zone;
  std::int64_t draw_mw = 0;               // predicted, with PUE
  std::optional<std::int64_t> budget_mw;  // in force now
  std::optional<TimePoint> budget_until;  // an event is on until then
  bool infeasible = false;                // below idle draw
  std::vector<std::string> nodes_to_switch_off;
};

/// Record "site-event/<id>": {"site":"local","from":RFC3339,"until":RFC3339,"budget_mw":N} or "budget_milli": thousandths
/// of the site's configured budget (of its greatest draw where none is configured). Written by platform; over at `until`.
inline constexpr std::string_view kSiteEventPrefix = "site-event/";

/// Every method is safe from any thread.
class WorkView {
 public:
  virtual ~WorkView() = default;
  /// Everything that is not over, ordered by id. A copy.
  virtual std::vector<ObservedWork> live() const = 0;
  /// Live or over, with what the present run has used so far. kNotFound: control has not seen it (yet).
  virtual Result<ObservedWork> find(WorkloadId id) const = 0;
  /// A task's output in one of its runs; `run` 0: the last. `from` below 0 counts from the end. kNotFound: it never ran, or is
  /// long over.
  virtual Result<ReplicaLog> work_log(WorkloadId id, std::uint32_t run, std::int32_t task, std::int64_t from,
                                      std::size_t max) = 0;
  virtual std::vector<NodeStatus> nodes() const = 0;
  virtual std::vector<SitePower> power() const = 0;
};

}  // namespace millrace::control
