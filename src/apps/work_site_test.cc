#include "apps/work_site.h"

#include <gtest/gtest.h>

#include "energy/power_model.h"

namespace millrace::apps {
namespace {

host::Config config_of(std::string_view text) {
  return host::parse_config(text, "config.toml", "/home").value();
}

const Machine kMachine{.name = "box", .cores = 2, .memory_mib = 4096};
const energy::LinearPowerModel kModel{.idle_w = 10, .max_w = 30, .cores = 2, .pue = 1.0};

TEST(WorkSite, WithoutNodesTheMachineIsOne) {
  const auto options = work_options(config_of("[site]\nzone = 'SE-SE3'\n"), kMachine, kModel);
  ASSERT_EQ(options.cluster.nodes.size(), 1u);
  EXPECT_EQ(options.cluster.nodes[0].name, "box");
  EXPECT_EQ(options.cluster.nodes[0].cpu_milli, 2000);
  EXPECT_EQ(options.cluster.nodes[0].idle_mw, 10'000);
  EXPECT_EQ(options.cluster.nodes[0].cpu_max_mw, 20'000);
  EXPECT_EQ(options.cluster.sites[0].jurisdiction, "SE");
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

TEST(WorkSite, ARunIsChargedItsProcessorTimeAndTheAcceleratorsItHeld) {
  const auto options = work_options(
      config_of("[[node]]\nname = 'n'\naccelerators = 1\naccel = 'fake'\naccelerator_max_w = 300\n"
                "[[node]]\nname = 'm'\naccelerators = 1\naccel = 'fake'\nkind = 'dark'\n"),
      kMachine, kModel);
  const auto charge = run_charge(options.cluster, kModel, 100, {.accelerator_eur = 3.6, .cpu_eur = 0.36});
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
}

}  // namespace
}  // namespace millrace::apps
