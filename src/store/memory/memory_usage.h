// The UsageTable in memory, by plain loops: also the model that other backends are held against.
#pragma once

#include <map>
#include <mutex>

#include "store/usage_table.h"

namespace millrace::store {

class MemoryUsageTable final : public UsageTable {
 public:
  Result<std::int64_t> append(std::span<const UsageRecord> records) override;
  Result<std::vector<UsageRecord>> list(const UsageFilter& filter, std::string_view after,
                                        std::size_t limit) const override;
  Result<std::vector<UsageSum>> sum(const UsageFilter& filter, UsageDimension by) const override;
  Result<std::vector<UsageRecord>> overlapping(TimePoint from, TimePoint to) const override;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, UsageRecord, std::less<>> records_;  // guarded by mutex_
};

}  // namespace millrace::store
