// Store and UsageTable in one SQLite file.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "store/store.h"
#include "store/usage_table.h"

namespace millrace::store {

class Database;

struct SqliteStores {
  std::unique_ptr<Store> store;
  std::unique_ptr<UsageTable> usage;
  std::shared_ptr<Database> database;
};

/// Opens or creates the database (mode 0600) with the newest schema; an older one is migrated after a copy was kept
/// beside it. kConflict if another process has it open, or its schema is newer than this program's; kCorrupt if the
/// file is no database.
Result<SqliteStores> open_sqlite(const std::string& path);

class SqliteStore final : public Store {
 public:
  /// A handle with a fence of its own.
  explicit SqliteStore(std::shared_ptr<Database> database) : database_(std::move(database)) {}

  Result<Record> get(std::string_view key) const override;
  Result<std::vector<Record>> list(std::string_view prefix, std::string_view after,
                                   std::size_t limit) const override;
  Result<Revision> commit(Transaction transaction) override;
  Result<std::int64_t> take_fence() override;
  void subscribe(Listener listener) override;

 private:
  const std::shared_ptr<Database> database_;
  std::atomic<std::int64_t> fence_ = 0;
};

class SqliteUsageTable final : public UsageTable {
 public:
  explicit SqliteUsageTable(std::shared_ptr<Database> database) : database_(std::move(database)) {}

  Result<std::int64_t> append(std::span<const UsageRecord> records) override;
  Result<std::vector<UsageRecord>> list(const UsageFilter& filter, std::string_view after,
                                        std::size_t limit) const override;
  Result<std::vector<UsageSum>> sum(const UsageFilter& filter, UsageDimension by) const override;
  Result<std::vector<UsageRecord>> overlapping(TimePoint from, TimePoint to) const override;

 private:
  const std::shared_ptr<Database> database_;
};

}  // namespace millrace::store
