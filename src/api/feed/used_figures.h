// UsedFigures: what keys, projects and tenants used this month, kept in step with the drain of the journals.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "api/feed/policy_feed.h"
#include "core/clock.h"
#include "core/result.h"
#include "identity/policy.h"
#include "ledger/drain.h"

namespace millrace::api {

/// Safe from any thread. A gateway adds what it settled beyond the drain's `through` to these sums, so both are always
/// told as they were at the same moment.
class UsedFigures {
 public:
  UsedFigures(const store::UsageTable& usage, const Clock& clock) : usage_(usage), clock_(clock) {}

  /// Call after each JournalDrain::drain(), on its thread, before the next one. The first call, the first of a month,
  /// and one after an error of the table read the sums from it. After an error everything stands as it was.
  Result<void> take(const ledger::JournalDrain::Report& report);

  /// Adds the records "used/..." and "drained/...". kUnavailable before the first `take`: a policy without these sums
  /// would make gateways forget what was used.
  Result<void> add_to(PolicyRecords& records) const;

 private:
  using Sums = std::map<std::string, identity::UsedPolicy>;  // by record name
  Result<Sums> read_sums(TimePoint now) const;
  void count(const store::UsageRecord& record);

  const store::UsageTable& usage_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  bool must_read_ = true;                         // guarded by mutex_: the sums do not match the table
  std::int32_t month_ = 0;                        // guarded by mutex_; 0: before the first `take`
  Sums used_;                                     // guarded by mutex_
  std::map<std::string, std::uint64_t> through_;  // guarded by mutex_; by journal id
};

}  // namespace millrace::api
