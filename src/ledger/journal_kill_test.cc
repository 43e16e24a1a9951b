// kill -9 of a gateway in the middle of its work, again and again: every opened request has exactly one record.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>

#include "core/rng.h"
#include "ledger/drain.h"
#include "ledger/ledger_test_support.h"
#include "store/memory/memory_usage.h"

namespace millrace::ledger {
namespace {

constexpr int kMost = 20000;

/// What the writer tells about each request, in memory shared with the test: it outlives the writer. A number is
/// written before the journal's call ("about to") or after it ("done"), which bounds what the record may say.
struct Witness {
  struct Request {
    volatile int opening, opened;  // 1 before, 1 after
    volatile std::int64_t output_before, output_after;
    volatile int settling, settled;  // 1 + status before, after
  };
  volatile int started;
  Request requests[kMost];
};

std::string id_of(int number) {
  char text[32];
  std::snprintf(text, sizeof text, "req_%010d", number);
  return text;
}

Figures figures(std::int64_t output) {
  return {.input_tokens = 10, .output_tokens = output, .reasoning_tokens = output / 2, .energy_uj = output};
}

[[noreturn]] void write_until_killed(const std::string& folder, const std::string& id, std::uint64_t seed,
                                     int first, Witness& seen) {
  auto journal = Journal::create(folder, id, {.slots = 64});
  if (!journal) ::_exit(1);
  SeededRng rng(seed);
  std::map<int, std::pair<JournalSlot, std::int64_t>> open;
  int next = first;
  seen.started = 1;
  while (next < kMost) {
    const auto what = rng.next() % 10;
    if (open.empty() || what < 3) {
      if (open.size() >= 40) continue;
      auto& request = seen.requests[next];
      request.opening = 1;
      const auto slot = (*journal)->open(open_request(id_of(next)));
      if (!slot) {
        request.opening = 0;
        ::usleep(100);
        continue;
      }
      request.opened = 1;
      open[next++] = {*slot, 0};
      continue;
    }
    auto at = std::next(open.begin(), static_cast<std::ptrdiff_t>(rng.next() % open.size()));
    auto& request = seen.requests[at->first];
    auto& [slot, output] = at->second;
    if (what < 8) {
      request.output_before = ++output;
      (*journal)->update(slot, figures(output), kStart);
      request.output_after = output;
    } else {
      const auto status = static_cast<store::UsageStatus>(1 + rng.next() % 3);
      (*journal)->finalise(slot, figures(output), kStart);
      request.settling = static_cast<int>(status);
      (*journal)->settle(slot, status, kStart);
      request.settled = static_cast<int>(status);
      open.erase(at);
    }
  }
  ::pause();
  ::_exit(0);
}

void check(const Witness& seen, const store::UsageTable& table) {
  std::map<std::string, store::UsageRecord> records;
  for (auto& record : *table.list({}, "", 10'000'000)) records[record.request_id] = record;
  std::size_t accounted = 0;
  for (int i = 0; i < kMost; ++i) {
    const auto& request = seen.requests[i];
    const auto found = records.find(id_of(i));
    if (request.opened == 1) ASSERT_NE(found, records.end()) << "lost " << id_of(i);
    if (request.opening == 0) ASSERT_EQ(found, records.end()) << "invented " << id_of(i);
    if (found == records.end()) continue;
    ++accounted;
    const auto& record = found->second;
    EXPECT_GE(record.output_tokens, request.output_after);
    EXPECT_LE(record.output_tokens, request.output_before);
    EXPECT_LE(record.cached_tokens, record.input_tokens);
    EXPECT_LE(record.reasoning_tokens, record.output_tokens);
    const int status = static_cast<int>(record.status);
    if (request.settled != 0) {
      EXPECT_EQ(status, request.settled);
      EXPECT_EQ(record.reasoning_tokens, record.output_tokens / 2);
    } else if (request.settling == 0) {
      EXPECT_EQ(record.status, store::UsageStatus::kFailed);
    } else {
      EXPECT_TRUE(status == request.settling || record.status == store::UsageStatus::kFailed);
    }
  }
  EXPECT_EQ(accounted, records.size());
}

TEST(JournalKill, LeavesExactlyOneRecordForEachOpenedRequest) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    TempFolder folder;
    void* memory =
        ::mmap(nullptr, sizeof(Witness), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    Witness& seen = *new (memory) Witness{};
    const std::string journals = folder.path() + "/journal";
    const pid_t child = ::fork();
    if (child == 0) write_until_killed(journals, "j" + std::to_string(seed), seed, 0, seen);
    store::MemoryUsageTable table;
    FixedClock clock;
    JournalDrain drain(journals, table, clock);
    while (seen.started == 0) ::usleep(500);
    // The drain works beside the writer until the kill, at a moment that the seed decides.
    SeededRng rng(seed * 1000);
    const auto drains = rng.next() % 8;
    for (std::uint64_t i = 0; i < drains; ++i) {
      const auto report = drain.drain();
      ASSERT_TRUE(report) << report.error().message;
      EXPECT_TRUE(report->damage.empty());
      ::usleep(static_cast<useconds_t>(rng.next() % 3000));
    }
    ::usleep(static_cast<useconds_t>(rng.next() % 3000));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const auto last = drain.drain();
    ASSERT_TRUE(last) << last.error().message;
    EXPECT_TRUE(last->damage.empty());
    ASSERT_EQ(last->journals.size(), 1U);
    EXPECT_TRUE(last->journals[0].closed);
    check(seen, table);
    ::munmap(memory, sizeof(Witness));
    if (testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace millrace::ledger
