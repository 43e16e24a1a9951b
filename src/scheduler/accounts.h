// Accounts: who may use how much, and whose turn it is. A tree: tenant > project > user, or cohort > queue.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "core/clock.h"
#include "scheduler/workload.h"

namespace millrace::scheduler {

inline constexpr AccountIndex kNoAccount = UINT32_MAX;
/// Levels of the tree: shares are compared level by level.
inline constexpr int kAccountDepthMax = 4;

/// Amounts of what quotas count, summed over the tasks of a workload.
struct Amount {
  std::int64_t accelerators_milli = 0;
  std::int64_t cpu_milli = 0;
  std::int64_t memory_mib = 0;
  bool operator==(const Amount&) const = default;
};

inline bool is_within(const Amount& a, const Amount& bound) {
  return a.accelerators_milli <= bound.accelerators_milli && a.cpu_milli <= bound.cpu_milli &&
         a.memory_mib <= bound.memory_mib;
}
inline void add_to(Amount& sum, const Amount& amount, int sign) {
  sum.accelerators_milli += sign * amount.accelerators_milli;
  sum.cpu_milli += sign * amount.cpu_milli;
  sum.memory_mib += sign * amount.memory_mib;
}
/// Of `a`, what `b` has something of.
inline Amount in_both(const Amount& a, const Amount& b) {
  return {.accelerators_milli = b.accelerators_milli > 0 ? a.accelerators_milli : 0,
          .cpu_milli = b.cpu_milli > 0 ? a.cpu_milli : 0,
          .memory_mib = b.memory_mib > 0 ? a.memory_mib : 0};
}
/// Of so many tasks.
inline Amount amount_of(const Demand& demand, std::int64_t tasks) {
  return {.accelerators_milli = tasks * demand.accelerators * demand.accelerator_milli,
          .cpu_milli = tasks * demand.cpu_milli,
          .memory_mib = tasks * demand.memory_mib};
}

/// More than any site has, and small enough that sums do not overflow.
inline constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max() / 4;
inline constexpr Amount kUnlimitedAmount{kUnlimited, kUnlimited, kUnlimited};

/// An account may use nominal + borrow, and never more than ceiling. What it uses above nominal is borrowed from what its
/// siblings leave; they can reclaim it. A start is checked at every level from the account up to its root. The quota of
/// a new account is zero.
struct Quota {
  Amount nominal;
  Amount borrow;
  Amount ceiling = kUnlimitedAmount;
};

/// Whose work an account within its nominal quota may stop to get what others borrowed.
enum class Reclaim : std::uint8_t {
  kNever,
  kLowerPriority,  // only work of a lower priority class than the work that waits
  kAny,
};

/// Decayed mean of what an account held before `as_of`: accelerators and cores in thousandths, memory in MiB.
struct PastUse {
  std::array<double, 3> mean{};
  TimePoint as_of{};
  bool operator==(const PastUse&) const = default;
};

struct Account {
  std::string name;
  AccountIndex parent = kNoAccount;  // comes before its children in the vector
  std::int32_t weight_milli = 1000;  // share among its siblings; above 0
  Quota quota;
  Reclaim reclaim = Reclaim::kAny;
};

using Accounts = std::vector<Account>;

/// Gives `quota` to an account that may use everything.
inline constexpr Quota kUnlimitedQuota{kUnlimitedAmount, {}, kUnlimitedAmount};

}  // namespace millrace::scheduler
