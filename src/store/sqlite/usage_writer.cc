#include "store/sqlite/usage_writer.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>

#include "store/sqlite/schema.h"

namespace millrace::store {
namespace {

constexpr std::size_t kContextsKept = 10'000;

/// The texts of a context, in the order of its columns.
std::array<std::string_view, 9> texts_of(const UsageRecord& record) {
  return {record.tenant,       record.project, record.key_id, record.endpoint, record.model,
          record.energy_model, record.basis,   record.site,   record.zone};
}

bool same_context(const UsageRecord& a, const UsageRecord& b) {
  return a.price_version == b.price_version && texts_of(a) == texts_of(b);
}

void bind_context(Statement& to, const UsageRecord& record) {
  int at = 1;
  for (const std::string_view text : texts_of(record)) to.bind(at++, text);
  to.bind(at, record.price_version);
}

/// What an id begins with, up to its first underscore: ids of one kind sort by time.
std::string_view kind_of(std::string_view id) {
  const auto end = id.find('_');
  return end == std::string_view::npos ? std::string_view() : id.substr(0, end);
}

struct Minute {
  std::string_view first_id, last_id;
  std::int64_t last_end_us = 0;
};

constexpr int kColumns = 15;
constexpr const char* kRow = "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";

std::string insert_of(std::size_t rows) {
  std::string sql = "INSERT OR IGNORE INTO usage VALUES ";
  for (std::size_t i = 0; i < rows; ++i) sql += i == 0 ? kRow : std::string(",") + kRow;
  return sql;
}

void bind_row(Statement& to, std::size_t row, const UsageRecord& record, std::int64_t context) {
  int at = static_cast<int>(row) * kColumns;
  to.bind(++at, std::string_view(record.request_id)).bind(++at, std::string_view(record.client_request_id));
  to.bind(++at, context).bind(++at, static_cast<std::int64_t>(record.status));
  to.bind(++at, record.input_tokens).bind(++at, record.cached_tokens).bind(++at, record.output_tokens);
  to.bind(++at, record.energy_uj).bind(++at, record.co2e_ug).bind(++at, record.cost_microeur);
  to.bind(++at, us_of(record.started_at)).bind(++at, us_of(record.ended_at));
  to.bind(++at, record.accelerator_ms).bind(++at, record.cpu_us).bind(++at, record.reasoning_tokens);
}

}  // namespace

UsageWriter::UsageWriter(Statement insert_one, Statement insert_many, Statement note_minute,
                         Statement add_context, Statement find_context)
    : insert_one_(std::move(insert_one)),
      insert_many_(std::move(insert_many)),
      note_minute_(std::move(note_minute)),
      add_context_(std::move(add_context)),
      find_context_(std::move(find_context)) {}

Result<UsageWriter> UsageWriter::prepare(Connection& connection) {
  return UsageWriter(
      TRY(connection.prepare(insert_of(1))), TRY(connection.prepare(insert_of(kRows))),
      TRY(connection.prepare(
          "INSERT INTO usage_minute VALUES (?1,?2,?3,?4,?5) ON CONFLICT DO UPDATE SET "
          "first_id = min(first_id, ?3), last_id = max(last_id, ?4), last_end_us = max(last_end_us, ?5)")),
      TRY(connection.prepare("INSERT INTO usage_context VALUES (NULL,?1,?2,?3,?4,?5,?6,?7,?8,?9,?10) "
                             "ON CONFLICT DO NOTHING")),
      TRY(connection.prepare(
          "SELECT id FROM usage_context WHERE (tenant, project, key_id, endpoint, model, "
          "energy_model, basis, site, zone, price_version) = (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)")));
}

Result<std::int64_t> UsageWriter::append(Connection& connection, std::span<const UsageRecord> records) {
  std::int64_t added = 0;
  std::int64_t context = 0;
  const UsageRecord* before = nullptr;
  for (std::size_t at = 0; at < records.size();) {
    const std::size_t rows = records.size() - at < kRows ? 1 : kRows;
    Statement& insert = rows == 1 ? insert_one_ : insert_many_;
    for (std::size_t row = 0; row < rows; ++row) {
      const UsageRecord& record = records[at + row];
      if (before == nullptr || !same_context(*before, record)) context = TRY(context_of(record));
      before = &record;
      bind_row(insert, row, record, context);
    }
    TRY_VOID(insert.run());
    added += connection.changes();
    at += rows;
  }
  TRY_VOID(note_minutes(records));
  return added;
}

Result<std::int64_t> UsageWriter::context_of(const UsageRecord& record) {
  std::string key = std::to_string(record.price_version);
  for (const std::string_view text : texts_of(record)) key.append(1, '\0').append(text);
  if (const auto known = contexts_.find(key); known != contexts_.end()) return known->second;
  bind_context(add_context_, record);
  TRY_VOID(add_context_.run());
  const ResetGuard guard(find_context_);
  bind_context(find_context_, record);
  if (!TRY(find_context_.step())) return failure(ErrorCode::kInternal, "a context just written is not there");
  if (contexts_.size() >= kContextsKept) contexts_.clear();
  return contexts_[std::move(key)] = find_context_.integer(0);
}

Result<void> UsageWriter::note_minutes(std::span<const UsageRecord> records) {
  std::map<std::pair<std::int64_t, std::string_view>, Minute> minutes;
  auto at = minutes.end();
  for (const auto& record : records) {
    const std::string_view id = record.request_id;
    const std::pair key(us_of(record.started_at) / kMinuteUs, kind_of(id));
    if (at == minutes.end() || at->first != key) at = minutes.try_emplace(key, Minute{id, id, 0}).first;
    Minute& minute = at->second;
    minute.first_id = std::min(minute.first_id, id);
    minute.last_id = std::max(minute.last_id, id);
    minute.last_end_us = std::max(minute.last_end_us, us_of(record.ended_at));
  }
  for (const auto& [key, minute] : minutes) {
    note_minute_.bind(1, key.first).bind(2, key.second);
    note_minute_.bind(3, minute.first_id).bind(4, minute.last_id).bind(5, minute.last_end_us);
    TRY_VOID(note_minute_.run());
  }
  return {};
}

}  // namespace millrace::store
