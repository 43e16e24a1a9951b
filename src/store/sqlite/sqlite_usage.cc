#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>

#include "store/sqlite/database.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/sqlite_store.h"

namespace millrace::store {
namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kEver = std::numeric_limits<std::int64_t>::max();

constexpr std::string_view kColumns =
    "request_id, client_request_id, tenant, project, key_id, endpoint, model, status, input_tokens, "
    "cached_tokens, output_tokens, energy_uj, co2e_ug, energy_model, basis, cost_microeur, price_version, "
    "site, zone, started_us, ended_us, accelerator_ms, cpu_us, reasoning_tokens";

/// CROSS: records are looked through, and each finds its context, not the other way round.
constexpr std::string_view kRecords = "usage CROSS JOIN usage_context ON usage_context.id = context";

UsageRecord read(const Statement& row) {
  UsageRecord record;
  record.request_id = row.text(0);
  record.client_request_id = row.text(1);
  record.tenant = row.text(2);
  record.project = row.text(3);
  record.key_id = row.text(4);
  record.endpoint = row.text(5);
  record.model = row.text(6);
  record.status = static_cast<UsageStatus>(std::clamp<std::int64_t>(row.integer(7), 1, 3));
  record.input_tokens = row.integer(8);
  record.cached_tokens = row.integer(9);
  record.output_tokens = row.integer(10);
  record.energy_uj = row.maybe_integer(11);
  record.co2e_ug = row.maybe_integer(12);
  record.energy_model = row.text(13);
  record.basis = row.text(14);
  record.cost_microeur = row.integer(15);
  record.price_version = row.integer(16);
  record.site = row.text(17);
  record.zone = row.text(18);
  record.started_at = time_of(row.integer(19));
  record.ended_at = time_of(row.integer(20));
  record.accelerator_ms = row.integer(21);
  record.cpu_us = row.integer(22);
  record.reasoning_tokens = row.integer(23);
  return record;
}

/// Ids from `first` on, up to `last` (included), or to the end of all ids.
struct IdRange {
  std::string first;
  std::optional<std::string> last;
};

/// Where records are to be looked for: what `usage_minute` answers, as ranges that do not overlap, in their order.
Result<std::vector<IdRange>> ranges_of(Statement& rows) {
  std::vector<IdRange> ranges;
  while (TRY(rows.step())) ranges.push_back({rows.text(0), rows.text(1)});
  std::ranges::sort(ranges, {}, &IdRange::first);
  std::vector<IdRange> joined;
  for (auto& range : ranges) {
    if (!joined.empty() && range.first <= *joined.back().last) {
      joined.back().last = std::max(*joined.back().last, *range.last);
    } else {
      joined.push_back(std::move(range));
    }
  }
  return joined;
}

std::int64_t from_us(const UsageFilter& filter) { return filter.from ? us_of(*filter.from) : kNever; }
std::int64_t to_us(const UsageFilter& filter) { return filter.to ? us_of(*filter.to) : kEver; }

Result<std::vector<IdRange>> ranges_of(Connection& connection, const UsageFilter& filter) {
  if (!filter.from && !filter.to) return std::vector<IdRange>{{"", std::nullopt}};
  Statement rows = TRY(connection.prepare(
      "SELECT min(first_id), max(last_id) FROM usage_minute WHERE minute BETWEEN ?1 AND ?2 GROUP BY kind"));
  rows.bind(1, from_us(filter) / kMinuteUs).bind(2, to_us(filter) / kMinuteUs);
  return ranges_of(rows);
}

/// Parameters 1 to 4.
constexpr std::string_view kMatches =
    "started_us >= ?1 AND started_us < ?2 AND (?3 = '' OR tenant = ?3) AND (?4 = '' OR project = ?4)";

void bind_filter(Statement& to, const UsageFilter& filter) {
  to.bind(1, from_us(filter)).bind(2, to_us(filter));
  to.bind(3, std::string_view(filter.tenant)).bind(4, std::string_view(filter.project));
}

/// The end of a range; an empty blob stands for the end of all ids: SQLite sorts blobs after every text.
void bind_last(Statement& to, int at, const IdRange& range) {
  if (range.last) {
    to.bind(at, std::string_view(*range.last));
  } else {
    to.bind_blob(at, "");
  }
}

std::string_view expression(UsageDimension by) {
  switch (by) {
    case UsageDimension::kModel:
      return "model";
    case UsageDimension::kKey:
      return "key_id";
    case UsageDimension::kProject:
      return "project";
    case UsageDimension::kTenant:
      return "tenant";
    case UsageDimension::kDay:
      return "date(started_us / 1000000, 'unixepoch')";
  }
  return "''";
}

void add_row(UsageSum& sum, const Statement& row) {
  sum.requests += row.integer(1);
  sum.input_tokens += row.integer(2);
  sum.cached_tokens += row.integer(3);
  sum.output_tokens += row.integer(4);
  sum.reasoning_tokens += row.integer(5);
  sum.energy_uj += row.integer(6);
  sum.co2e_ug += row.integer(7);
  sum.cost_microeur += row.integer(8);
  sum.accelerator_ms += row.integer(9);
  sum.cpu_us += row.integer(10);
}

}  // namespace

