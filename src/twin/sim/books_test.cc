// What a run adds up: work that was lost, work that goes on, what is sold and at which price.
#include <gtest/gtest.h>

#include <cmath>

#include "twin/sim/test_world.h"

namespace millrace::twin {
namespace {

/// One node; work of the second class stops that of the first, which loses all that it did.
SiteConfig site_with_an_urgent_class() {
  SiteConfig config = small_site(1);
  config.policy.checkpoint = seconds(0);
  config.priority_classes.push_back({.name = "urgent", .priority = 1});
  return config;
}

TraceJob urgent(std::int64_t arrival_s, std::int64_t work_s) {
  TraceJob job = job_of(arrival_s, work_s, 8);
  job.priority_class = 1;
  return job;
}

TEST(Books, WorkThatWasLostWasOfNoUse) {
  const auto result =
      play_world(site_with_an_urgent_class(), {job_of(0, 3'600, 8), urgent(1'000, 100)}).value();
  ASSERT_EQ(value(result, "preemptions"), 1.0);
  ASSERT_GT(value(result, "lost_accelerator_hours"), 0.0);
  EXPECT_NEAR(value(result, "utilisation_pct") * 0.01 * value(result, "makespan_s"), 3'700.0, 1e-6);
  EXPECT_GT(value(result, "allocation_pct"), value(result, "utilisation_pct") + 10.0);
}

TEST(Books, AStopIsNotTheEndOfAJob) {
  RunOptions options;
  options.days = 0.5;
  const auto result =
      play_world(site_with_an_urgent_class(), {job_of(0, 86'400, 8), urgent(1'800, 60'000)}, options).value();
  ASSERT_EQ(value(result, "preemptions"), 1.0);
  ASSERT_EQ(value(result, "jobs_done"), 0.0);
  EXPECT_EQ(value(result, "makespan_s"), 0.0);
}

TEST(Books, AccountsAreToldTheEnergyOfWorkThatStillRuns) {
  RunOptions options;
  options.days = 0.5;
  const auto result = play_world(small_site(1), {job_of(0, 86'400, 8)}, options).value();
  ASSERT_EQ(value(result, "jobs_done"), 0.0);
  ASSERT_EQ(result.accounts.size(), 1U);
  EXPECT_GT(result.accounts[0].energy_kwh, 0.0);
  EXPECT_NEAR(result.accounts[0].energy_kwh, result.sites[0].work_kwh, 1e-9);
  EXPECT_NEAR(result.accounts[0].co2e_kg, result.accounts[0].energy_kwh * 50.0 * 1e-3, 1e-6);
}

TEST(Books, TheDiscountOfDeferrableWorkIsOffAcceleratorsCoresAndTokens) {
  SiteConfig config = small_site(1);
  config.economics.prices[0].microeur_per_accelerator_hour = 1'000'000;
  config.economics.microeur_per_cpu_core_hour = 100'000;
  config.economics.input_microeur_per_mtok = 2'000'000;
  config.economics.output_microeur_per_mtok = 5'000'000;
  TraceJob job = job_of(0, 3'600, 8);
  job.input_tokens = job.output_tokens = 1'000'000;
  const auto revenue = [&] { return value(play_world(config, {job}).value(), "revenue_eur"); };
  EXPECT_NEAR(revenue(), 8.0 + 0.8 + 2.0 + 5.0, 1e-6);
  job.deferrable = true;
  config.economics.deferrable_discount_milli = 250;
  EXPECT_NEAR(revenue(), 0.75 * (8.0 + 0.8 + 2.0 + 5.0), 1e-6);
}

TEST(Books, KindsAndSitesAddUpToTheWhole) {
  SiteConfig config = small_sites({.name = "other", .zone = "SE-SE3", .jurisdiction = "SE", .pue = 1.2});
  config.cluster.kinds.push_back(config.cluster.kinds[0]);
  config.cluster.kinds[1].kind = "other";
  config.cluster.nodes[1].kind = 1;
  config.economics.prices.push_back({.microeur_per_accelerator_hour = 500'000});
  config.economics.deferrable_discount_milli = 250;
  TraceJob first = job_of(0, 7'200, 8);
  first.kinds = 1;  // the first alone
  TraceJob second = job_of(0, 3'600, 4);
  second.kinds = 2;
  second.deferrable = true;
  second.deadline = seconds(3'600);
  RunOptions options;
  options.days = 0.25;
  const auto result = play_world(config, {first, second}, options).value();
  ASSERT_EQ(value(result, "jobs_done"), 2.0);
  ASSERT_EQ(result.kinds.size(), 2U);
  EXPECT_NEAR(result.kinds[0].accelerator_hours, 16.0, 1e-9);
  EXPECT_NEAR(*result.kinds[0].allocation_pct, 100.0 / 3.0, 1e-9);
  EXPECT_NEAR(result.kinds[0].revenue_eur, 32.0, 1e-9);
  EXPECT_EQ(result.kinds[1].name, "other");
  EXPECT_EQ(result.kinds[1].accelerators, 8);
  EXPECT_NEAR(result.kinds[1].accelerator_hours, 4.0, 1e-9);
  EXPECT_NEAR(result.kinds[1].revenue_eur, 0.75 * 2.0, 1e-9);
  EXPECT_NEAR(result.sites[0].accelerator_hours, 16.0, 1e-9);
  EXPECT_NEAR(*result.sites[1].allocation_pct, 100.0 / 12.0, 1e-9);
  EXPECT_NEAR(result.kinds[0].work_kwh + result.kinds[1].work_kwh,
              result.sites[0].work_kwh + result.sites[1].work_kwh, 1e-9);
  EXPECT_NEAR(value(result, "revenue_eur"), 33.5, 1e-9);
}

TEST(Books, AtItsOwnUtilisationAndPriceOfEnergyARunIsWhatItWas) {
  SiteConfig config = small_site(2);
  config.economics.prices[0].microeur_per_accelerator_hour = 9'000'000;
  TraceJob light = job_of(0, 40'000, 8);
  light.utilisation_milli = 200;
  const auto own = [&] {
    const auto result = play_world(config, {light}).value();
    EXPECT_FALSE(result.what_if.empty());
    const WhatIf* found = nullptr;
    for (const WhatIf& cell : result.what_if) {
      if (std::abs(cell.utilisation - 0.5) < 1e-9 && std::abs(cell.eur_per_kwh - 0.08) < 1e-9) found = &cell;
    }
    EXPECT_NE(found, nullptr);
    EXPECT_NEAR(found->cost_per_accelerator_hour_eur.value_or(-1.0),
                value(result, "cost_per_accelerator_hour_eur"), 1e-6);
    EXPECT_NEAR(found->margin_eur_per_year * value(result, "makespan_s") / (8'760.0 * 3'600.0),
                value(result, "margin_eur"), 1e-3);
    const auto months = find_value(result, "payback_months");
    EXPECT_EQ(found->payback_month.has_value(), months.has_value());
    if (months) EXPECT_EQ(found->payback_month, static_cast<int>(*months));
    return found->payback_month;
  };
  EXPECT_TRUE(own());
  config.node_types[0].capital_microeur = 0;
  EXPECT_FALSE(own()) << "nothing was bought";
}

}  // namespace
}  // namespace millrace::twin
