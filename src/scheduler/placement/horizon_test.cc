#include "scheduler/placement/horizon.h"

#include <gtest/gtest.h>

#include <array>

#include "scheduler/placement/published.h"

namespace millrace::scheduler {
namespace {

NodeState node_with(std::initializer_list<std::int16_t> rooms, std::int64_t cpu_milli = 100'000) {
  NodeState node{.accelerators = static_cast<std::int32_t>(rooms.size()),
                 .cpu_milli_free = cpu_milli,
                 .memory_mib_free = 1000};
  std::ranges::copy(rooms, node.device_milli_free.begin());
  return node;
}

TypicalDemand typical(const Demand& demand, std::int64_t weight = 1) {
  return {.demand = demand, .weight = weight};
}

Demand part(std::int32_t milli) { return {.accelerators = 1, .accelerator_milli = milli}; }

TEST(Horizon, cpu_is_not_taken_from_beside_idle_devices_that_will_need_it) {
  const std::array work = {typical({.cpu_milli = 8000, .accelerators = 1})};
  const Demand cpu{.cpu_milli = 8000};
  // Eight cores are left on either node, so that the typical task still fits; but on the second they serve one of two devices.
  const auto spare = node_with({1000}, 16'000), short_of = node_with({1000, 1000}, 16'000);
  HorizonFit policy;
  policy.expect(work);
  EXPECT_LT(policy.score(spare, cpu)->score, policy.score(short_of, cpu)->score);
  FgdFit fgd;
  fgd.expect(work);
  EXPECT_EQ(fgd.score(spare, cpu)->score, fgd.score(short_of, cpu)->score);
}

TEST(Horizon, memory_counts_as_cpu_does) {
  HorizonFit policy;
  const std::array work = {typical({.memory_mib = 500, .accelerators = 1})};
  policy.expect(work);
  const Demand hungry{.memory_mib = 500};
  EXPECT_LT(policy.score(node_with({1000}), hungry)->score,
            policy.score(node_with({1000, 1000}), hungry)->score);
}

TEST(Horizon, pieces_that_fill_a_device_together_come_together) {
  HorizonFit policy;
  const std::array work = {typical(part(300)), typical(part(700))};
  policy.expect(work);
  EXPECT_EQ(policy.score(node_with({1000, 800, 700, 300}), part(300))->devices, 0b1000U);
  EXPECT_EQ(policy.score(node_with({1000, 800, 700}), part(700))->devices, 0b100U);
}

TEST(Horizon, a_node_is_kept_whole_for_the_large_task_that_is_expected) {
  HorizonFit policy;
  const std::array work = {typical({.accelerators = 1}, 8), typical({.accelerators = 4}, 1)};
  policy.expect(work);
  const auto whole = node_with({1000, 1000, 1000, 1000}), broken = node_with({1000, 1000, 1000, 0});
  EXPECT_LT(policy.score(broken, {.accelerators = 1})->score,
            policy.score(whole, {.accelerators = 1})->score);
}

TEST(Horizon, a_kind_that_the_expected_work_may_not_use_is_taken_first) {
  HorizonFit policy;
  auto picky = typical({.accelerators = 1});
  picky.kinds = 0b01;
  policy.expect(std::array{picky});
  auto wanted = node_with({1000, 1000}), unwanted = wanted;
  unwanted.kind = 1;
  EXPECT_LT(policy.score(unwanted, {.accelerators = 1})->score,
            policy.score(wanted, {.accelerators = 1})->score);
}

TEST(Horizon, loss_is_what_stays_free_and_a_quarter_of_what_is_of_no_use_now) {
  HorizonFit policy;
  policy.expect(std::array{typical(part(400))});
  EXPECT_EQ(policy.loss(free_of(node_with({0, 0}))), 0);
  // Two tasks leave 200 of the idle device; the room of 300 is lost now as well as in the end.
  EXPECT_EQ(policy.loss(free_of(node_with({1000, 300}))), 1024 * (200 + 300) + 1024 / 4 * 300);
}

TEST(Horizon, where_tasks_take_several_devices_what_is_of_no_use_now_weighs_twice) {
  HorizonFit policy;
  policy.expect(std::array{typical({.accelerators = 2})});
  EXPECT_EQ(policy.loss(free_of(node_with({1000}))), 1024 * 1000 + 2 * 1024 * 1000);
  // The half of the device time: between a quarter and two.
  policy.expect(std::array{typical({.accelerators = 2}), typical({.accelerators = 1}, 2)});
  EXPECT_EQ(policy.loss(free_of(node_with({1000}))), (256 + 896) * 1000 / 2);
}

TEST(Horizon, without_expectations_the_tightest_node_wins) {
  HorizonFit policy;
  EXPECT_LT(policy.score(node_with({1000, 0}), part(400))->score,
            policy.score(node_with({1000, 500}), part(600))->score);
  EXPECT_LT(policy.score(node_with({1000}, 2000), part(400))->score,
            policy.score(node_with({1000}, 4000), part(400))->score);
}

TEST(Horizon, without_expectations_a_part_goes_to_the_fullest_device_that_holds_it) {
  HorizonFit policy;
  EXPECT_EQ(policy.score(node_with({1000, 1000, 500, 400}), part(500))->devices, 0b100U);
}

TEST(Horizon, new_expectations_replace_the_old_ones) {
  HorizonFit policy;
  policy.expect(std::array{typical(part(400))});
  const auto node = free_of(node_with({1000, 300}));
  const auto before = policy.loss(node);
  policy.expect(std::array{typical(part(100))});
  EXPECT_EQ(policy.loss(node), 0);
  policy.expect(std::array{typical(part(400))});
  EXPECT_EQ(policy.loss(node), before);
}

}  // namespace
}  // namespace millrace::scheduler
