// Where work that may wait goes: several sites, each with its own clean hours.
#include "twin/sim/site_choice.h"

#include <gtest/gtest.h>

#include <utility>

#include "twin/sim/test_world.h"

namespace millrace::twin {
namespace {

using Sites = std::vector<scheduler::SiteIndex>;

/// A node of eight accelerators at each of two sites: at 300 g/kWh, but 600 at 5 o'clock, and at 400, but 20 at 5 o'clock.
SiteConfig two_sites(const std::string& shift, bool other_order) {
  SiteConfig config = small_sites({.name = "other", .zone = "DE", .jurisdiction = "DE", .pue = 1.0});
  config.cluster.sites[0].pue = 1.0;
  const auto series = [](std::int64_t usual, std::int64_t at_five) {
    std::vector<std::int64_t> values(24, usual);
    values[5] = at_five;
    return energy::HourlySeries::create(world_start(), values, energy::Outside::kWraps).value();
  };
  config.sites[0].carbon = config.sites[0].price = series(300'000, 600'000);
  config.sites[1].carbon = config.sites[1].price = series(400'000, 20'000);
  if (other_order) std::swap(config.sites[0], config.sites[1]);
  config.policy.shift = shift;
  return config;
}

WorkNeeds in_germany() {
  WorkNeeds needs;
  needs.zones = {"DE"};
  return needs;
}

TraceJob patient_job(std::int64_t arrival_s, std::int32_t accelerators) {
  TraceJob job = job_of(arrival_s, 3'600, accelerators);
  job.deferrable = true;
  job.deadline = job.arrival + std::chrono::hours(12);
  return job;
}

TEST(SiteChoice, WorkThatWaitedForTheCleanHourOfASiteRunsThere) {
  for (const bool other_order : {false, true}) {
    for (const char* by : {"carbon", "price"}) {
      SiteConfig config = two_sites("oracle", other_order);
      config.policy.shift_by = by;
      const auto result = play_world(config, {patient_job(0, 8)}).value();
      EXPECT_EQ(value(result, "deferrable_late"), 0.0);
      EXPECT_NEAR(value(result, "carbon_saving_pct"), 95.0, 0.01) << by << ": 20 g instead of 400";
      EXPECT_NEAR(value(result, "carbon_saving_oracle_pct"), 95.0, 0.01);
    }
  }
}

TEST(SiteChoice, WorkWaitsForTheHoursOfSitesThatHaveRoomNotOfThoseThatAreFull) {
  SiteConfig config = two_sites("oracle", false);
  // The site with the clean hour is taken until the next day.
  TraceJob always = job_of(0, 86'400, 8);
  always.needs = 1;
  Trace trace;
  trace.facts.origin = "test";
  trace.facts.jobs = 2;
  trace.needs = {WorkNeeds{}, in_germany()};
  trace.jobs = {always, patient_job(60, 8)};
  const auto source = play(std::move(trace));
  const auto result = run_twin(config, *source, {}).value();
  EXPECT_EQ(result.jobs_done, 2);
  EXPECT_LT(value(result, "wait_p99_s"), 61.0) << "300 is the best that there is";
}

TEST(SiteChoice, TellsWhereWorkCouldRunAndWhereItHasRoom) {
  const SiteConfig config = two_sites("oracle", false);
  SiteChoice choice(config.cluster);
  EXPECT_EQ(choice.able(job_of(0, 60, 8), {}), (Sites{0, 1}));
  EXPECT_EQ(choice.able(job_of(0, 60, 8), in_germany()), (Sites{1}));
  WorkNeeds attested;
  attested.attested = true;
  EXPECT_EQ(choice.able(job_of(0, 60, 8), attested), (Sites{0, 1})) << "it can run nowhere";
  const TraceJob half = job_of(0, 60, 4);
  choice.took(0, scheduler::amount_of(half.demand, 1));
  EXPECT_EQ(choice.with_room(Sites{0, 1}, job_of(0, 60, 8)), (Sites{1}));
  EXPECT_EQ(choice.with_room(Sites{0, 1}, half), (Sites{0, 1}));
  EXPECT_EQ(choice.with_room(Sites{0}, job_of(0, 60, 8)), Sites{});
  SiteConfig two_kinds = config;
  two_kinds.cluster.kinds.push_back(two_kinds.cluster.kinds[0]);
  two_kinds.cluster.nodes[1].kind = 1;
  TraceJob of_first = job_of(0, 60, 8);
  of_first.kinds = 1;
  EXPECT_EQ(SiteChoice(two_kinds.cluster).with_room(Sites{0, 1}, of_first), Sites{0})
      << "there others are free";
  EXPECT_EQ(choice.shares(Sites{0, 1}), (std::vector<double>{0.5, 0.5}));
}

}  // namespace
}  // namespace millrace::twin
