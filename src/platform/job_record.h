// JobRecord: what is kept of one submission. Private to platform.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/work.h"
#include "core/clock.h"
#include "core/result.h"

namespace millrace::platform {

/// Keys count down, so that byte order is the newest first.
inline constexpr std::string_view kJobPrefix = "job/";
std::string job_key(std::uint64_t number);

struct JobRecord {
  std::uint64_t number = 0;
  std::string title, tenant, project, user;
  TimePoint submitted_at{};
  std::vector<std::uint32_t> array;  // empty: one job
  std::string workdir;               // SHA-256 of the archive; empty: none
  std::string spec;                  // to_json(JobSpec)

  bool is_array() const { return !array.empty(); }
  /// Of every element, in order.
  std::vector<control::WorkloadId> ids() const;
  bool operator==(const JobRecord&) const = default;
};

std::string to_json(const JobRecord& record);
/// kCorrupt naming the field.
Result<JobRecord> parse_job_record(std::string_view json);

/// "17", or "17_3" for an element of an array.
struct JobId {
  std::uint64_t number = 0;
  std::optional<std::uint32_t> index;
  bool operator==(const JobId&) const = default;
};
std::string to_text(const JobId& id);
std::optional<JobId> parse_job_id(std::string_view text);

}  // namespace millrace::platform
