// Shape: what workloads that fit the same places have in common. Interned: equal shapes are one object.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "scheduler/accounts.h"
#include "scheduler/decision.h"
#include "scheduler/workload.h"

namespace millrace::scheduler {

struct Group;
struct Job;
struct Siblings;
using ClassIndex = std::uint32_t;

struct ShapeKey {
  Demand demand;
  std::int32_t tasks = 1;
  std::int32_t tasks_per_node = 0;
  std::vector<KindIndex> kinds;
  bool earlier_kinds_first = false;
  std::int64_t accelerator_memory_mib = 0;
  Together together = Together::kAnywhere;
  Spread spread = Spread::kNone;
  std::string siblings;
  std::vector<std::string> zones;
  std::vector<std::string> jurisdictions;
  bool attested = false;
  std::int32_t accelerator_draw_milli = 1000;
  std::int32_t cpu_draw_milli = 1000;

  auto tie() const {
    return std::tie(demand.cpu_milli, demand.memory_mib, demand.accelerators, demand.accelerator_milli, tasks,
                    tasks_per_node, kinds, earlier_kinds_first, accelerator_memory_mib, together, spread,
                    siblings, zones, jurisdictions, attested, accelerator_draw_milli, cpu_draw_milli);
  }
  bool operator<(const ShapeKey& other) const { return tie() < other.tie(); }
};

/// Where all tasks of a gang may run: on one site, and on accelerators of one kind.
struct Part {
  std::vector<ClassIndex> classes;
  std::vector<DomainIndex> domains;  // with nodes of these classes, where the work prefers or needs one
  std::int64_t rank = 0;             // where the order of the kinds is a preference: its kind's
};

using Parts = std::vector<const Part*>;

struct Shape {
  ShapeKey key;
  std::uint32_t number = 0;         // unique for the life of a scheduler
  std::vector<ClassIndex> classes;  // of nodes that meet its constraints
  std::vector<Part> parts;          // a gang runs in one of these; of one task there is one part
  std::vector<Parts> levels;        // the same: those of equal rank together, the preferred first
  Amount request;                   // of all tasks
  std::int64_t holds_most = 0;      // tasks that those nodes could hold if they were empty
  Siblings* siblings = nullptr;     // that it is kept apart from
  std::size_t users = 0;            // workloads of this shape, pending or running
  std::vector<Group*> groups;       // with pending work of this shape
  bool power_blocked = false;       // the last try found places, but no power

  // The last try that failed, so that the same need not be tried again in the same walk.
  std::uint64_t failed_walk = 0;
  std::int64_t failed_limit_s = 0;  // it and every longer one fails
  Reason failure;
  std::uint64_t uncappable_walk = 0;  // nor with work capped of lower classes than this
  std::int64_t uncappable_limit_s = 0;
  std::pair<bool, std::int32_t> uncappable_precedence;
  std::uint64_t candidate_walk = 0;    // what was gained before it may fit
  std::uint64_t unplannable_walk = 0;  // no promise could be planned for this limit or a longer one
  std::int64_t unplannable_limit_s = 0;
  std::uint64_t roomless_walk = 0;  // no room even without the promises that it was tried without
  std::int64_t roomless_limit_s = 0;
  std::vector<Job*> roomless_without;
};

ShapeKey shape_key_of(const Workload& workload);
Amount request_of(const ShapeKey& key);
/// Its place in the order of kinds where that is a preference, else 0; of work without accelerators 0. Precondition: it is one
/// of the kinds.
std::int64_t rank_of(const ShapeKey& key, KindIndex kind);

/// How many tasks fit a node in that state; at most key.tasks, and at most key.tasks_per_node where that is not 0.
std::int32_t tasks_that_fit(const NodeState& node, const ShapeKey& key);

}  // namespace millrace::scheduler
