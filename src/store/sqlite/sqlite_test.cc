// What only SQLite can break: durability, grouping, versions, damaged files.
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "store/backend_test_worlds.h"
#include "store/sqlite/database.h"
#include "store/sqlite/schema.h"

namespace millrace::store {
namespace {

Transaction put(const std::string& key, const std::string& value) {
  return {.expect = {}, .put = {{key, value}}, .erase = {}};
}

TEST(Sqlite, CommitsOfSeveralCallersShareOneSync) {
  SqliteWorld world;
  // While the listener of the first commit holds the writer up, the others queue.
  world.store().subscribe([](Revision revision, const Transaction&) {
    if (revision == 1) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  });
  std::vector<std::thread> writers;
  for (int i = 0; i < 20; ++i) {
    writers.emplace_back([&, i] { EXPECT_TRUE(world.store().commit(put(std::to_string(i), "x"))); });
  }
  for (auto& writer : writers) writer.join();
  EXPECT_EQ(world.store().list("", "", 100)->size(), 20U);
  EXPECT_LE(world.stores.database->commits(), 10U);
  const auto before = world.stores.database->commits();
  EXPECT_TRUE(world.store().commit(put("alone", "x")));
  EXPECT_EQ(world.stores.database->commits(), before + 1);
}

TEST(Sqlite, AConflictInAGroupLeavesTheOthersAlone) {
  SqliteWorld world;
  world.store().subscribe([](Revision revision, const Transaction&) {
    if (revision == 1) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  });
  std::vector<std::thread> writers;
  std::atomic<int> refused = 0, taken = 0;
  for (int i = 0; i < 12; ++i) {
    writers.emplace_back([&, i] {
      auto change = put("key" + std::to_string(i), "x");
      if (i % 2 == 1) change.expect.push_back({"absent", 5});
      (world.store().commit(change) ? taken : refused)++;
    });
  }
  for (auto& writer : writers) writer.join();
  EXPECT_EQ(taken, 6);
  EXPECT_EQ(refused, 6);
  EXPECT_EQ(world.store().list("key", "", 100)->size(), 6U);
  EXPECT_EQ(*world.store().commit(put("next", "x")), 7);
}

TEST(Sqlite, WorkThatFailsHalfWayLeavesNothing) {
  SqliteWorld world;
  const auto failed = world.stores.database->write([](Writer& writer) -> Result<std::int64_t> {
    TRY_VOID(writer.put->bind_blob(1, "half").bind_blob(2, "x").bind(3, ++writer.revision).run());
    return failure(ErrorCode::kExhausted, "half way");
  });
  EXPECT_EQ(failed.error().code, ErrorCode::kExhausted);
  EXPECT_FALSE(world.store().get("half"));
  EXPECT_EQ(*world.store().commit(put("a", "1")), 1);
}

TEST(Sqlite, WhatWasAcknowledgedSurvivesKill) {
  TempFolder folder;
  const std::string path = folder.path() + "/test.db";
  for (int round = 0; round < 5; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      auto stores = open_sqlite(path);
      if (!stores) ::_exit(1);
      for (int i = 0;; ++i) {
        const std::string key = std::to_string(round) + "/" + std::to_string(i);
        if (!stores->store->commit(put(key, key))) ::_exit(1);
        if (::write(ends[1], &i, sizeof i) != sizeof i) ::_exit(1);
      }
    }
    ::close(ends[1]);
    int last = -1;
    for (int i = 0; i < 30 + round * 7; ++i) ASSERT_EQ(::read(ends[0], &last, sizeof last), 4);
    ::kill(child, SIGKILL);
    while (::read(ends[0], &last, sizeof last) == 4) {
    }
    ::close(ends[0]);
    ::waitpid(child, nullptr, 0);
    const auto stores = open_sqlite(path);
    ASSERT_TRUE(stores) << stores.error().message;
    for (int i = 0; i <= last; ++i) {
      EXPECT_TRUE(stores->store->get(std::to_string(round) + "/" + std::to_string(i))) << round << "/" << i;
    }
  }
}

TEST(Sqlite, RevisionsAndTheFenceGoOnAfterReopening) {
  TempFolder folder;
  const std::string path = folder.path() + "/test.db";
  {
    const auto stores = *open_sqlite(path);
    EXPECT_EQ(*stores.store->take_fence(), 1);
    EXPECT_EQ(*stores.store->commit(put("a", "1")), 1);
  }
  const auto stores = *open_sqlite(path);
  EXPECT_EQ(stores.store->commit(put("a", "2")).error().code, ErrorCode::kDenied);
  EXPECT_EQ(*stores.store->take_fence(), 2);
  EXPECT_EQ(*stores.store->commit(put("a", "2")), 2);
}

TEST(Sqlite, OnlyOneProcessHasItOpenAndTheFileIsPrivate) {
  SqliteWorld world;
  const std::string path = world.folder.path() + "/test.db";
  const auto second = open_sqlite(path);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
  ASSERT_TRUE(world.store().commit(put("a", "1")));
  for (const auto& name : *host::list_dir(world.folder.path())) {
    struct stat info;
    ASSERT_EQ(::stat((world.folder.path() + "/" + name).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 077, 0U) << name;
  }
}

TEST(Sqlite, ANewerSchemaIsRefusedUntouched) {
  TempFolder folder;
  const std::string path = folder.path() + "/test.db";
  std::vector<const char*> steps(migrations().begin(), migrations().end());
  steps.push_back("CREATE TABLE later (x)");
  {
    ASSERT_TRUE(Database::open(path, steps));
  }
  const auto before = *host::sha256_file(path);
  const auto opened = open_sqlite(path);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kConflict);
  EXPECT_NE(opened.error().message.find(fmt::format("schema version is {}", steps.size())), std::string::npos)
      << opened.error().message;
  EXPECT_EQ(host::sha256_file(path)->sha256, before.sha256);
}

TEST(Sqlite, AMigrationKeepsACopyFirst) {
  TempFolder folder;
  const std::string path = folder.path() + "/test.db";
  {
    ASSERT_TRUE(open_sqlite(path)->store->commit(put("a", "1")));
  }
  EXPECT_FALSE(host::exists(path + ".v0"));
  std::vector<const char*> steps(migrations().begin(), migrations().end());
  steps.push_back("UPDATE record SET value = 'changed'");
  {
    const auto database = Database::open(path, steps);
    ASSERT_TRUE(database) << database.error().message;
    EXPECT_EQ(SqliteStore(*database).get("a")->value, "changed");
  }
  const std::string kept = fmt::format("{}.v{}", path, migrations().size());
  ASSERT_TRUE(host::exists(kept));
  const auto copy = open_sqlite(kept);
  ASSERT_TRUE(copy) << copy.error().message;
  EXPECT_EQ(copy->store->get("a")->value, "1");
}

TEST(Sqlite, UsageOfTheFirstVersionIsAllThereAndFoundByTime) {
  TempFolder folder;
  const std::string path = folder.path() + "/test.db";
  constexpr std::int64_t kHourUs = 3'600'000'000;
  {
    // Version 1 with records of three hours, marked as such.
    auto connection = Connection::open(path, false);
    ASSERT_TRUE(connection);
    ASSERT_TRUE(connection->exec(migrations()[0]));
    for (int i = 1; i <= 3; ++i) {
      ASSERT_TRUE(connection->exec(
          fmt::format("INSERT INTO usage VALUES "
                      "('req_{0}','','t{1}','p','k','e','m',1,1,0,1,NULL,NULL,'','unknown',{0},0,'s','FR',"
                      "{2},{2} + 5)",
                      i, i % 2, i * kHourUs)));
    }
    ASSERT_TRUE(connection->exec("PRAGMA user_version = 1"));
  }
  const auto stores = open_sqlite(path);
  ASSERT_TRUE(stores) << stores.error().message;
  const auto all = *stores->usage->list({}, "", 10);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[2].cost_microeur, 3);
  EXPECT_EQ(all[2].accelerator_ms, 0);
  EXPECT_EQ(all[0].tenant, "t1");
  EXPECT_EQ(all[1].tenant, "t0");
  const auto time = [](std::int64_t us) { return TimePoint{std::chrono::microseconds{us}}; };
  UsageFilter second;
  second.from = time(2 * kHourUs);
  second.to = time(3 * kHourUs);
  EXPECT_EQ(*stores->usage->list(second, "", 10), std::vector{all[1]});
  EXPECT_EQ(*stores->usage->overlapping(time(3 * kHourUs + 4), time(9 * kHourUs)), std::vector{all[2]});
  EXPECT_EQ(*stores->usage->append(all), 0);
}

