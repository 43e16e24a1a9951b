#include "control/site_events.h"

#include <gtest/gtest.h>

#include "control/cluster_test_support.h"

namespace millrace::control {
namespace {

SiteEvent event_of(std::string id, std::int64_t from, std::int64_t until, std::int64_t milli) {
  return {.id = std::move(id),
          .site = "local",
          .from = at(from),
          .until = at(until),
          .budget_mw = {},
          .budget_milli = milli};
}

TEST(SiteEvents, ARecordReadsBackAsItWasWrittenAndFaultsNameTheKey) {
  const SiteEvent event = event_of("e1", 0, 3600, 600);
  EXPECT_EQ(parse_site_event("e1", to_json(event)).value(), event);
  EXPECT_NE(parse_site_event("e1", to_json(event_of("e1", 5, 5, 600))).error().message.find("until"),
            std::string::npos);
  EXPECT_FALSE(parse_site_event("e1", R"({"site":"a","from":"2026-01-01","until":"2026-01-02"})"));
}

TEST(SiteEvents, TheLeastBudgetHoldsWhileEventsOverlapAndTheConfiguredOneReturns) {
  const SiteBudget site{.configured_mw = 1'000'000, .greatest_mw = 2'000'000};
  const std::vector<SiteEvent> events = {event_of("a", 100, 300, 600), event_of("b", 200, 400, 300)};
  EXPECT_EQ(budget_at(events, site, at(0)), 1'000'000);
  EXPECT_EQ(budget_at(events, site, at(100)), 600'000);
  EXPECT_EQ(budget_at(events, site, at(250)), 300'000);
  EXPECT_EQ(budget_at(events, site, at(400)), 1'000'000);
  EXPECT_EQ(budget_at(events, {.configured_mw = {}, .greatest_mw = 2'000'000}, at(100)), 1'200'000);
  EXPECT_EQ(budget_at({}, {.configured_mw = {}, .greatest_mw = 2'000'000}, at(100)), std::nullopt);
}

TEST(SiteEvents, AnEventThatIsTakenBackIsToldAtAllItsMoments) {
  const SiteBudget site{.configured_mw = 1'000'000, .greatest_mw = 2'000'000};
  const auto changes = budget_changes({event_of("a", 100, 300, 600)}, {}, site, 0, at(50));
  ASSERT_EQ(changes.size(), 3u);
  for (const auto& change : changes) EXPECT_EQ(change.milliwatts, 1'000'000);
  EXPECT_EQ(changes[1].from, at(100));
  EXPECT_EQ(changes[2].from, at(300));
}

}  // namespace
}  // namespace millrace::control
