// What work waits for: when a run gives it up, and whose backlog it is.
#include "twin/sim/test_world.h"

namespace millrace::twin {
namespace {

RunOptions seeded(std::uint64_t seed) {
  RunOptions options;
  options.seed = seed;
  return options;
}

TEST(Waiting, AMendThatTakesMoreThanAWeekIsWaitedFor) {
  for (const bool is_feed : {false, true}) {
    SiteConfig config = small_site(1);
    config.policy.checkpoint = seconds(1'000);
    (is_feed ? config.feeds[0].failures : config.node_types[0].failures) = {.between = seconds(4'000),
                                                                            .repair = seconds(20 * 86'400)};
    double longest_s = 0.0;
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      const auto result = play_world(config, {job_of(0, 6'000, 8)}, seeded(seed)).value();
      EXPECT_EQ(result.jobs_done, 1) << "seed " << seed;
      EXPECT_EQ(result.jobs_unplaceable, 0) << "seed " << seed;
      longest_s = std::max(longest_s, value(result, "makespan_s"));
    }
    EXPECT_GT(longest_s, 8 * 86'400.0);
  }
}

TEST(Waiting, ForPowerIsGivenUpAfterAWeekThoughNodesAreMended) {
  SiteConfig config = small_site(8);
  config.policy.scheduler.cap_floor_milli = 1'000;
  config.node_types[0].failures = {.between = seconds(10 * 86'400), .repair = seconds(5 * 86'400)};
  config.sites[0].power = {{.since = {}, .budget_mw = static_cast<std::int64_t>(1.2 * 8 * 1'600'000)}};
  const auto result = play_world(config, {job_of(0, 6'000, 8)}).value();
  EXPECT_EQ(result.jobs_unplaceable, 1);
  EXPECT_GE(result.simulated_days, 7.0);
  EXPECT_LT(result.simulated_days, 12.0);
}

TEST(Waiting, ForRoomThatFailuresNeverLeaveFreeIsGivenUpAfterAYear) {
  SiteConfig config = small_site(40);
  config.node_types[0].failures = {.between = seconds(86'400), .repair = seconds(86'400)};
  const auto result = play_world(config, {job_of(86'400, 6'000, 8, 40)}).value();
  EXPECT_EQ(result.jobs_unplaceable, 1) << "half of the nodes are down at any time";
  EXPECT_NEAR(result.simulated_days, 366.0, 2.0);
}

TEST(Waiting, ForTheBudgetOfANodeIsNoBacklogOfItsSite) {
  SiteConfig config = small_site(1);
  config.policy.scheduler.cap_floor_milli = 1'000;
  config.sites[0].power = {{.since = {}, .budget_mw = 100'000'000}};
  config.node_types[0].budget_mw = 1'600'000 + 5 * 603'125;
  const std::vector<TraceJob> jobs = {job_of(0, 36'000, 4), job_of(1, 3'600, 4)};
  const auto result = play_world(config, jobs).value();
  EXPECT_GE(value(result, "wait_mean_s"), 17'000.0) << "the node has no power for both";
  EXPECT_EQ(value(result, "backlog_hours"), 0.0);
  EXPECT_FALSE(find_value(result, "power_used_backlog_pct"));
}

}  // namespace
}  // namespace millrace::twin
