#include "api/live.h"

#include <fmt/format.h>

#include "api/api_test_world.h"
#include "api/feed/used_figures.h"

namespace millrace::api {
namespace {

boost::json::object stats(std::int64_t requests, std::int64_t tokens, std::int64_t active = 0) {
  return {{"requests", requests}, {"output_tokens", tokens}, {"active_requests", active}, {"unknown", "x"}};
}

TEST(Live, gives_rates_over_the_last_seconds) {
  TestClock clock;
  Live live(clock);
  for (int second = 0; second <= 10; ++second) {
    live.report("a", stats(second * 10, second * 500, 3));
    live.report("b", stats(second, 0, 1));
    clock.advance(std::chrono::seconds(1));
  }
  const LiveFigures figures = live.figures();
  EXPECT_EQ(figures.gateways, 2);
  EXPECT_EQ(figures.active_requests, 4);
  EXPECT_NEAR(figures.requests_per_s, 11, 1e-9);
  EXPECT_NEAR(figures.output_tokens_per_s, 500, 1e-9);
  EXPECT_EQ(live.totals().requests, 110);
}

TEST(Live, a_silent_gateway_leaves_the_figures_but_not_the_totals) {
  TestClock clock;
  Live live(clock);
  live.report("a", stats(5, 0));
  clock.advance(std::chrono::seconds(6));
  EXPECT_EQ(live.figures().gateways, 0);
  live.report("a", stats(7, 0));
  live.forget("a");
  EXPECT_EQ(live.figures().gateways, 0);
  live.report("a", stats(9, 0));  // the same process came back
  EXPECT_EQ(live.totals().requests, 9);
  live.report("a", stats(2, 0));  // a new process counts from 0
  EXPECT_EQ(live.totals().requests, 11);
}

class UsedFiguresTest : public testing::Test {
 protected:
  store::UsageRecord record(const std::string& id, std::int64_t tokens) {
    store::UsageRecord one;
    one.request_id = id;
    one.tenant = "t";
    one.project = "p";
    one.key_id = "k";
    one.output_tokens = tokens;
    one.cost_microeur = 2 * tokens;
    one.started_at = one.ended_at = clock.now();
    return one;
  }
  /// As the drain does: into the table first, then told.
  Result<void> drain(std::vector<store::UsageRecord> records, std::uint64_t through,
                     bool some_known = false) {
    EXPECT_TRUE(table.append(records));
    ledger::JournalDrain::Report report;
    report.records = std::move(records);
    report.journals.push_back({"j", through, false});
    report.some_were_known = some_known;
    return used.take(report);
  }
  identity::UsedPolicy of(const std::string& name) {
    PolicyRecords records;
    EXPECT_TRUE(used.add_to(records));
    return records.contains(name) ? identity::parse_used(records.at(name)).value() : identity::UsedPolicy{};
  }
  TestClock clock;
  store::MemoryUsageTable table;
  UsedFigures used{table, clock};
};

TEST_F(UsedFiguresTest, are_not_told_before_the_first_drain) {
  PolicyRecords records;
  EXPECT_FALSE(used.add_to(records));
  ASSERT_TRUE(drain({}, 0));
  EXPECT_TRUE(used.add_to(records));
}

TEST_F(UsedFiguresTest, count_each_record_once_whether_read_or_told) {
  ASSERT_TRUE(table.append(std::vector{record("0", 100)}));
  ASSERT_TRUE(drain({record("1", 10)}, 1));
  EXPECT_EQ(of("used/key/k").tokens, 110);
  ASSERT_TRUE(drain({record("2", 1)}, 2));
  EXPECT_EQ(of("used/project/p").tokens, 111);
  EXPECT_EQ(of("used/tenant/t").microeur, 222);
  ASSERT_TRUE(drain({record("2", 1), record("3", 1)}, 3, true));
  EXPECT_EQ(of("used/key/k").tokens, 112);
  PolicyRecords records;
  ASSERT_TRUE(used.add_to(records));
  EXPECT_EQ(identity::parse_drain(records.at("drained/j"))->through, 3);
}

TEST_F(UsedFiguresTest, begin_anew_each_month) {
  ASSERT_TRUE(drain({record("1", 10)}, 1));
  clock.advance(next_month(clock.now()) - clock.now());
  ASSERT_TRUE(drain({}, 1));
  EXPECT_EQ(of("used/key/k").tokens, 0);
  ASSERT_TRUE(drain({record("2", 3)}, 2));
  EXPECT_EQ(of("used/key/k").tokens, 3);
  EXPECT_EQ(of("used/key/k").month, month_of(clock.now()));
}

}  // namespace
}  // namespace millrace::api
