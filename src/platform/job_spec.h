// JobSpec: a job as its owner writes it, in TOML or JSON, and the work that comes of it. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/work.h"
#include "core/clock.h"
#include "core/result.h"

namespace millrace::platform {

struct JobSecret {
  std::string name, path;  // path: absolute, in the sandbox
  bool operator==(const JobSecret&) const = default;
};
struct JobMount {
  std::string source, path;  // absolute: of the host, and in the sandbox
  bool writable = false;     // mode "rw"; default "ro"
  bool operator==(const JobMount&) const = default;
};

/// Every member shows its default; the key of the file has the member's name where nothing else is said.
struct JobSpec {
  std::string name;  // what its owner calls it; empty: the program's name
  std::string image = "base";
  std::vector<std::string> command;       // the only key that must be there
  std::int64_t cpu_milli = 1000;          // "cpus": of each task, thousandths
  std::int64_t memory_mib = 1024;         // "memory": of each task, rounded up
  std::int32_t accelerators = 0;          // of each task
  std::int32_t accelerator_milli = 1000;  // "accelerators" = 0.5: a fraction of one
  std::vector<std::string>
      accelerator_kind;  // any of these; empty: every kind. One may stand without brackets
  std::int32_t nodes = 1;
  std::int32_t tasks_per_node = 1;  // nodes x tasks_per_node tasks start together, or none does
  std::optional<std::chrono::seconds> time_limit;
  std::string priority_class = "normal";  // low, normal, high
  std::optional<TimePoint> deadline;
  bool deferrable = false;  // may wait for clean hours until its deadline
  std::uint32_t retries = 0;
  bool requeue = true;
  bool preemptible = true;
  int checkpoint_signal = 0;  // a name ("USR1") or number; 0: none but SIGTERM
  std::chrono::seconds grace{30};
  std::vector<std::uint32_t> array;  // "0-99", "1,3,5", "0-99:2"; ascending, each once
  std::vector<std::string> after;    // ids of jobs, "17" or "17_3"
  std::vector<std::string> zones;
  bool one_domain = false;                              // all tasks in one domain of fast interconnect
  scheduler::Spread spread = scheduler::Spread::kNone;  // "node", "rack", "rail": no two tasks on one
  std::map<std::string, std::string> env;
  std::vector<JobSecret> secrets;           // [[secret]]
  std::vector<JobMount> mounts;             // [[mount]]
  bool host_network = false;                // "network" = "host"; default "none"
  std::int64_t scratch_bytes = 1LL << 30;   // "scratch": of its /tmp
  std::int64_t disk_bytes = 10LL << 30;     // "disk": of working folder and output
  std::int64_t log_max_bytes = 64LL << 20;  // "log_max"
  bool operator==(const JobSpec&) const = default;
};

enum class JobFormat : std::uint8_t { kToml, kJson, kGuess };  // kGuess: JSON if it starts with '{'

inline constexpr std::size_t kJobFileMax = 1 << 20;       // bytes
inline constexpr std::size_t kArrayMax = 10'000;          // elements
inline constexpr std::int64_t kTasksMax = 10'000;         // of one element
inline constexpr std::size_t kArrayBytesMax = 64u << 20;  // of the records of all elements together

/// kInvalidArgument naming `file`, line and key, for what cannot be meant: also a key that is not known.
Result<JobSpec> parse_job(std::string_view text, JobFormat format, const std::string& file);

/// Absolute, without empty parts, ".", "..", control characters or a slash at the end.
bool is_clean_path(std::string_view path);
/// Of two clean paths.
bool is_at_or_below(std::string_view path, std::string_view folder);

/// As a JSON job file: parse_job reads it back as the same.
std::string to_json(const JobSpec& spec);

/// "0-9,20,30-40:5" to its numbers, ascending, and back; kInvalidArgument for more than kArrayMax.
Result<std::vector<std::uint32_t>> parse_array(std::string_view text);
std::string format_array(const std::vector<std::uint32_t>& indices);

/// "USR1", "SIGUSR1" or "10" to the number of a signal that a job may be sent.
Result<int> parse_signal(std::string_view text);

/// Whose it is, and what the spec alone does not say.
struct Submission {
  std::uint64_t number = 0;
  std::string tenant = {}, project = {}, user = {};
  TimePoint at{};
  std::vector<control::WorkloadId> after = {};
  std::string workdir_archive = {};  // host path; empty: none
};

/// One for each element of the array, or the one there is. Ids and names by number and index.
std::vector<control::WantedWork> wanted_of(const JobSpec& spec, const Submission& submission);

}  // namespace millrace::platform
