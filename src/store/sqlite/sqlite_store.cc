#include "store/sqlite/sqlite_store.h"

#include <fmt/format.h>

#include "store/rules.h"
#include "store/sqlite/database.h"
#include "store/sqlite/schema.h"

namespace millrace::store {
namespace {

Result<Revision> revision_of(Writer& writer, std::string_view key) {
  const ResetGuard guard(*writer.find);
  writer.find->bind_blob(1, key);
  return TRY(writer.find->step()) ? writer.find->integer(0) : 0;
}

Result<Revision> apply(Writer& writer, const Transaction& transaction) {
  for (const auto& expect : transaction.expect) {
    const Revision found = TRY(revision_of(writer, expect.key));
    TRY_VOID(check_expectation(expect, found));
  }
  const Revision revision = writer.revision + 1;
  for (const auto& put : transaction.put) {
    TRY_VOID(writer.put->bind_blob(1, put.key).bind_blob(2, put.value).bind(3, revision).run());
  }
  for (const auto& key : transaction.erase) TRY_VOID(writer.erase->bind_blob(1, key).run());
  return writer.revision = revision;
}

}  // namespace

Result<SqliteStores> open_sqlite(const std::string& path) {
  auto database = TRY(Database::open(path, migrations()));
  return SqliteStores{std::make_unique<SqliteStore>(database), std::make_unique<SqliteUsageTable>(database),
                      database};
}

Result<Record> SqliteStore::get(std::string_view key) const {
  auto& reader = database_->records_reader();
  const std::lock_guard lock(reader.mutex);
  Statement find = TRY(reader.connection.prepare("SELECT value, revision FROM record WHERE key = ?1"));
  find.bind_blob(1, key);
  if (!TRY(find.step())) return no_such_record(key);
  return Record{std::string(key), find.text(0), find.integer(1)};
}

Result<std::vector<Record>> SqliteStore::list(std::string_view prefix, std::string_view after,
                                              std::size_t limit) const {
  auto& reader = database_->records_reader();
  const std::lock_guard lock(reader.mutex);
  const bool from_prefix = after < prefix;
  Statement scan = TRY(reader.connection.prepare(fmt::format(
      "SELECT key, value, revision FROM record WHERE key {} ?1 ORDER BY key", from_prefix ? ">=" : ">")));
  scan.bind_blob(1, from_prefix ? prefix : after);
  std::vector<Record> records;
  while (records.size() < limit && TRY(scan.step())) {
    Record record{scan.text(0), scan.text(1), scan.integer(2)};
    if (!record.key.starts_with(prefix)) break;
    records.push_back(std::move(record));
  }
  return records;
}

Result<Revision> SqliteStore::commit(Transaction transaction) {
  return database_->write(
      [&](Writer& writer) -> Result<std::int64_t> {
        TRY_VOID(check_fence(fence_, writer.fence));
        return apply(writer, transaction);
      },
      &transaction);
}

Result<std::int64_t> SqliteStore::take_fence() {
  const std::int64_t fence =
      TRY(database_->write([](Writer& writer) -> Result<std::int64_t> { return ++writer.fence; }));
  fence_ = fence;
  return fence;
}

void SqliteStore::subscribe(Listener listener) { database_->subscribe(std::move(listener)); }

}  // namespace millrace::store
