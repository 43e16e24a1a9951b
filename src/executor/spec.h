// The executor's records as JSON: what lies in a workload's folder and travels over a supervisor's socket.
#pragma once

#include <string>
#include <string_view>

#include "executor/executor.h"

namespace millrace::executor {

inline constexpr std::int64_t kProtocolVersion = 1;

/// FOLDER/spec.json: the workload, and where its supervisor keeps what needs a short path.
struct SupervisorSpec {
  WorkloadSpec workload;
  std::string control_socket;
  std::string data_dir;
  bool operator==(const SupervisorSpec&) const = default;
};

/// kCorrupt naming the key; a version above kProtocolVersion is refused with a message that says so.
Result<SupervisorSpec> parse_spec(std::string_view json);
std::string to_json(const SupervisorSpec& spec);

Result<WorkloadStatus> parse_status(std::string_view json);
std::string to_json(const WorkloadStatus& status);

Result<ExitRecord> parse_exit(std::string_view json);
std::string to_json(const ExitRecord& exit);

}  // namespace millrace::executor
