// UsageWriter: appends usage records, on the writing connection of the database.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>

#include "core/result.h"
#include "store/sqlite/connection.h"
#include "store/usage_table.h"

namespace millrace::store {

/// Owned by the writing thread. Three tables: `usage_context` has what many records share; `usage` has a record's own
/// figures and names its context; `usage_minute` has, for each minute and kind of id, the least and the greatest id of
/// the records that started in it, which is an index on the start at a row a minute instead of a row a record (the
/// idea of a block range index: PostgreSQL's BRIN).
class UsageWriter {
 public:
  static Result<UsageWriter> prepare(Connection& connection);

  /// Inside a transaction. Records whose request_id is known are ignored; answers how many were new.
  Result<std::int64_t> append(Connection& connection, std::span<const UsageRecord> records);

  /// Call it when a transaction was rolled back: contexts that it had written are gone.
  void forget() { contexts_.clear(); }

 private:
  UsageWriter(Statement insert_one, Statement insert_many, Statement note_minute, Statement add_context,
              Statement find_context);
  /// Rows of one statement, which is what costs least: a third less than row by row (docs/benchmarks.md).
  static constexpr std::size_t kRows = 16;
  Result<std::int64_t> context_of(const UsageRecord& record);
  Result<void> note_minutes(std::span<const UsageRecord> records);

  Statement insert_one_, insert_many_, note_minute_, add_context_, find_context_;
  std::unordered_map<std::string, std::int64_t> contexts_;  // by their texts
};

}  // namespace millrace::store
