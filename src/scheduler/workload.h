// Workload: what a tenant asks to run, as far as a decision needs it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "scheduler/cluster.h"
#include "scheduler/placement.h"

namespace millrace::scheduler {

using WorkloadId = std::uint64_t;
using AccountIndex = std::uint32_t;

/// How near to each other the tasks of a gang must be.
enum class Together : std::uint8_t {
  kAnywhere,
  kPreferDomain,  // in the smallest domain that has room now, else anywhere
  kOneDomain,     // in the smallest domain that has room, else it waits
};

/// What no two tasks may be in together. A node without a rack (or rail) is one of its own.
enum class Spread : std::uint8_t { kNone, kNode, kRack, kRail };
/// "none", "node", "rack", "rail", and back; nullopt for another text.
inline constexpr std::array<std::string_view, 4> kSpreadNames = {"none", "node", "rack", "rail"};
constexpr std::string_view name_of(Spread spread) { return kSpreadNames[static_cast<std::size_t>(spread)]; }
constexpr std::optional<Spread> parse_spread(std::string_view name) {
  for (std::size_t i = 0; i < kSpreadNames.size(); ++i) {
    if (kSpreadNames[i] == name) return static_cast<Spread>(i);
  }
  return std::nullopt;
}

/// A gang: all tasks start together or none does.
struct Workload {
  WorkloadId id = 0;
  AccountIndex account = 0;
  std::int32_t priority = 0;  // class; higher goes first
  std::int32_t nice = 0;      // within account and class; lower goes first
  TimePoint submitted{};

  Demand demand;  // of one task
  std::int32_t tasks = 1;
  std::int32_t tasks_per_node = 0;  // at most; 0 is no bound

  std::vector<KindIndex> kinds;      // any of these; empty is every kind
  bool earlier_kinds_first = false;  // their order is a preference, above the policy's score
  std::vector<std::int32_t>
      kind_speed_milli;  // of each of `kinds`, against the slowest, whose the limit is; empty: alike
  std::int64_t accelerator_memory_mib = 0;  // at least; a kind whose memory is unknown does not do
  Together together = Together::kAnywhere;
  Spread spread = Spread::kNone;
  std::string siblings;  // with spread: nor with tasks of other work of this name and spread; empty: of none
  std::vector<std::string> zones;          // any of these; empty is every zone
  std::vector<std::string> jurisdictions;  // any of these; empty is every jurisdiction
  bool attested = false;                   // only on attested nodes

  std::optional<std::chrono::seconds> limit;  // runs at most so long; nullopt: until stopped
  bool stretches =
      true;  // the limit is of work at full power: under a cap it runs longer; false: it is of time
  std::optional<TimePoint> not_before;  // waits until then, whatever is free
  std::optional<TimePoint> deadline;    // deferrable work; whoever sets not_before sees to it

  bool service = false;  // replicas behind an endpoint: shed last
  bool preemptible = false;
  std::chrono::seconds grace{30};  // between being told to stop and being stopped
  std::optional<std::chrono::seconds>
      checkpoint_every;  // what a stop loses is at most this; 0: nothing, if it has its grace; nullopt: everything

  bool power_stopped = false;  // its last run, by a budget that fell: it stops nothing else only to get power

  std::int32_t accelerator_draw_milli = 1000;  // predicted, of the dynamic range of each accelerator it holds
  std::int32_t cpu_draw_milli = 1000;          // predicted, of its share of Node::cpu_max_mw
};

/// Where one task runs. A gang has one of these for each task.
struct TaskPlace {
  NodeIndex node = 0;
  std::uint32_t devices = 0;  // bit mask
  bool operator==(const TaskPlace&) const = default;
};

/// Work that runs when a scheduler is built (a snapshot).
struct Running {
  Workload workload;
  TimePoint started{};
  std::vector<TaskPlace> places;
  std::int32_t cap_milli = 1000;
};

}  // namespace millrace::scheduler
