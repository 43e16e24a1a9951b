// The executor's records as JSON: what lies in a workload's folder and travels over a supervisor's socket.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "executor/executor.h"

namespace millrace::executor {

inline constexpr std::int64_t kProtocolVersion = 1;  // of statuses, exit records, requests and answers
inline constexpr std::int64_t kSpecVersion = 2;  // of spec.json; 1 has no limits but resources, and is read

/// FOLDER/spec.json: the workload, and where its supervisor keeps what needs a short path. The texts of secrets are
/// left out: they come over `secrets_fd`.
struct SupervisorSpec {
  WorkloadSpec workload;
  std::string control_socket;
  std::string data_dir;
  int secrets_fd = -1;  // where the supervisor finds encode_secrets(); -1: there are none
  int ready_fd = -1;    // closed by the supervisor when it answers; -1: nobody waits
  bool operator==(const SupervisorSpec&) const = default;
};

/// A Forward's `to`: either a path, or an IPv4 address and a port.
struct ForwardTarget {
  std::string path;
  std::string address;
  std::uint16_t port = 0;
};
inline constexpr std::size_t kMaxSocketPath = 107;  // bytes; sun_path less its end
std::optional<ForwardTarget> parse_forward_target(std::string_view to);

/// kCorrupt naming the key; a version above kSpecVersion is refused with a message that says so.
Result<SupervisorSpec> parse_spec(std::string_view json);
std::string to_json(const SupervisorSpec& spec);

/// The texts of the secrets in the order of the spec, each after its length (32 bits, little endian). For a
/// descriptor, never for a disk.
std::string encode_secrets(const std::vector<SecretFile>& secrets);
/// Puts the texts into `secrets`. kCorrupt if they are not as many.
Result<void> decode_secrets(std::string_view bytes, std::vector<SecretFile>& secrets);

Result<WorkloadStatus> parse_status(std::string_view json);
std::string to_json(const WorkloadStatus& status);

Result<ExitRecord> parse_exit(std::string_view json);
std::string to_json(const ExitRecord& exit);

}  // namespace millrace::executor
