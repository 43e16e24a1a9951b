#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "store/sqlite/database.h"
#include "store/sqlite/sqlite_store.h"

namespace millrace::store {
namespace {

constexpr std::int64_t kEver = std::numeric_limits<std::int64_t>::max();

std::int64_t us_of(TimePoint time) { return time.time_since_epoch().count(); }
TimePoint time_of(std::int64_t us) { return TimePoint{std::chrono::microseconds{us}}; }

constexpr std::string_view kColumns =
    "request_id, client_request_id, tenant, project, key_id, endpoint, model, status, input_tokens, "
    "cached_tokens, "
    "output_tokens, energy_uj, co2e_ug, energy_model, basis, cost_microeur, price_version, site, zone, "
    "started_us, "
    "ended_us, accelerator_ms, cpu_us";

Result<void> insert(Statement& to, const UsageRecord& record) {
  const auto text = [](const std::string& value) { return std::string_view(value); };
  to.bind(1, text(record.request_id)).bind(2, text(record.client_request_id)).bind(3, text(record.tenant));
  to.bind(4, text(record.project)).bind(5, text(record.key_id)).bind(6, text(record.endpoint));
  to.bind(7, text(record.model))
      .bind(8, static_cast<std::int64_t>(record.status))
      .bind(9, record.input_tokens);
  to.bind(10, record.cached_tokens).bind(11, record.output_tokens).bind(12, record.energy_uj);
  to.bind(13, record.co2e_ug).bind(14, text(record.energy_model)).bind(15, text(record.basis));
  to.bind(16, record.cost_microeur).bind(17, record.price_version).bind(18, text(record.site));
  to.bind(19, text(record.zone)).bind(20, us_of(record.started_at)).bind(21, us_of(record.ended_at));
  to.bind(22, record.accelerator_ms).bind(23, record.cpu_us);
  return to.run();
}

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
  return record;
}

Result<std::vector<UsageRecord>> read_all(Statement& rows) {
  std::vector<UsageRecord> records;
  while (TRY(rows.step())) records.push_back(read(rows));
  return records;
}

bool has_window(const UsageFilter& filter) { return filter.from || filter.to; }

/// Parameters 1 to 4. The index on the start serves a window; over all time a scan of the table is quicker, which the
/// unary plus asks for.
std::string where(const UsageFilter& filter, bool use_index) {
  const char* column = has_window(filter) && use_index ? "started_us" : "+started_us";
  return fmt::format("{0} >= ?1 AND {0} < ?2 AND (?3 = '' OR tenant = ?3) AND (?4 = '' OR project = ?4)",
                     column);
}

void bind_filter(Statement& to, const UsageFilter& filter) {
  to.bind(1, filter.from ? us_of(*filter.from) : std::numeric_limits<std::int64_t>::min());
  to.bind(2, filter.to ? us_of(*filter.to) : kEver);
  to.bind(3, std::string_view(filter.tenant)).bind(4, std::string_view(filter.project));
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

}  // namespace

Result<std::int64_t> SqliteUsageTable::append(std::span<const UsageRecord> records) {
  if (records.empty()) return 0;
  return database_->write([&](Writer& writer) -> Result<std::int64_t> {
    std::int64_t added = 0;
    for (const auto& record : records) {
      TRY_VOID(insert(*writer.insert_usage, record));
      added += writer.connection.changes();
      writer.longest_us = std::max(writer.longest_us, us_of(record.ended_at) - us_of(record.started_at));
    }
    return added;
  });
}

Result<std::vector<UsageRecord>> SqliteUsageTable::list(const UsageFilter& filter, std::string_view after,
                                                        std::size_t limit) const {
  auto& reader = database_->usage_reader();
  const std::lock_guard lock(reader.mutex);
  // A first page is found by time; a later one follows the key, in whose order it goes on.
  Statement rows = TRY(reader.connection.prepare(
      fmt::format("SELECT {} FROM usage WHERE request_id > ?5 AND {} ORDER BY request_id LIMIT ?6", kColumns,
                  where(filter, after.empty()))));
  bind_filter(rows, filter);
  rows.bind(5, after).bind(6, static_cast<std::int64_t>(std::min<std::size_t>(limit, kEver)));
  return read_all(rows);
}

Result<std::vector<UsageSum>> SqliteUsageTable::sum(const UsageFilter& filter, UsageDimension by) const {
  auto& reader = database_->usage_reader();
  const std::lock_guard lock(reader.mutex);
  Statement rows = TRY(reader.connection.prepare(
      fmt::format("SELECT {} AS name, count(*), sum(input_tokens), sum(cached_tokens), sum(output_tokens), "
                  "coalesce(sum(energy_uj), 0), coalesce(sum(co2e_ug), 0), sum(cost_microeur), "
                  "sum(accelerator_ms), sum(cpu_us) "
                  "FROM usage WHERE {} GROUP BY name ORDER BY name",
                  expression(by), where(filter, true))));
  bind_filter(rows, filter);
  std::vector<UsageSum> sums;
  while (TRY(rows.step())) {
    sums.push_back({rows.text(0), rows.integer(1), rows.integer(2), rows.integer(3), rows.integer(4),
                    rows.integer(5), rows.integer(6), rows.integer(7), rows.integer(8), rows.integer(9)});
  }
  return sums;
}

Result<std::vector<UsageRecord>> SqliteUsageTable::overlapping(TimePoint from, TimePoint to) const {
  auto& reader = database_->usage_reader();
  const std::lock_guard lock(reader.mutex);
  // No record started longer before its end than the longest one did: that bounds the part of the index to look at.
  Statement rows = TRY(reader.connection.prepare(
      fmt::format("SELECT {} FROM usage WHERE started_us < ?2 AND ended_us > ?1 AND "
                  "started_us > ?1 - (SELECT value FROM meta WHERE name = 'longest_us') ORDER BY request_id",
                  kColumns)));
  rows.bind(1, us_of(from)).bind(2, us_of(to));
  return read_all(rows);
}

}  // namespace millrace::store
