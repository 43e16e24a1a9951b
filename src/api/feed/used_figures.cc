#include "api/feed/used_figures.h"

#include <array>
#include <chrono>
#include <utility>

namespace millrace::api {

namespace {

TimePoint start_of_month(TimePoint time) {
  const std::chrono::year_month_day date{std::chrono::floor<std::chrono::days>(time)};
  return std::chrono::sys_days{date.year() / date.month() / 1};
}

}  // namespace

Result<UsedFigures::Sums> UsedFigures::read_sums(TimePoint now) const {
  static constexpr std::array<std::pair<store::UsageDimension, std::string_view>, 3> kScopes = {{
      {store::UsageDimension::kKey, "used/key/"},
      {store::UsageDimension::kProject, "used/project/"},
      {store::UsageDimension::kTenant, "used/tenant/"},
  }};
  store::UsageFilter filter;
  filter.from = start_of_month(now);
  Sums sums;
  for (const auto& [dimension, scope] : kScopes) {
    for (const auto& sum : TRY(usage_.sum(filter, dimension))) {
      sums[std::string(scope) + sum.name] = {month_of(now), sum.input_tokens + sum.output_tokens,
                                             sum.cost_microeur};
    }
  }
  return sums;
}

void UsedFigures::count(const store::UsageRecord& record) {
  for (const std::string& name :
       {"used/key/" + record.key_id, "used/project/" + record.project, "used/tenant/" + record.tenant}) {
    identity::UsedPolicy& used = used_[name];
    used.month = month_;
    used.tokens += record.input_tokens + record.output_tokens;
    used.microeur += record.cost_microeur;
  }
}

Result<void> UsedFigures::take(const ledger::JournalDrain::Report& report) {
  const std::lock_guard lock(mutex_);
  const TimePoint now = clock_.now();
  must_read_ = must_read_ || report.some_were_known || month_ != month_of(now);
  if (must_read_) {
    used_ = TRY(read_sums(now));
    month_ = month_of(now);
    must_read_ = false;
  } else {
    for (const store::UsageRecord& record : report.records) {
      if (month_of(record.started_at) == month_) count(record);
    }
  }
  for (const auto& journal : report.journals) {
    if (journal.closed) {
      through_.erase(journal.id);
    } else {
      through_[journal.id] = journal.through;
    }
  }
  return {};
}

Result<void> UsedFigures::add_to(PolicyRecords& records) const {
  const std::lock_guard lock(mutex_);
  if (month_ == 0)
    return failure(ErrorCode::kUnavailable,
                   "what was used this month is not known before the journals are drained");
  for (const auto& [name, used] : used_) records[name] = encode(used);
  for (const auto& [journal, through] : through_) {
    records["drained/" + journal] = encode(identity::DrainPolicy{std::int64_t(through)});
  }
  return {};
}

}  // namespace millrace::api
