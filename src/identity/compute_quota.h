// ComputeQuota: how much a tenant or project may hold of the machines, and its share of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"

namespace millrace::identity {

/// Absent amounts are no limit of that kind.
struct ComputeQuota {
  std::optional<std::int64_t> accelerators_milli, cpu_milli, memory_mib;
  bool borrow = true;  // may use beyond that what others of its parent leave, until they want it back
  std::int32_t weight_milli = 1000;  // its share among its siblings; 1 to 1,000,000
  bool operator==(const ComputeQuota&) const = default;
};

/// What a tenant has that was given nothing (invariant I4): nothing, and nothing to borrow.
inline constexpr ComputeQuota kNoCompute{
    .accelerators_milli = 0, .cpu_milli = 0, .memory_mib = 0, .borrow = false, .weight_milli = 1000};

/// Records "compute-quota/tenant/<name>" and "compute-quota/project/<name>".
inline constexpr std::string_view kComputeQuotaPrefix = "compute-quota/";

/// kInvalidArgument naming the field that is out of range.
Result<void> check_compute_quota(const ComputeQuota& quota);

std::string encode(const ComputeQuota& quota);
/// kCorrupt naming the field.
Result<ComputeQuota> parse_compute_quota(std::string_view json);

}  // namespace millrace::identity
