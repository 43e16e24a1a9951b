// What work waits for: when a run gives it up, whose backlog it is, and what a pause leaves it.
#include "host/file.h"
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

/// Twelve dirty hours and twelve clean ones, all known; and work that runs for ten hours from the evening on.
SiteConfig tidal_site(seconds grace) {
  SiteConfig config = small_site(2);
  std::vector<std::int64_t> values;
  for (int hour = 0; hour < 24; ++hour) values.push_back(hour < 12 ? 300'000 : 30'000);
  config.sites[0].carbon =
      energy::HourlySeries::create(world_start(), values, energy::Outside::kWraps).value();
  config.policy.shift = "oracle";
  config.priority_classes[0].grace = grace;
  return config;
}

std::vector<TraceJob> evening_work() {
  std::vector<TraceJob> jobs = {job_of(3'600 * 20, 3'600 * 10, 8)};
  jobs[0].deferrable = jobs[0].interruptible = true;
  jobs[0].deadline = jobs[0].arrival + std::chrono::hours(48);
  return jobs;
}

TEST(Waiting, APauseForCleanHoursHasTheGraceOfItsClass) {
  std::string folder = "/tmp/millrace-grace-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  RunOptions options;
  options.decisions_path = folder + "/decisions.tsv";
  const auto result = play_world(tidal_site(seconds(10)), evening_work(), options).value();
  EXPECT_EQ(value(result, "pauses"), 1.0);
  const auto log = host::read_file(options.decisions_path).value();
  EXPECT_NE(log.find("\tstop\trun 1, grace 10 s; "), std::string::npos) << log;
  EXPECT_NE(log.find("2026-01-02T00:00:10.000000Z\tjob-1\tqueued\tstopped"), std::string::npos) << log;
  EXPECT_TRUE(host::remove_tree(folder));
}

TEST(Waiting, WorkWithoutAnyGraceIsNotPausedForCleanHours) {
  const auto result = play_world(tidal_site(seconds(0)), evening_work()).value();
  EXPECT_EQ(value(result, "pauses"), 0.0);
  EXPECT_EQ(value(result, "lost_accelerator_hours"), 0.0);
  EXPECT_GT(value(result, "carbon_saving_pct"), 0.0) << "it waits for the clean half of the next day";
}

}  // namespace
}  // namespace millrace::twin
