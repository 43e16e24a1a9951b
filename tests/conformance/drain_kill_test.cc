// kill -9 of the server while it drains a journal into the SQLite table: the next server finishes, and nothing is
// lost or doubled.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "host/file.h"
#include "host/system_clock.h"
#include "ledger/drain.h"
#include "ledger/journal.h"
#include "store/sqlite/sqlite_store.h"

namespace millrace {
namespace {

constexpr int kRequests = 6000;

void fill(const std::string& folder) {
  auto journal = ledger::Journal::create(folder, "j1", {.slots = 8192});
  ASSERT_TRUE(journal) << journal.error().message;
  for (int i = 0; i < kRequests; ++i) {
    const std::string id = "req_" + std::to_string(100'000 + i);
    ledger::OpenRequest request;
    request.request_id = id;
    request.tenant = "default";
    request.started_at = TimePoint{std::chrono::seconds{1'790'000'000}};
    const auto slot = (*journal)->open(request);
    ASSERT_TRUE(slot);
    (*journal)->update(*slot, {.output_tokens = 1}, request.started_at);
    if (i % 3 != 0) (*journal)->settle(*slot, store::UsageStatus::kCompleted, request.started_at);
  }
}

Result<void> drain(const std::string& folder, const std::string& database) {
  const auto stores = TRY(store::open_sqlite(database));
  const host::SystemClock clock;
  ledger::JournalDrain drain(folder, *stores.usage, clock);
  TRY_VOID(drain.drain());
  return {};
}

TEST(DrainKill, TheNextServerFinishes) {
  int cut_short = 0;
  for (unsigned round = 1; round <= 8; ++round) {
    char name[] = "/tmp/millrace-drain-XXXXXX";
    const std::string folder = mkdtemp(name);
    const std::string database = folder + "/usage.db";
    fill(folder + "/journal");
    const pid_t child = ::fork();
    if (child == 0) ::_exit(drain(folder + "/journal", database) ? 0 : 1);
    ::usleep(12'000 * round);
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) ++cut_short;
    const auto finished = drain(folder + "/journal", database);
    ASSERT_TRUE(finished) << finished.error().message;
    EXPECT_FALSE(host::exists(folder + "/journal/j1.mrj"));
    {
      const auto stores = store::open_sqlite(database);
      ASSERT_TRUE(stores) << stores.error().message;
      const auto sums = *stores->usage->sum({}, store::UsageDimension::kTenant);
      ASSERT_EQ(sums.size(), 1U);
      EXPECT_EQ(sums[0].requests, kRequests);
      EXPECT_EQ(sums[0].output_tokens, kRequests);
    }
    static_cast<void>(host::remove_tree(folder));
  }
  EXPECT_GT(cut_short, 0) << "every drain ended before its kill: nothing was tried";
}

}  // namespace
}  // namespace millrace