TEST(Sqlite, UsageOfTheThirdVersionHadNoReasoningToTellOf) {
  TempFolder folder;
  const std::string path = folder.path() + "/test.db";
  {
    auto connection = Connection::open(path, false);
    ASSERT_TRUE(connection);
    ASSERT_TRUE(migrate(*connection, path, migrations().first(3)));
    ASSERT_TRUE(connection->exec(
        "INSERT INTO usage_context VALUES (1,'t','p','k','e','m','','unknown','s','FR',2);"
        "INSERT INTO usage VALUES ('req_1','c',1,1,10,4,6,NULL,NULL,5,60000000,60000007,8,9)"));
  }
  const auto stores = open_sqlite(path);
  ASSERT_TRUE(stores) << stores.error().message;
  UsageRecord want;
  want.request_id = "req_1";
  want.client_request_id = "c";
  want.tenant = "t";
  want.project = "p";
  want.key_id = "k";
  want.endpoint = "e";
  want.model = "m";
  want.status = UsageStatus::kCompleted;
  want.input_tokens = 10;
  want.cached_tokens = 4;
  want.output_tokens = 6;
  want.basis = "unknown";
  want.cost_microeur = 5;
  want.price_version = 2;
  want.site = "s";
  want.zone = "FR";
  want.started_at = TimePoint{std::chrono::microseconds{60'000'000}};
  want.ended_at = TimePoint{std::chrono::microseconds{60'000'007}};
  want.accelerator_ms = 8;
  want.cpu_us = 9;
  EXPECT_EQ(*stores->usage->list({}, "", 10), std::vector{want});
  EXPECT_TRUE(host::exists(path + ".v3"));
  UsageRecord thoughtful = want;
  thoughtful.request_id = "req_2";
  thoughtful.reasoning_tokens = 3;
  EXPECT_EQ(*stores->usage->append({&thoughtful, 1}), 1);
  EXPECT_EQ(*stores->usage->list({}, "", 10), (std::vector{want, thoughtful}));
}

