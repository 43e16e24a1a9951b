// ComputeQuota: how much a tenant or project may hold of the machines, and its share of them.
#pragma once

#include <cstdint>
#include <optional>

namespace millrace::identity {

/// Absent amounts are no limit of that kind.
struct ComputeQuota {
  std::optional<std::int64_t> accelerators_milli, cpu_milli, memory_mib;
  bool borrow = true;  // may use beyond that what others of its parent leave, until they want it back
  std::int32_t weight_milli = 1000;  // its share among its siblings; 1 to 1,000,000
  bool operator==(const ComputeQuota&) const = default;
};

}  // namespace millrace::identity