Result<std::int64_t> SqliteUsageTable::append(std::span<const UsageRecord> records) {
  if (records.empty()) return 0;
  return database_->write_patiently(
      [&](Writer& writer) { return writer.usage->append(writer.connection, records); });
}

Result<std::vector<UsageRecord>> SqliteUsageTable::list(const UsageFilter& filter, std::string_view after,
                                                        std::size_t limit) const {
  auto& reader = database_->usage_reader();
  const std::lock_guard lock(reader.mutex);
  std::vector<UsageRecord> records;
  for (const IdRange& range : TRY(ranges_of(reader.connection, filter))) {
    const bool begun = !after.empty() && after >= range.first;
    Statement rows = TRY(reader.connection.prepare(
        fmt::format("SELECT {} FROM {} WHERE request_id {} ?5 AND request_id <= ?6 AND {} "
                    "ORDER BY request_id LIMIT ?7",
                    kColumns, kRecords, begun ? ">" : ">=", kMatches)));
    bind_filter(rows, filter);
    rows.bind(5, begun ? after : std::string_view(range.first));
    bind_last(rows, 6, range);
    rows.bind(7, static_cast<std::int64_t>(std::min<std::size_t>(limit, kEver) - records.size()));
    while (TRY(rows.step())) records.push_back(read(rows));
    if (records.size() >= limit) break;
  }
  return records;
}

Result<std::vector<UsageSum>> SqliteUsageTable::sum(const UsageFilter& filter, UsageDimension by) const {
  auto& reader = database_->usage_reader();
  const std::lock_guard lock(reader.mutex);
  std::map<std::string, UsageSum> by_name;
  for (const IdRange& range : TRY(ranges_of(reader.connection, filter))) {
    Statement rows = TRY(reader.connection.prepare(fmt::format(
        "SELECT {} AS name, count(*), sum(input_tokens), sum(cached_tokens), sum(output_tokens), "
        "sum(reasoning_tokens), coalesce(sum(energy_uj), 0), coalesce(sum(co2e_ug), 0), sum(cost_microeur), "
        "sum(accelerator_ms), sum(cpu_us) FROM {} "
        "WHERE request_id >= ?5 AND request_id <= ?6 AND {} GROUP BY name",
        expression(by), kRecords, kMatches)));
    bind_filter(rows, filter);
    rows.bind(5, std::string_view(range.first));
    bind_last(rows, 6, range);
    while (TRY(rows.step())) add_row(by_name[rows.text(0)], rows);
  }
  std::vector<UsageSum> sums;
  for (auto& [name, sum] : by_name) {
    sum.name = name;
    sums.push_back(std::move(sum));
  }
  return sums;
}

Result<std::vector<UsageRecord>> SqliteUsageTable::overlapping(TimePoint from, TimePoint to) const {
  auto& reader = database_->usage_reader();
  const std::lock_guard lock(reader.mutex);
  Statement minutes = TRY(reader.connection.prepare(
      "SELECT first_id, last_id FROM usage_minute WHERE last_end_us > ?1 AND minute <= ?2"));
  minutes.bind(1, us_of(from)).bind(2, us_of(to) / kMinuteUs);
  Statement rows = TRY(reader.connection.prepare(
      fmt::format("SELECT {} FROM {} WHERE request_id >= ?3 AND request_id <= ?4 AND started_us < ?2 AND "
                  "ended_us > ?1 ORDER BY request_id",
                  kColumns, kRecords)));
  std::vector<UsageRecord> records;
  for (const IdRange& range : TRY(ranges_of(minutes))) {
    const ResetGuard guard(rows);
    rows.bind(1, us_of(from)).bind(2, us_of(to)).bind(3, std::string_view(range.first));
    bind_last(rows, 4, range);
    while (TRY(rows.step())) records.push_back(read(rows));
  }
  return records;
}

}  // namespace millrace::store