TEST(Sqlite, AContextOfATransactionThatWasRolledBackIsWrittenAgain) {
  SqliteWorld world;
  UsageRecord record;
  record.request_id = "req_1";
  record.tenant = "acme";
  const auto failed = world.stores.database->write([&](Writer& writer) -> Result<std::int64_t> {
    TRY_VOID(writer.usage->append(writer.connection, {&record, 1}));
    return failure(ErrorCode::kExhausted, "half way");
  });
  EXPECT_EQ(failed.error().code, ErrorCode::kExhausted);
  EXPECT_EQ(*world.usage().append({&record, 1}), 1);
  EXPECT_EQ(world.usage().list({}, "", 10)->at(0).tenant, "acme");
}

TEST(Sqlite, AFailedMigrationChangesNothing) {
  TempFolder folder;
  const std::string path = folder.path() + "/test.db";
  {
    ASSERT_TRUE(open_sqlite(path)->store->commit(put("a", "1")));
  }
  std::vector<const char*> steps(migrations().begin(), migrations().end());
  steps.push_back("UPDATE record SET value = 'x'; no such statement");
  EXPECT_FALSE(Database::open(path, steps));
  const auto stores = open_sqlite(path);
  ASSERT_TRUE(stores) << stores.error().message;
  EXPECT_EQ(stores->store->get("a")->value, "1");
}

TEST(Sqlite, AFileThatIsNoDatabaseIsAClearError) {
  TempFolder folder;
  const std::string path = folder.path() + "/test.db";
  ASSERT_TRUE(host::write_file_atomic(path, std::string(8192, 'x')));
  const auto opened = open_sqlite(path);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
  EXPECT_FALSE(open_sqlite(folder.path() + "/absent/test.db"));
}

}  // namespace
}  // namespace millrace::store
