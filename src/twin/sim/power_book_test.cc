#include "twin/sim/power_book.h"

#include <gtest/gtest.h>

#include "twin/sim/test_world.h"

namespace millrace::twin {
namespace {

using Level = PowerBook::Level;
constexpr VirtualTime kSecond = 1'000'000;

TEST(PowerBook, ASiteDrawsItsNodesTimesItsPue) {
  const SiteConfig config = small_site(2);
  PowerBook book(config.cluster, 0);
  EXPECT_EQ(book.draw_mw(Level::kSite, 0), 2 * 1'600'000 * 12 / 10);
  book.add(1, 700'000);
  EXPECT_EQ(book.draw_mw(Level::kNode, 1), 2'300'000);
  EXPECT_EQ(book.draw_mw(Level::kNode, 0), 1'600'000);
  EXPECT_EQ(book.draw_mw(Level::kRack, 0), 3'900'000);
  EXPECT_EQ(book.draw_mw(Level::kFeed, 0), 3'900'000);
  EXPECT_EQ(book.draw_mw(Level::kSite, 0), 4'680'000);
}

TEST(PowerBook, OnlyWhatIsLeftWhenTheClockMovesOnIsJudged) {
  const SiteConfig config = small_site(1);
  PowerBook book(config.cluster, 0);
  book.set_budget(Level::kNode, 0, 2'000'000);
  book.add(0, 900'000);
  book.add(0, -600'000);
  book.settle(0);
  book.settle(10 * kSecond);
  EXPECT_EQ(book.totals().exceeded, 0);
}

TEST(PowerBook, AnIntervalAboveTheBudgetCountsOnceHoweverOftenTheDrawChanges) {
  const SiteConfig config = small_site(1);
  PowerBook book(config.cluster, 0);
  book.set_budget(Level::kFeed, 0, 2'000'000);
  book.settle(0);
  book.add(0, 500'000);
  book.settle(kSecond);
  book.add(0, 100'000);
  book.settle(3 * kSecond);
  book.add(0, -600'000);
  book.settle(4 * kSecond);
  book.add(0, 400'001);
  book.settle(5 * kSecond);
  book.settle(7 * kSecond);
  const PowerBook::Totals totals = book.totals();
  EXPECT_EQ(totals.exceeded, 2);
  EXPECT_DOUBLE_EQ(totals.exceeded_s, 5.0);
}

TEST(PowerBook, ABudgetBelowIdleIsInfeasibleAndNotExceeded) {
  const SiteConfig config = small_site(2);
  PowerBook book(config.cluster, 0);
  book.set_budget(Level::kSite, 0, 3'000'000);
  book.settle(0);
  book.settle(kSecond);
  EXPECT_EQ(book.totals().exceeded, 0);
  EXPECT_EQ(book.totals().infeasible, 1);
  book.set_powered(0, false);
  book.add(1, 1'000'000);
  book.settle(2 * kSecond);
  book.settle(3 * kSecond);
  EXPECT_EQ(book.totals().exceeded, 1) << "with a node off the budget can be kept";
}

TEST(PowerBook, EnergyOfIdleAndWorkAddUpToTheSite) {
  const SiteConfig config = small_site(2);
  PowerBook book(config.cluster, 0);
  book.add(0, 1'000);
  book.settle(0);
  book.add(1, 5'000);
  book.settle(10 * kSecond);
  book.set_powered(1, false);
  book.add(1, -5'000);
  book.settle(25 * kSecond);
  book.settle(30 * kSecond);
  const NanoJoule idle = NanoJoule{3'200'000} * 25 * kSecond + NanoJoule{1'600'000} * 5 * kSecond;
  const NanoJoule work = NanoJoule{1'000} * 30 * kSecond + NanoJoule{5'000} * 15 * kSecond;
  EXPECT_EQ(book.site_idle_energy(0), idle);
  EXPECT_EQ(book.site_energy(0), idle + work);
}

TEST(PowerBook, UseOfABudgetIsWeightedByTimeAndNeverAboveWhatTheSiteCanDraw) {
  const SiteConfig config = small_site(1);
  PowerBook book(config.cluster, 0);
  EXPECT_EQ(book.totals().used_share, 0.0) << "no budget";
  book.set_budget(Level::kSite, 0, 4'000'000);
  book.set_backlog(0, true);
  book.settle(0);
  book.add(0, 1'400'000);  // 3 kW x 1.2 = 3.6 kW of 4 kW
  book.set_backlog(0, false);
  book.settle(10 * kSecond);
  book.settle(20 * kSecond);
  EXPECT_NEAR(book.totals().used_share, (1.92 + 3.6) / 8.0, 1e-12);
  EXPECT_NEAR(book.totals().used_share_backlog, 1.92 / 4.0, 1e-12);
  EXPECT_DOUBLE_EQ(book.totals().backlog_s, 10.0);
}

TEST(PowerBook, BacklogIsOfTheSiteWhosePowerIsWaitedFor) {
  SiteConfig config = small_site(2, 2);
  config.cluster.sites.push_back({.name = "idle", .zone = "SE-SE3", .jurisdiction = "SE", .pue = 1.2});
  config.cluster.racks[1] = {.name = "r1", .site = 1, .feed = scheduler::kNoFeed};
  config.cluster.nodes[1].site = 1;
  PowerBook book(config.cluster, 0);
  book.set_budget(Level::kSite, 0, 2'400'000);
  book.set_budget(Level::kSite, 1, 6'000'000);
  book.add(0, 400'000);  // 2 kW x 1.2 of 2.4 kW; the other draws 1.92 of 6 kW
  book.set_backlog(0, true);
  book.settle(0);
  book.settle(10 * kSecond);
  EXPECT_NEAR(book.totals().used_share_backlog, 1.0, 1e-12);
  EXPECT_NEAR(book.totals().used_share, (2.4 + 1.92) / 8.4, 1e-12);
  EXPECT_DOUBLE_EQ(book.totals().backlog_s, 10.0);
}

}  // namespace
}  // namespace millrace::twin
