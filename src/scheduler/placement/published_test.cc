#include "scheduler/placement/published.h"

#include <gtest/gtest.h>

#include <array>

namespace millrace::scheduler {
namespace {

NodeState node_with(std::initializer_list<std::int16_t> rooms, std::int64_t cpu_milli = 128'000) {
  NodeState node{.accelerators = static_cast<std::int32_t>(rooms.size()), .cpu_milli_free = cpu_milli};
  std::ranges::copy(rooms, node.device_milli_free.begin());
  return node;
}

constexpr Demand kOne{.accelerators = 1}, kTwo{.accelerators = 2}, kCpu{.cpu_milli = 12'800};

Demand part(std::int32_t milli) { return {.accelerators = 1, .accelerator_milli = milli}; }

TEST(Published, what_does_not_fit_has_no_score) {
  const auto node = node_with({1000, 900}, 1000);
  RandomFit random(1);
  DotProductFit dot;
  GpuClusteringFit clustering;
  GpuPackingFit packing;
  BestFit best;
  FgdFit fgd;
  for (PlacementPolicy* policy :
       std::initializer_list<PlacementPolicy*>{&random, &dot, &clustering, &packing, &best, &fgd}) {
    EXPECT_FALSE(policy->score(node, kTwo));
    EXPECT_FALSE(policy->score(node, {.cpu_milli = 1001}));
    EXPECT_FALSE(policy->score(node, {.memory_mib = 1}));
    EXPECT_TRUE(policy->score(node, kOne));
  }
}

TEST(DotProduct, the_product_of_free_and_asked_is_scaled_by_the_largest_node) {
  DotProductFit policy;
  // cpu 0.5 x 0.1, devices 0.5 x 0.125: 100 (1 - 0.1125 / 2) = 94.375.
  const Demand demand{.cpu_milli = 12'800, .accelerators = 1};
  EXPECT_EQ(policy.score(node_with({1000, 1000, 1000, 1000}, 64'000), demand)->score, -94);
  // 0.1 x 0.1 and 0.125 x 0.125: 98.7.
  EXPECT_EQ(policy.score(node_with({1000}, 12'800), demand)->score, -98);
}

TEST(BestFit, what_is_left_of_cpu_and_devices_weighs_the_same) {
  BestFit policy;
  // Left: cpu 51,200 of 128,000, devices 3,000 of 8,000: 100 (1 - (0.4 + 0.375) / 2) = 61.25.
  EXPECT_EQ(
      policy.score(node_with({1000, 1000, 1000, 1000}, 64'000), {.cpu_milli = 12'800, .accelerators = 1})
          ->score,
      -61);
  EXPECT_EQ(policy.score(node_with({}, 12'800), kCpu)->score, -100);
}

TEST(Fractions, go_to_the_device_with_the_least_room_that_suffices) {
  const auto node = node_with({1000, 500, 300, 500});
  for (const std::int32_t milli : {301, 500}) EXPECT_EQ(BestFit().score(node, part(milli))->devices, 0b10U);
  EXPECT_EQ(DotProductFit().score(node, part(300))->devices, 0b100U);
  EXPECT_EQ(GpuPackingFit().score(node, kOne)->devices, 0b1U);
}

TEST(GpuClustering, alone_then_among_others_then_empty_then_the_rest) {
  GpuClusteringFit policy;
  auto node = node_with({1000, 1000, 0, 0});  // 25 (8 - 2) / 8 = 18 for being so full
  EXPECT_EQ(policy.score(node, kOne)->score, -(18 + 25));
  node.sizes_held = size_bit(kOne);
  EXPECT_EQ(policy.score(node, kOne)->score, -(18 + 75));
  EXPECT_EQ(policy.score(node, kTwo)->score, -18);
  node.sizes_held |= size_bit(part(500));
  EXPECT_EQ(policy.score(node, kOne)->score, -(18 + 50));
  EXPECT_EQ(policy.score(node, kCpu)->score, 0);
}

TEST(GpuPacking, shared_devices_then_idle_ones_then_an_empty_node) {
  GpuPackingFit policy;
  EXPECT_EQ(policy.score(node_with({0, 650}), part(300))->score, -(100 - 6));
  EXPECT_EQ(policy.score(node_with({0, 1000}), part(300))->score, -(50 - 1));
  EXPECT_EQ(policy.score(node_with({0, 1000, 1000}), kTwo)->score, -(50 - 2));
  EXPECT_EQ(policy.score(node_with({1000, 1000}), part(300))->score, -(33 - 2));
  EXPECT_EQ(policy.score(node_with({1000, 1000}), kCpu)->score, 0);
}

TEST(Fgd, goes_where_fragmentation_shrinks_most) {
  FgdFit policy;
  const std::array typical = {TypicalDemand{.demand = part(600)}};
  policy.expect(typical);
  // 400 are useless to the typical task. Taking them away saves 0.4 devices: 100 sigmoid(0.4) = 59.87; taking 400 from
  // the idle device saves nothing: 50.
  const auto fit = policy.score(node_with({1000, 400}), part(400));
  EXPECT_EQ(fit->devices, 0b10U);
  EXPECT_EQ(fit->score, -59);
  EXPECT_EQ(policy.score(node_with({1000}), part(400))->score, -50);
  // 500 useless thousandths more: 100 sigmoid(-0.5) = 37.75.
  EXPECT_EQ(policy.score(node_with({1000}), part(500))->score, -37);
}

TEST(Fgd, what_is_rare_is_not_typical) {
  FgdFit policy;
  const std::array typical = {TypicalDemand{.demand = part(600), .weight = 95},
                              TypicalDemand{.demand = part(500), .weight = 5}};
  policy.expect(typical);
  EXPECT_EQ(policy.score(node_with({1000}), part(500))->score, -37);
}

TEST(Random, every_node_and_every_device_gets_its_share) {
  RandomFit policy(1);
  EXPECT_FALSE(policy.repeatable());
  int first_node = 0;
  std::array<int, 3> device{};
  for (int i = 0; i < 3000; ++i) {
    const auto one = policy.score(node_with({400, 1000, 600, 100}), part(300));
    const auto other = policy.score(node_with({1000}), part(300));
    first_node += one->score < other->score ? 1 : 0;
    ++device.at(static_cast<std::size_t>(std::countr_zero(one->devices)));
  }
  EXPECT_NEAR(first_node, 1500, 150);
  for (const int count : device) EXPECT_NEAR(count, 1000, 150);
}

TEST(Random, the_same_seed_draws_the_same) {
  RandomFit one(7), other(7);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(one.score(node_with({1000, 500}), part(300))->score,
              other.score(node_with({1000, 500}), part(300))->score);
  }
}

}  // namespace
}  // namespace millrace::scheduler
