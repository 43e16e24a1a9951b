// The backends that the conformance suite runs on: every test of it holds for each of them.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "host/file.h"
#include "store/memory/memory_store.h"
#include "store/memory/memory_usage.h"
#include "store/sqlite/sqlite_store.h"

namespace millrace::store {

class TempFolder {
 public:
  TempFolder() {
    char name[] = "/tmp/millrace-store-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~TempFolder() { static_cast<void>(host::remove_tree(path_)); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct MemoryWorld {
  MemoryStore first;
  MemoryUsageTable table;
  Store& store() { return first; }
  UsageTable& usage() { return table; }
  std::unique_ptr<Store> second_handle() { return first.share(); }
};

struct SqliteWorld {
  SqliteWorld() {
    auto opened = open_sqlite(folder.path() + "/test.db");
    if (!opened) {
      ADD_FAILURE() << opened.error().message;
      std::abort();
    }
    stores = *std::move(opened);
  }
  TempFolder folder;
  SqliteStores stores;
  Store& store() { return *stores.store; }
  UsageTable& usage() { return *stores.usage; }
  std::unique_ptr<Store> second_handle() { return std::make_unique<SqliteStore>(stores.database); }
};

using Worlds = testing::Types<MemoryWorld, SqliteWorld>;

}  // namespace millrace::store
