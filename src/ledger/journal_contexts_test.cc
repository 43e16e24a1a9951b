#include "ledger/journal_contexts.h"

#include <rapidcheck.h>

#include <algorithm>
#include <string>

#include "ledger/drain.h"
#include "ledger/ledger_test_support.h"
#include "store/memory/memory_usage.h"

namespace millrace::ledger {
namespace {

struct ContextsTest : testing::Test {
  std::vector<ContextData> data = std::vector<ContextData>(4);
  std::vector<bool> in_use = std::vector<bool>(4, true);
  JournalContexts contexts{data, [this](std::vector<bool>& used) { used = in_use; }, [](std::uint32_t) {}};
  std::optional<std::uint32_t> of(std::string_view tenant, std::int64_t price_version = 1) {
    OpenRequest request = open_request("req_1");
    request.tenant = tenant;
    request.price_version = price_version;
    return contexts.of(request);
  }
};

TEST_F(ContextsTest, RequestsThatShareEverythingShareOne) {
  const auto one = of("one");
  const auto two = of("two");
  EXPECT_NE(one, two);
  EXPECT_EQ(of("one"), one);
  EXPECT_EQ(of("two"), two);
  EXPECT_NE(of("two", 2), two);  // another price is another context
}

TEST_F(ContextsTest, TextsThatOnlyJoinToTheSameBytesAreKeptApart) {
  OpenRequest request = open_request("req_1");
  request.tenant = "ab";
  request.project = "c";
  const auto first = contexts.of(request);
  request.tenant = "a";
  request.project = "bc";
  EXPECT_NE(contexts.of(request), first);
}

TEST_F(ContextsTest, AllInUseIsRefusedAndOneGivenBackServesAgain) {
  for (const char* tenant : {"a", "b", "c", "d"}) ASSERT_TRUE(of(tenant));
  EXPECT_FALSE(of("e"));
  in_use[2] = false;
  EXPECT_EQ(of("e"), 2U);
  in_use[2] = true;
  EXPECT_EQ(of("a"), 0U);
  EXPECT_EQ(of("e"), 2U);
  EXPECT_FALSE(of("c"));
}

/// Few contexts, many tenants: each record says what its request said, whoever had the context before.
TEST(JournalContextsInAJournal, TakingTurnsMixesNothingUp) {
  const bool held = rc::check([] {
    TempFolder folder;
    const FixedClock clock;
    store::MemoryUsageTable table;
    JournalDrain drain(folder.path(), table, clock);
    auto journal = make_journal(folder.path(), "j1", 16);
    std::map<std::string, std::string> wanted;
    std::vector<JournalSlot> open;
    for (int i = 0; i < 200; ++i) {
      const std::string id = "req_" + std::to_string(i);
      const std::string tenant = "tenant-" + std::to_string(*rc::gen::inRange(0, 60));
      auto request = open_request(id);
      request.tenant = tenant;
      if (const auto slot = journal->open(request)) {
        wanted[id] = tenant;
        open.push_back(*slot);
      }
      if (*rc::gen::inRange(0, 3) == 0 && !open.empty()) {
        const auto chosen = *rc::gen::inRange<std::size_t>(0, open.size());
        journal->settle(open[chosen], store::UsageStatus::kCompleted, kStart);
        open.erase(open.begin() + static_cast<std::ptrdiff_t>(chosen));
      }
      if (*rc::gen::inRange(0, 5) == 0) RC_ASSERT(drain.drain()->damage.empty());
    }
    RC_ASSERT(wanted.size() > 16U);
    journal.reset();
    RC_ASSERT(drain.drain()->damage.empty());
    std::map<std::string, std::string> found;
    for (const auto& record : *table.list({}, "", 1000)) found[record.request_id] = record.tenant;
    RC_ASSERT(found == wanted);
  });
  EXPECT_TRUE(held);
}

}  // namespace
}  // namespace millrace::ledger
