#include "store/memory/memory_usage.h"

namespace millrace::store {
namespace {

bool matches(const UsageFilter& filter, const UsageRecord& record) {
  return (!filter.from || record.started_at >= *filter.from) &&
         (!filter.to || record.started_at < *filter.to) &&
         (filter.tenant.empty() || record.tenant == filter.tenant) &&
         (filter.project.empty() || record.project == filter.project);
}

std::string value_of(const UsageRecord& record, UsageDimension by) {
  switch (by) {
    case UsageDimension::kModel:
      return record.model;
    case UsageDimension::kKey:
      return record.key_id;
    case UsageDimension::kProject:
      return record.project;
    case UsageDimension::kTenant:
      return record.tenant;
    case UsageDimension::kDay:
      return date_of(record.started_at);
  }
  return {};
}

}  // namespace

Result<std::int64_t> MemoryUsageTable::append(std::span<const UsageRecord> records) {
  const std::lock_guard lock(mutex_);
  std::int64_t added = 0;
  for (const auto& record : records) added += records_.try_emplace(record.request_id, record).second ? 1 : 0;
  return added;
}

Result<std::vector<UsageRecord>> MemoryUsageTable::list(const UsageFilter& filter, std::string_view after,
                                                        std::size_t limit) const {
  const std::lock_guard lock(mutex_);
  std::vector<UsageRecord> found;
  for (auto at = records_.upper_bound(after); at != records_.end() && found.size() < limit; ++at) {
    if (matches(filter, at->second)) found.push_back(at->second);
  }
  return found;
}

Result<std::vector<UsageSum>> MemoryUsageTable::sum(const UsageFilter& filter, UsageDimension by) const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, UsageSum> sums;
  for (const auto& [id, record] : records_) {
    if (!matches(filter, record)) continue;
    UsageSum& sum = sums[value_of(record, by)];
    ++sum.requests;
    sum.input_tokens += record.input_tokens;
    sum.cached_tokens += record.cached_tokens;
    sum.output_tokens += record.output_tokens;
    sum.reasoning_tokens += record.reasoning_tokens;
    sum.energy_uj += record.energy_uj.value_or(0);
    sum.co2e_ug += record.co2e_ug.value_or(0);
    sum.cost_microeur += record.cost_microeur;
    sum.accelerator_ms += record.accelerator_ms;
    sum.cpu_us += record.cpu_us;
  }
  std::vector<UsageSum> listed;
  for (auto& [name, sum] : sums) {
    sum.name = name;
    listed.push_back(std::move(sum));
  }
  return listed;
}

Result<std::vector<UsageRecord>> MemoryUsageTable::overlapping(TimePoint from, TimePoint to) const {
  const std::lock_guard lock(mutex_);
  std::vector<UsageRecord> found;
  for (const auto& [id, record] : records_) {
    if (record.started_at < to && record.ended_at > from) found.push_back(record);
  }
  return found;
}

}  // namespace millrace::store
