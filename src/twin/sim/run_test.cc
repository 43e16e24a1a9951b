#include "twin/run.h"
#include "scheduler/speed.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cmath>

#include "host/file.h"
#include "twin/sim/test_world.h"

namespace millrace::twin {
namespace {

TEST(Run, AJobTakesItsWorkAndItsEnergy) {
  const auto result = play_world(small_site(1), {job_of(100, 3'600, 8)}).value();
  EXPECT_EQ(result.jobs_done, 1);
  EXPECT_DOUBLE_EQ(value(result, "wait_mean_s"), 0.0);
  EXPECT_DOUBLE_EQ(value(result, "jct_mean_s"), 3'600.0);
  EXPECT_DOUBLE_EQ(value(result, "makespan_s"), 3'700.0);
  EXPECT_NEAR(value(result, "allocation_pct"), 100.0 * 3'600.0 / 3'700.0, 1e-9);
  // 8 x 600 W and 8 of 128 cores of 400 W for an hour.
  EXPECT_NEAR(value(result, "energy_work_mwh"), (4'800.0 + 25.0) * 1e-6, 1e-12);
  EXPECT_NEAR(value(result, "energy_idle_mwh"), 1'600.0 * 3'700.0 / 3'600.0 * 1e-6, 1e-12);
  const double all = value(result, "energy_work_mwh") + value(result, "energy_idle_mwh");
  EXPECT_NEAR(value(result, "energy_mwh"), all * 1.2, 1e-12);
  EXPECT_NEAR(value(result, "co2e_t"), all * 1.2 * 1'000 * 50.0 * 1e-6, 1e-9) << "at 50 g/kWh";
  EXPECT_NEAR(value(result, "cost_energy_eur"), all * 1.2 * 80.0, 1e-5) << "at 80 EUR/MWh";
  EXPECT_NEAR(value(result, "revenue_eur"), 16.0, 1e-9) << "8 accelerator-hours at 2 EUR";
  EXPECT_NEAR(value(result, "peak_power_mw"), 1.2 * (1'600.0 + 4'825.0) * 1e-6, 1e-9);
}

TEST(Run, OnlyTheSiteWhosePowerIsWaitedForIsInBacklog) {
  SiteConfig config = small_sites({.name = "other", .zone = "SE-SE3", .jurisdiction = "SE", .pue = 1.2});
  config.policy.scheduler.cap_floor_milli = 1000;
  // Room for 7 accelerators and their cores at the second site, which works at 90 % of that; the first has no accelerators
  // left, and much power.
  config.sites[0].power = {{.since = {}, .budget_mw = 100'000'000}};
  config.sites[1].power = {
      {.since = {}, .budget_mw = static_cast<std::int64_t>(1.2 * (1'600'000 + 7 * 603'125))}};
  std::vector<TraceJob> jobs = {job_of(0, 36'000, 8), job_of(1, 36'000, 6), job_of(2, 3'600, 2)};
  const auto result = play_world(config, jobs).value();
  EXPECT_NEAR(value(result, "backlog_hours"), 10.0, 0.01);
  const double used = 1'600'000 + 6 * 603'125;
  EXPECT_NEAR(value(result, "power_used_backlog_pct"), 100.0 * used / (1'600'000 + 7 * 603'125), 0.01);
}

TEST(Run, WorkRunsWhereItsLawAndItsOtherNeedsAreMet) {
  SiteConfig config = small_site(4, 2);
  config.cluster.sites.push_back({.name = "other", .zone = "SE-SE3", .jurisdiction = "SE", .pue = 1.2});
  config.sites.push_back(config.sites[0]);
  config.cluster.racks[1] = {.name = "r1", .site = 1, .feed = scheduler::kNoFeed};
  for (const scheduler::NodeIndex node : {2u, 3u}) config.cluster.nodes[node].site = 1;
  config.cluster.domains[1].site = 1;
  config.cluster.nodes[1].attested = true;
  config.cluster.kinds[0].memory_bytes = std::int64_t{80} << 30;
  std::string folder = "/tmp/millrace-needs-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  RunOptions options;
  options.decisions_path = folder + "/decisions.tsv";
  const auto trace = parse_trace(
      "arrival_s,work_s,accelerators,zones,jurisdictions,accelerator_memory_mib,flags\n"
      "0,100,8,SE-SE3,,,\n1,100,8,,SE,,\n2,100,8,,,81920,a\n3,100,8,,,,\n4,100,8,,SE,,a\n5,100,8,,,81921,\n",
      "w.csv", "millrace", config);
  ASSERT_TRUE(trace) << trace.error().message;
  const auto source = play(*trace);
  const auto result = run_twin(config, *source, options);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->jobs_done, 4);
  EXPECT_EQ(result->jobs_unplaceable, 2) << "no attested node under that law, no kind with that memory";
  const auto log = host::read_file(options.decisions_path).value();
  EXPECT_NE(log.find("job-3\tstart\trun 1 on n1:0-7"), std::string::npos) << log;
  EXPECT_NE(log.find("job-4\tstart\trun 1 on n0:0-7"), std::string::npos) << log;
  EXPECT_TRUE(host::remove_tree(folder));
}

TEST(Run, RoundingOfStretchesIsNoSavingAndNoPrice) {
  SiteConfig config = small_site(2);
  std::vector<TraceJob> jobs;
  for (int i = 0; i < 50; ++i) {
    jobs.push_back(job_of(i * 977, 1'234, 3));
    jobs.back().deferrable = jobs.back().interruptible = true;
    jobs.back().deadline = jobs.back().arrival + std::chrono::hours(8);
  }
  const auto result = play_world(config, jobs).value();
  EXPECT_EQ(value(result, "carbon_saving_pct"), 0.0) << "an intensity that never changes";
  for (const WhatIf& cell : result.what_if)
    EXPECT_NEAR(cell.eur_per_kwh / 0.04, std::round(cell.eur_per_kwh / 0.04), 1e-12)
        << "80 EUR/MWh, in halves";
}

TEST(Run, ReplicasOfOneServiceStandInDifferentRacks) {
  const SiteConfig config = small_site(8, 4);
  std::string folder = "/tmp/millrace-siblings-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  RunOptions options;
  options.decisions_path = folder + "/decisions.tsv";
  std::string text = "arrival_s,work_s,accelerators,kind,flags,siblings\n";
  for (int i = 0; i < 5; ++i) text += "0,1000,2,service,r,chat\n";
  const auto source = play(parse_trace(text, "w.csv", "millrace", config).value());
  const auto result = run_twin(config, *source, options).value();
  EXPECT_EQ(result.jobs_done, 5);
  EXPECT_DOUBLE_EQ(value(result, "makespan_s"), 2'000.0) << "four racks for five replicas";
  const auto log = host::read_file(options.decisions_path).value();
  for (const char* places : {"n0:0-1", "n2:0-1", "n4:0-1", "n6:0-1"})
    EXPECT_NE(log.find(std::string("run 1 on ") + places), std::string::npos) << log;
  EXPECT_TRUE(host::remove_tree(folder));
}

TEST(Run, TokensAreSoldAndAMillionOfThemHasACost) {
  SiteConfig config = small_site(2);
  config.economics.input_microeur_per_mtok = 1'000'000;
  config.economics.output_microeur_per_mtok = 5'000'000;
  TraceJob service = job_of(0, 3'600, 8);
  service.kind = TraceJobKind::kService;
  service.input_tokens = 40'000'000;
  service.output_tokens = 4'000'000;
  const auto result = play_world(config, {service}).value();
  EXPECT_NEAR(value(result, "input_tokens"), 40e6, 1.0);
  EXPECT_NEAR(value(result, "output_tokens"), 4e6, 1.0);
  EXPECT_NEAR(value(result, "revenue_tokens_eur"), 40.0 + 20.0, 1e-6);
  EXPECT_NEAR(value(result, "revenue_eur"), 16.0 + 60.0, 1e-6) << "beside its accelerator-hours";
  EXPECT_NEAR(value(result, "cost_per_mtok_eur"), value(result, "cost_eur") / 44.0, 1e-9);
  for (const WhatIf& cell : result.what_if) {
    ASSERT_TRUE(cell.cost_per_mtok_eur);
    EXPECT_NEAR(*cell.cost_per_mtok_eur, *cell.cost_per_accelerator_hour_eur * 8.0 / 44.0, 1e-9);
  }

  RunOptions half;
  half.days = 0.5 / 24;
  const auto cut = play_world(config, {service}, half).value();
  EXPECT_NEAR(value(cut, "input_tokens"), 20e6, 1.0) << "what is not answered is not sold";

  const auto mixed = play_world(config, {service, job_of(0, 3'600, 8)}).value();
  EXPECT_NEAR(value(mixed, "cost_per_mtok_eur"), value(mixed, "cost_eur") / 2.0 / 44.0, 1e-9)
      << "other work pays its own accelerator-hours";
}

TEST(Run, TokensOfLostWorkAreNotCountedTwice) {
  SiteConfig config = small_site(1);
  config.policy.checkpoint = seconds(0);
  config.node_types[0].failures = {.between = seconds(4'000), .repair = seconds(100)};
  RunOptions options;
  options.seed = 3;
  TraceJob batch = job_of(0, 6'000, 8);
  batch.output_tokens = 1'000'000;
  const auto result = play_world(config, {batch}, options).value();
  ASSERT_GT(value(result, "runs_lost"), 0.0);
  EXPECT_NEAR(value(result, "output_tokens"), 1e6, 1.0);
}

TEST(Run, WhatDoesNotApplyIsThereAndNull) {
  SiteConfig config = small_site(1);
  config.economics.prices[0].microeur_per_accelerator_hour = 0;
  const auto result = play_world(config, {job_of(0, 60, 8)}).value();
  EXPECT_EQ(result.metrics.size(), metric_infos().size());
  const auto json = to_json(result);
  for (const MetricInfo& info : metric_infos())
    EXPECT_TRUE(json.at("metrics").as_object().contains(info.name)) << info.name;
  for (const char* name : {"payback_months", "carbon_saving_pct", "cost_per_mtok_eur"}) {
    EXPECT_TRUE(json.at("metrics").at(name).is_null()) << name;
    EXPECT_FALSE(find_value(result, name)) << name;
  }
}

TEST(Run, WithoutCapitalNothingIsPaidBack) {
  SiteConfig config = small_site(1);
  config.node_types[0].capital_microeur = 0;
  const auto result = play_world(config, {job_of(0, 60, 8)}).value();
  EXPECT_FALSE(find_value(result, "payback_months"));
  for (const std::string& finding : result.report.findings)
    EXPECT_EQ(finding.find("paid back"), std::string::npos) << finding;
}

TEST(Run, TheDemandChargeCountsTheBudgetsOfTheRunAlone) {
  SiteConfig config = small_site(1);
  config.node_types[0].capital_microeur = 0;
  config.sites[0].demand_microeur_per_kw_year = 100'000'000;
  const auto demand_eur = [&](PowerStages stages) {
    config.sites[0].power = std::move(stages);
    RunOptions options;
    options.days = 1.0;
    return value(play_world(config, {job_of(0, 60, 8)}, options).value(), "cost_operations_eur") * 365.0;
  };
  const auto kw = [](std::int64_t kilowatts) { return kilowatts * 1'000'000; };
  const TimePoint long_ago{};
  const TimePoint noon = config.start + std::chrono::hours(12);
  const TimePoint next_year = config.start + std::chrono::hours(24 * 365);
  EXPECT_NEAR(demand_eur({{long_ago, kw(10)}}), 1'000.0, 1e-6);
  EXPECT_NEAR(demand_eur({{long_ago, kw(10)}, {next_year, kw(30)}}), 1'000.0, 1e-6) << "not yet";
  EXPECT_NEAR(demand_eur({{long_ago, kw(40)}, {config.start - seconds(1), kw(10)}}), 1'000.0, 1e-6)
      << "no more";
  EXPECT_NEAR(demand_eur({{long_ago, kw(10)}, {noon, kw(20)}}), 2'000.0, 1e-6) << "from noon on";
  EXPECT_NEAR(demand_eur({{noon, kw(1)}}), static_cast<double>(config.max_mw(0)) * 1e-4, 1e-6)
      << "without a limit before noon: what all can draw";
}

TEST(Run, WaitsAreThoseOfOneServerInOrder) {
  std::vector<TraceJob> jobs;
  for (int i = 0; i < 10; ++i) jobs.push_back(job_of(i, 1'000, 8));
  const auto result = play_world(small_site(1), jobs).value();
  EXPECT_EQ(result.jobs_done, 10);
  EXPECT_DOUBLE_EQ(value(result, "makespan_s"), 10'000.0);
  // Job i arrives at i and starts at 1,000 i: waits 999 i.
  EXPECT_NEAR(value(result, "wait_mean_s"), 999.0 * 4.5, 1e-6);
  EXPECT_DOUBLE_EQ(value(result, "wait_p50_s"), 999.0 * 4);
  EXPECT_DOUBLE_EQ(value(result, "wait_p99_s"), 999.0 * 9);
  ASSERT_EQ(result.waits.size(), 1u);
  EXPECT_EQ(result.waits[0].jobs, 10);
}

TEST(Run, TheClockStopsAfterTheDaysAskedFor) {
  RunOptions options;
  options.days = 0.5;
  const auto result =
      play_world(small_site(1), {job_of(0, 86'400, 8), job_of(1, 10, 8), job_of(50'000, 10, 8)}, options)
          .value();
  EXPECT_EQ(result.jobs, 2) << "the third comes later";
  EXPECT_EQ(result.jobs_running, 1);
  EXPECT_EQ(result.jobs_waiting, 1);
  EXPECT_DOUBLE_EQ(result.simulated_days, 0.5);
  EXPECT_NEAR(value(result, "allocation_pct"), 100.0, 1e-9);
}

TEST(Run, AJobThatCanNeverRunIsToldAsUnplaceableAndTheRunEnds) {
  const auto result = play_world(small_site(1), {job_of(0, 10, 8, 2), job_of(0, 10, 8)}).value();
  EXPECT_EQ(result.jobs_done, 1);
  EXPECT_EQ(result.jobs_unplaceable + result.jobs_refused, 1);
  EXPECT_EQ(result.jobs_waiting, 0);
}

TEST(Run, ABudgetCapsWorkWhichThenTakesLongerByTheCubeRoot) {
  SiteConfig config = small_site(1);
  // Room for 80 % of the accelerators' range and the cores.
  const double it_w = 1'600.0 + 25.0 + 0.8 * 4'800.0;
  config.sites[0].power = {
      {.since = config.start, .budget_mw = static_cast<std::int64_t>(it_w * 1.2 * 1'000.0) + 1}};
  const auto result = play_world(config, {job_of(0, 36'000, 8)}).value();
  EXPECT_EQ(result.jobs_done, 1);
  EXPECT_EQ(result.budget_exceeded, 0);
  EXPECT_NEAR(value(result, "jct_mean_s"), 36'000.0 / scheduler::speed_under_cap(0.8), 36'000.0 * 0.01);
  EXPECT_LE(value(result, "peak_power_mw"), it_w * 1.2e-6 + 1e-9);
}

TEST(Run, AFallOfTheBudgetIsHeldFromTheEndOfItsNoticeOn) {
  for (const std::int64_t notice : {0, 60, 3'600}) {
    SiteConfig config = small_site(4);
    std::vector<TraceJob> jobs;
    for (int i = 0; i < 40; ++i) jobs.push_back(job_of(0, 20'000, 4));
    GridEvent fall;
    fall.at = config.start + seconds(10'000);
    fall.notice = seconds(notice);
    fall.budget_mw = static_cast<std::int64_t>(1.2 * (4 * 1'600'000 + 6'000'000));
    GridEvent over;
    over.at = config.start + seconds(20'000);
    config.grid_events = {fall, over};
    const auto result = play_world(config, jobs).value();
    EXPECT_EQ(result.budget_exceeded, 0) << notice;
    EXPECT_EQ(result.jobs_done, 40) << notice;
    EXPECT_GT(value(result, "caps") + value(result, "power_stops"), 0.0) << notice;
  }
}

TEST(Run, AFailedNodeLosesTheWorkSinceTheLastCheckpoint) {
  SiteConfig config = small_site(1);
  config.policy.checkpoint = seconds(1'000);
  config.node_types[0].failures = {.between = seconds(4'000), .repair = seconds(100)};
  RunOptions options;
  options.seed = 3;
  const auto result = play_world(config, {job_of(0, 20'000, 8)}, options).value();
  EXPECT_EQ(result.jobs_done, 1);
  const double lost = value(result, "runs_lost");
  ASSERT_GT(lost, 0.0);
  const double lost_s = value(result, "lost_accelerator_hours") * 3'600.0 / 8.0;
  EXPECT_GT(lost_s, 0.0);
  EXPECT_LT(lost_s, 1'000.0 * lost);
  // What it held its node for is its work and what was lost of it.
  EXPECT_NEAR(value(result, "allocation_pct") * 0.01 * value(result, "makespan_s"), 20'000.0 + lost_s, 1.0);
}

TEST(Run, AFailedFeedTakesItsNodesAndTheirDraw) {
  SiteConfig config = small_site(2);
  config.feeds[0].failures = {.between = seconds(5'000), .repair = seconds(5'000)};
  std::string folder = "/tmp/millrace-feed-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  RunOptions options;
  options.decisions_path = folder + "/decisions.tsv";
  const auto result = play_world(config, {job_of(0, 40'000, 8), job_of(0, 40'000, 8)}, options).value();
  EXPECT_EQ(result.jobs_done, 2);
  EXPECT_GT(value(result, "feed_failures"), 0.0);
  const auto log = host::read_file(options.decisions_path).value();
  EXPECT_NE(log.find("\tfeed\tdown\tit failed\n"), std::string::npos) << log.substr(0, 2'000);
  EXPECT_NE(log.find("\tfeed\tup\tmended\n"), std::string::npos);
  EXPECT_TRUE(host::remove_tree(folder));
  EXPECT_LT(value(result, "energy_idle_mwh"), 2 * 1'600.0 * value(result, "makespan_s") / 3'600.0 * 1e-6);
}

TEST(Run, TheSameSeedWritesTheSameDecisionsAndAnotherSeedOthers) {
  SiteConfig config = small_site(4);
  config.node_types[0].failures = {.between = seconds(20'000), .repair = seconds(1'000)};
  std::vector<TraceJob> jobs;
  SeededRng rng(5);
  for (int i = 0; i < 200; ++i) {
    jobs.push_back(job_of(i * 60, 100 + static_cast<std::int64_t>(draw_below(rng, 8'000)),
                          1 + static_cast<std::int32_t>(draw_below(rng, 8))));
  }
  RunOptions options;
  const auto first = play_world(config, jobs, options).value();
  const auto second = play_world(config, jobs, options).value();
  EXPECT_EQ(first.decisions_sha256, second.decisions_sha256);
  EXPECT_EQ(first.last_draw, second.last_draw);
  EXPECT_GT(first.decisions, 400);
  options.seed = 2;
  EXPECT_NE(play_world(config, jobs, options).value().decisions_sha256, first.decisions_sha256);
}

/// Dirty and clean hours in turn, 300 and 30 g/kWh, for a day each of nights and days.
SiteConfig tidal_site(const std::string& shift) {
  SiteConfig config = small_site(2);
  std::vector<std::int64_t> values;
  for (int hour = 0; hour < 24; ++hour) values.push_back(hour < 12 ? 300'000 : 30'000);
  config.sites[0].carbon =
      energy::HourlySeries::create(world_start(), values, energy::Outside::kWraps).value();
  config.policy.shift = shift;
  return config;
}

TEST(Run, DeferrableWorkWaitsForCleanHoursAndIsNotLate) {
  for (const bool interruptible : {false, true}) {
    std::vector<TraceJob> jobs;
    for (int day = 0; day < 7; ++day) {
      jobs.push_back(job_of(day * 86'400 + 3'600 * 2 + 600, 3'600 * 3, 8));
      jobs.back().deferrable = true;
      jobs.back().interruptible = interruptible;
      jobs.back().deadline = jobs.back().arrival + std::chrono::hours(24);
    }
    const auto at_once = play_world(tidal_site("now"), jobs).value();
    const auto oracle = play_world(tidal_site("oracle"), jobs).value();
    const auto history = play_world(tidal_site("history"), jobs).value();
    EXPECT_NEAR(value(at_once, "carbon_saving_pct"), 0.0, 0.01);
    EXPECT_NEAR(value(at_once, "carbon_saving_oracle_pct"), 90.0, 0.01);
    EXPECT_GT(value(oracle, "carbon_saving_pct"), 88.0);
    EXPECT_GT(value(history, "carbon_saving_pct"), 80.0) << "a tide is easy to learn";
    EXPECT_EQ(value(oracle, "deferrable_late") + value(history, "deferrable_late"), 0.0);
    EXPECT_EQ(oracle.jobs_done, 7);
  }
}

TEST(Run, WorkThatFitsOnNoNodeDoesNotLengthenARun) {
  TraceJob too_large = job_of(0, 100, 8);
  too_large.tasks = 5;
  const auto result = play_world(small_site(2), {too_large, job_of(0, 50, 1)}).value();
  EXPECT_EQ(value(result, "makespan_s"), 50.0);
  EXPECT_EQ(result.jobs_unplaceable, 1);
  EXPECT_EQ(result.jobs_done, 1);
  EXPECT_LT(result.simulated_days, 0.01);
}

TEST(Run, FragmentationIsOfTheHoursNotOfTheEvents) {
  // For three days half a device is free on each that work takes; then one burst of events on an empty site.
  std::vector<TraceJob> jobs;
  TraceJob half = job_of(0, 72 * 3600, 1);
  half.demand.accelerator_milli = 600;
  for (int i = 0; i < 16; ++i) jobs.push_back(half);
  const auto calm = play_world(small_site(2), jobs).value();
  for (int i = 0; i < 200; ++i) {
    TraceJob core = job_of(73 * 3600 + i, 1, 0);
    jobs.push_back(core);
  }
  const auto burst = play_world(small_site(2), jobs).value();
  EXPECT_GT(value(calm, "fragmentation_pct"), 10.0);
  EXPECT_NEAR(value(burst, "fragmentation_pct"), value(calm, "fragmentation_pct"), 4.0)
      << "of 73 hours one is empty";
}

TEST(Run, DeferrableWorkIsComparedAtEverySiteItRanAt) {
  SiteConfig config = small_sites({.name = "dirty", .zone = "PL", .jurisdiction = "PL", .pue = 1.5});
  config.sites[1].carbon = flat_series(700'000);
  std::vector<TraceJob> jobs(2, job_of(600, 3'600 * 3, 8));  // one at each site
  for (TraceJob& job : jobs) {
    job.deferrable = true;
    job.deadline = job.arrival + std::chrono::hours(24);
  }
  const auto result = play_world(config, jobs).value();
  EXPECT_EQ(result.jobs_done, 2);
  EXPECT_NEAR(value(result, "carbon_saving_pct"), 0.0, 0.01) << "intensities that never change";
}

TEST(Run, WorkThatMayWaitDoesNotWaitForTheLastHourAllAtOnce) {
  std::vector<TraceJob> jobs;
  for (int i = 0; i < 5; ++i) {
    jobs.push_back(job_of(3'600 * 20, 3'600 * 10, 8, 2));
    jobs.back().deferrable = true;
    jobs.back().deadline = jobs.back().arrival + std::chrono::hours(60);
  }
  const auto result = play_world(tidal_site("forecast"), jobs).value();
  EXPECT_EQ(result.jobs_done, 5);
  EXPECT_EQ(value(result, "deferrable_late"), 0.0);
}

TEST(Run, WorkThatAFallingBudgetPausesStopsNoLowerWorkForItsPower) {
  SiteConfig config = small_site(1);
  config.policy.checkpoint = {};
  config.policy.scheduler.cap_floor_milli = 1'000;
  config.priority_classes.push_back({.name = "high", .priority = 1});
  for (auto& of : config.priority_classes) of.preemptible = true;
  // Two of 2.4 kW above 1.6 kW idle, PUE 1.2; from the second hour on there is room for one.
  config.grid_events.push_back({.at = config.start + std::chrono::hours(1),
                                .site = 0,
                                .budget_mw = 4'950'000,
                                .notice = std::chrono::minutes(5)});
  std::vector<TraceJob> jobs = {job_of(0, 3'600 * 5, 4), job_of(0, 3'600 * 5, 4)};
  for (TraceJob& job : jobs) job.preemptible = true;
  jobs[1].priority_class = 1;
  jobs[1].interruptible = true;
  const auto result = play_world(config, jobs).value();
  EXPECT_EQ(result.jobs_done, 2);
  EXPECT_EQ(value(result, "power_stops"), 1.0);
  EXPECT_EQ(value(result, "preemptions"), 0.0);
  EXPECT_DOUBLE_EQ(value(result, "lost_accelerator_hours"), 0.0);
}

TEST(Run, InterruptibleWorkIsPausedInDirtyHoursWithoutLoss) {
  std::vector<TraceJob> jobs = {job_of(3'600 * 20, 3'600 * 10, 8)};
  jobs[0].deferrable = jobs[0].interruptible = true;
  jobs[0].deadline = jobs[0].arrival + std::chrono::hours(48);
  const auto result = play_world(tidal_site("oracle"), jobs).value();
  EXPECT_EQ(result.jobs_done, 1);
  EXPECT_GE(value(result, "pauses"), 1.0);
  EXPECT_DOUBLE_EQ(value(result, "lost_accelerator_hours"), 0.0);
  EXPECT_GT(value(result, "carbon_saving_pct"), 0.0);
  EXPECT_LE(value(result, "jct_mean_s"), 48 * 3'600.0);
}

TEST(Run, AccountsWithEqualWeightsUnderBacklogGetEqualShares) {
  SiteConfig config = small_site(2);
  config.accounts.resize(2, config.accounts[0]);
  config.accounts[1].name = "other";
  config.leaves = {0, 1};
  std::vector<TraceJob> jobs;
  for (int i = 0; i < 400; ++i) {
    jobs.push_back(job_of(i < 200 ? 0 : 1, 3'000, 4));
    jobs.back().account = i < 200 ? 0 : 1;
  }
  RunOptions options;
  options.days = 1.0;
  const auto result = play_world(config, jobs, options).value();
  EXPECT_GT(value(result, "fairness_jain"), 0.98);
}

}  // namespace
}  // namespace millrace::twin
