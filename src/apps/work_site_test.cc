#include "apps/work_site.h"

#include <gtest/gtest.h>

#include "energy/power_model.h"
#include "host/file.h"
#include "store/fake/faulty_store.h"
#include "store/memory/memory_store.h"

namespace millrace::apps {
namespace {

host::Config config_of(std::string_view text) {
  return host::parse_config(text, "config.toml", "/home").value();
}

const Machine kMachine{
    .name = "box", .cores = 2, .memory_mib = 4096, .limits = {.kind = "rlimits", .why = "no group"}};
const energy::LinearPowerModel kModel{.idle_w = 10, .max_w = 30, .cores = 2, .pue = 1.0};

TEST(WorkSite, WithoutNodesTheMachineIsOne) {
  const auto options = work_options(config_of("[site]\nzone = 'SE-SE3'\n"), kMachine, kModel);
  ASSERT_EQ(options.cluster.nodes.size(), 1u);
  EXPECT_EQ(options.cluster.nodes[0].name, "box");
  EXPECT_EQ(options.cluster.nodes[0].cpu_milli, 2000);
  EXPECT_EQ(options.cluster.nodes[0].idle_mw, 10'000);
  EXPECT_EQ(options.cluster.nodes[0].cpu_max_mw, 20'000);
  EXPECT_EQ(options.cluster.sites[0].jurisdiction, "SE");
  EXPECT_EQ(options.limits_kind, "rlimits");
  EXPECT_EQ(options.limits_why, "no group");
  EXPECT_EQ(options.budgets[0].greatest_mw, 30'000);
  EXPECT_EQ(options.budgets[0].configured_mw, std::nullopt);
}

TEST(WorkSite, VirtualNodesHaveRacksRailsDomainsKindsAndBudgets) {
  const auto options = work_options(
      config_of(
          "[site]\npower_budget_w = 5000\n"
          "[[node]]\nname = 'n'\ncount = 4\ncpus = 8\nmemory = '16GiB'\naccelerators = 8\naccel = 'fake'\n"
          "domain = 'd'\nrack = 'r'\nrail = 'l'\naccelerator_idle_w = 50\naccelerator_max_w = 300\nidle_w = "
          "100\nmax_w = "
          "200\nbudget_w = 2000\n"
          "[[node]]\nname = 'plain'\n"),
      kMachine, kModel);
  ASSERT_EQ(options.cluster.nodes.size(), 5u);
  EXPECT_EQ(options.cluster.nodes[3].name, "n3");
  EXPECT_EQ(options.cluster.nodes[3].idle_mw, 500'000);
  EXPECT_EQ(options.cluster.domains.size(), 1u);
  EXPECT_EQ(options.node_budgets_mw[3], 2'000'000);
  EXPECT_EQ(options.node_budgets_mw[4], std::nullopt);
  EXPECT_EQ(options.cluster.kinds.at(0).kind, "fake");
  EXPECT_EQ(options.budgets[0].configured_mw, 5'000'000);
  ASSERT_EQ(options.cluster.rails.size(), 1u);
  EXPECT_EQ(options.cluster.rails[options.cluster.nodes[3].rail].name, "l");
  EXPECT_EQ(options.cluster.nodes[4].rack, scheduler::kNoIndex);
  EXPECT_EQ(options.cluster.nodes[4].rail, scheduler::kNoIndex);
}

MeanIntensity steady(double g_per_kwh) {
  return [g_per_kwh](TimePoint, TimePoint) { return g_per_kwh; };
}

TEST(WorkSite, ARunsCarbonIsThatOfTheHoursItRanIn) {
  const std::string file = testing::TempDir() + "millrace-hours.csv";
  ASSERT_TRUE(
      host::write_file_atomic(file, "time,FR\n2026-01-01T00:00:00Z,100\n2026-01-01T01:00:00Z,500\n", 0600));
  host::Config config = config_of("");
  const TimePoint midnight = *parse_rfc3339("2026-01-01T00:00:00Z");
  const auto at = [&](int minute) { return midnight + std::chrono::minutes(minute); };
  EXPECT_DOUBLE_EQ((*mean_intensity(config))(at(0), at(60)), *zone_intensity(config));
  config.site.intensity = file;
  const auto intensity = mean_intensity(config);
  ASSERT_TRUE(intensity) << intensity.error().message;
  EXPECT_DOUBLE_EQ((*intensity)(at(0), at(60)), 100);
  EXPECT_DOUBLE_EQ((*intensity)(at(45), at(105)), 400);
  EXPECT_DOUBLE_EQ((*intensity)(at(60), at(60)), 500) << "an instant is in its hour";
  store::MemoryStore store;
  const ledger::PriceBook prices(store);
  const auto run = run_charge(work_options(config, kMachine, kModel).cluster, kModel, *intensity, prices);
  control::RunUse use;
  use.cpu_us = 360'000'000;  // 3,600 J: a Wh
  use.started_at = at(61);
  use.ended_at = at(62);
  EXPECT_EQ(run(use)->co2e_ug, 500'000);
  config.site.intensity = "/nowhere.csv";
  EXPECT_FALSE(mean_intensity(config));
}

TEST(WorkSite, ARunIsChargedItsProcessorTimeAndTheAcceleratorsItHeld) {
  const auto options = work_options(
      config_of("[[node]]\nname = 'n'\naccelerators = 1\naccel = 'fake'\naccelerator_max_w = 300\n"
                "[[node]]\nname = 'm'\naccelerators = 1\naccel = 'fake'\nkind = 'dark'\n"),
      kMachine, kModel);
  store::MemoryStore store;
  ledger::PriceBook prices(store);
  ASSERT_TRUE(prices.set_machine(3'600'000, 360'000, TimePoint(std::chrono::seconds(1))));
  const auto run = run_charge(options.cluster, kModel, steady(100), prices);
  const auto charge = [&](const control::RunUse& use) { return run(use).value(); };
  control::RunUse use;
  use.cpu_us = 1'000'000;  // of one of two cores: 10 W for a second
  EXPECT_EQ(charge(use).energy_uj, 10'000'000);
  use.accelerators = {{.kind = "fake", .accelerator_ms = 2000}};
  EXPECT_EQ(charge(use).energy_uj, 610'000'000);
  use.cpu_milli = 2000;
  use.started_at = TimePoint(std::chrono::seconds(10));
  use.ended_at = TimePoint(std::chrono::seconds(15));
  EXPECT_EQ(charge(use).cost_microeur, 2000 + 1000);
  EXPECT_EQ(charge(use).basis, "modelled");
  use.accelerators = {{.kind = "dark", .accelerator_ms = 2000}};
  EXPECT_EQ(charge(use).energy_uj, std::nullopt) << "no figure is made up";
  EXPECT_EQ(charge(use).basis, "unknown");
  EXPECT_EQ(charge(use).cost_microeur, 2000 + 1000) << "what was held is paid for all the same";
}

TEST(WorkSite, ARunIsChargedAtThePriceThatWasInForceWhenItStarted) {
  const auto second = [](int n) { return TimePoint(std::chrono::seconds(n)); };
  store::MemoryStore memory;
  store::FaultyStore store(memory);
  ledger::PriceBook prices(store);
  const auto charge =
      run_charge(work_options(config_of(""), kMachine, kModel).cluster, kModel, steady(100), prices);
  control::RunUse use;
  use.cpu_milli = 500;
  const auto charged = [&](int from, int until) {
    use.started_at = second(from);
    use.ended_at = second(until);
    const auto made = charge(use).value();
    return std::pair(made.price_version, made.cost_microeur);
  };
  using Charged = std::pair<std::int64_t, std::int64_t>;
  EXPECT_EQ(charged(10, 3610), Charged(0, 0));
  ASSERT_TRUE(prices.set_machine(std::nullopt, 3, second(100)));
  ASSERT_TRUE(prices.set_machine(std::nullopt, 1000, second(200)));
  EXPECT_EQ(charged(99, 3699), Charged(0, 0)) << "started before there was a price";
  EXPECT_EQ(charged(100, 3700), Charged(1, 2)) << "1.5 micro-euro, half up";
  EXPECT_EQ(charged(200, 3800), Charged(2, 500));
  store.reads.fail_next(1, ErrorCode::kUnavailable);
  EXPECT_EQ(charge(use).error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace millrace::apps
