// Work: what tenants want run, as platform writes it to the store, and what became of it, as control writes it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/result.h"
#include "scheduler/workload.h"

namespace millrace::control {

using scheduler::WorkloadId;

// Keys are a prefix and the id as 16 hexadecimal digits, so that byte order is the order of submission.
inline constexpr std::string_view kWantedPrefix = "work/";    // WantedWork; written by platform
inline constexpr std::string_view kLivePrefix = "work-now/";  // ObservedWork of what is not over; by control
inline constexpr std::string_view kEndedPrefix = "work-done/";  // ObservedWork of what is over; by control
std::string work_key(std::string_view prefix, WorkloadId id);
/// nullopt: it is no such key.
std::optional<WorkloadId> id_of_key(std::string_view key, std::string_view prefix);

/// Ids of one submission: its number, and for the tasks of an array their index.
inline constexpr int kArrayBits = 20;
constexpr WorkloadId workload_id(std::uint64_t number, std::uint32_t index = 0) {
  return number << kArrayBits | index;
}
constexpr std::uint64_t number_of(WorkloadId id) { return id >> kArrayBits; }
constexpr std::uint32_t index_of(WorkloadId id) {
  return static_cast<std::uint32_t>(id & ((1U << kArrayBits) - 1));
}

enum class WorkKind : std::uint8_t { kJob, kEnvironment, kService };
const char* name_of(WorkKind kind);
Result<WorkKind> parse_work_kind(std::string_view name);

/// A secret as a file of the sandbox. Its text lies in the store under "secret/<project>/<name>".
struct SecretFile {
  std::string name, path;
  bool operator==(const SecretFile&) const = default;
};
struct WorkMount {
  std::string source, path;  // host folder or file; path in the sandbox
  bool writable = false;
  bool operator==(const WorkMount&) const = default;
};

/// What each task runs, and in what.
struct Program {
  std::string image = "base";
  std::vector<std::string> command;
  std::map<std::string, std::string> env;
  std::vector<SecretFile> secrets;
  std::vector<WorkMount> mounts;
  std::string workdir_archive;  // host path of a tar that becomes the working folder; empty: an empty one
  bool host_network = false;    // else only the platform's endpoints, at 127.0.0.1
  std::int64_t scratch_bytes = 1 << 30;              // of its /tmp
  std::int64_t disk_bytes = std::int64_t{10} << 30;  // of its working folder and output together
  std::int64_t log_max_bytes = 64 << 20;
  bool operator==(const Program&) const = default;
};

struct WantedWork {
  WorkloadId id = 0;
  std::string name;  // for people: "17", "17_3"; unique, [a-z0-9_-]
  WorkKind kind = WorkKind::kJob;
  std::string title;                  // what its owner calls it
  std::string tenant, project, user;  // user: id of the principal
  TimePoint submitted_at{};

  scheduler::Demand demand;  // of one task
  std::int32_t tasks = 1;
  std::int32_t tasks_per_node = 0;  // at most; 0 is no bound
  std::vector<std::string> kinds;   // accelerator kinds, any of these; empty: every kind
  std::vector<std::string> zones, jurisdictions;
  bool one_domain = false;
  scheduler::Spread spread = scheduler::Spread::kNone;
  std::string siblings;  // with spread: kept apart from other work of this name as well

  std::string priority_class = "normal";  // low, normal, high
  bool preemptible = true;
  std::optional<std::chrono::seconds> time_limit;
  std::optional<TimePoint> deadline;
  bool deferrable = false;
  std::uint32_t retries = 0;  // further runs after its own fault
  bool requeue = true;        // runs again after a preemption or the loss of its node
  int checkpoint_signal = 0;  // sent first when it is to stop; 0: SIGTERM alone
  std::chrono::seconds grace{30};
  std::vector<WorkloadId> after;  // waits until all of these have succeeded; is cancelled if one does not

  Program program;
  std::optional<TimePoint> cancelled_at;  // its owner wants it ended
  std::string source;                     // platform's own text, kept for it
  bool operator==(const WantedWork&) const = default;
};

/// kCorrupt naming the key that is wrong.
Result<WantedWork> parse_wanted(std::string_view json);
std::string to_json(const WantedWork& work);

enum class WorkState : std::uint8_t {
  kQueued,
  kStarting,
  kRunning,
  kPausing,
  kSucceeded,
  kFailed,
  kCancelled,
  kTimedOut,
  kLost,
};
/// "queued", "starting", ..., "timed_out", "lost".
const char* name_of(WorkState state);
Result<WorkState> parse_work_state(std::string_view name);
constexpr bool is_over(WorkState state) { return state >= WorkState::kSucceeded; }

/// Where one task runs.
struct NamedPlace {
  std::string node;
  std::uint32_t devices = 0;  // bit mask
  bool operator==(const NamedPlace&) const = default;
};

/// A run that is over. What is kept of one is bounded, whatever its gang and however often work runs again.
inline constexpr std::size_t kRunsKept = 16, kRunNodesKept = 64;
struct EndedRun {
  std::uint32_t number = 0;
  std::vector<std::string> nodes;  // by name, each once; the first kRunNodesKept
  TimePoint started_at{}, ended_at{};
  std::string outcome;           // as a state that is over, or "paused": it was told to stop, and runs again
  std::string reason;            // for people; empty if it succeeded
  std::string full_reason = {};  // as ObservedWork's
  bool operator==(const EndedRun&) const = default;
};

/// Figures are sums over all runs so far that have ended, and, where asked through WorkView, of the present one.
struct ObservedWork {
  WorkloadId id = 0;
  WorkState state = WorkState::kQueued;
  std::string reason_code, reason;  // why it is in this state; for people of its tenant
  std::string full_reason;          // names other tenants' work too, for who may see that; empty: as `reason`
  std::optional<TimePoint> expected_start;  // queued; promised by the scheduler, or that of cleaner hours
  std::optional<int> exit_code;             // of the last run: 128 + signal where a signal ended it
  std::uint32_t run = 0;                    // runs so far; the present one's number
  std::uint32_t failures = 0;
  std::vector<NamedPlace> places;  // one for each task, of the last run
  std::int32_t cap_milli = 1000;
  std::optional<TimePoint> started_at;  // of the last run
  std::optional<TimePoint> ended_at;
  std::int64_t accelerator_ms = 0;  // accelerators held x time
  std::int64_t cpu_us = 0;
  std::optional<std::int64_t> energy_uj, co2e_ug;
  std::int64_t cost_microeur = 0;
  std::string basis = "unknown";
  std::optional<std::int64_t> grace_ms;  // pausing, or stopping for good: what it was told
  bool stopping = false;                 // told to stop for good
  std::vector<EndedRun> runs;            // the last kRunsKept that ended, oldest first
  bool operator==(const ObservedWork&) const = default;
};

Result<ObservedWork> parse_observed(std::string_view json);
std::string to_json(const ObservedWork& work);

}  // namespace millrace::control
