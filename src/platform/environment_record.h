// EnvironmentRecord: what the store keeps of an environment, and the work that it becomes.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/work.h"
#include "core/clock.h"
#include "core/result.h"
#include "identity/policy.h"

namespace millrace::platform {

inline constexpr std::string_view kEnvironmentPrefix = "environment/";  // EnvironmentRecord
inline constexpr std::string_view kJupyter = "jupyter";
inline constexpr std::string_view kShell = "shell";

struct EnvironmentRecord {
  std::string name = {}, kind = {}, tenant = {}, project = {}, user = {};
  std::int64_t cpu_milli = 1000, memory_mib = 2048;
  std::int32_t accelerators = 0;
  std::string accelerator_kind = {};                 // empty: any
  std::chrono::seconds idle{std::chrono::hours{1}};  // stopped after it; 0: never
  TimePoint created_at{};
  identity::KeyDigest secret{};  // seals its passes
  std::string key_id = {};       // of the key that works inside it
  std::string public_key = {};   // who may come in by ssh; shell only
  std::string host_key = {};     // its own, public; shell only
  bool wanted = false;           // to run
  control::WorkloadId work = 0;  // its last one; 0: none yet
  std::string reason = {};       // why it is not wanted
  bool operator==(const EnvironmentRecord&) const = default;
};

std::string to_json(const EnvironmentRecord& record);
/// kCorrupt naming the key that is wrong.
Result<EnvironmentRecord> parse_environment_record(std::string_view json);

/// One label of a host name: 1 to 63 of [a-z0-9-], starting and ending with a letter or digit.
bool is_environment_name(std::string_view name);

/// Names of the secrets, in its project, that it is given as files.
std::string api_key_secret(std::string_view name);
std::string host_key_secret(std::string_view name);

struct EnvironmentFolders {
  std::string volume;  // host path; its home
  std::string socket;  // host path of the folder in which it listens
};
control::WantedWork work_of(const EnvironmentRecord& record, const EnvironmentFolders& folders,
                            std::uint64_t number, TimePoint now);

}  // namespace millrace::platform
