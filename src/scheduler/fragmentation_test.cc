#include "scheduler/fragmentation.h"

#include <gtest/gtest.h>

namespace millrace::scheduler {
namespace {

FreeNode node_with(std::initializer_list<std::int16_t> rooms, std::int64_t cpu_milli = 100'000) {
  NodeState node{.accelerators = static_cast<std::int32_t>(rooms.size()),
                 .cpu_milli_free = cpu_milli,
                 .memory_mib_free = 1000};
  std::ranges::copy(rooms, node.device_milli_free.begin());
  return free_of(node);
}

TypicalDemand part(std::int32_t milli, std::int64_t weight = 1) {
  TypicalDemand typical;
  typical.demand = {.accelerators = 1, .accelerator_milli = milli};
  typical.weight = weight;
  return typical;
}

TEST(FreeNode, devices_are_told_apart_by_their_room_alone) {
  EXPECT_EQ(node_with({0, 300, 1000}), [] {
    auto other = node_with({1000, 0, 300});
    return other;
  }());
  EXPECT_EQ(FreeNodeHash()(node_with({300, 1000})), FreeNodeHash()(node_with({1000, 300})));
  EXPECT_NE(node_with({300, 1000}), node_with({400, 1000}));
}

TEST(FreeNode, a_fraction_goes_where_the_least_room_suffices) {
  auto node = node_with({1000, 500, 300});
  ASSERT_TRUE(node.take(part(400).demand));
  EXPECT_EQ(node, node_with({1000, 300, 100}));
  ASSERT_TRUE(node.take(part(300).demand));
  EXPECT_EQ(node, node_with({1000, 100}));
  EXPECT_FALSE(node.take({.cpu_milli = 100'001}));
  EXPECT_FALSE(node.take({.memory_mib = 1001}));
}

TEST(FreeNode, whole_devices_are_idle_ones) {
  auto node = node_with({1000, 999, 1000, 1000});
  ASSERT_TRUE(node.take({.cpu_milli = 1000, .accelerators = 2}));
  EXPECT_EQ(node, node_with({1000, 999}, 99'000));
  EXPECT_FALSE(node.take({.accelerators = 2}));
}

TEST(Fragmentation, of_what_a_shape_fits_into_only_the_too_small_devices_are_useless) {
  EXPECT_EQ(Fragmentation({part(400)}).unusable(node_with({1000, 300, 200})), 500);
  EXPECT_EQ(Fragmentation({part(400, 3)}).unusable(node_with({1000, 300, 200})), 3 * 500);
}

TEST(Fragmentation, where_a_shape_does_not_fit_everything_is_useless) {
  TypicalDemand two;
  two.demand = {.accelerators = 2};
  EXPECT_EQ(Fragmentation({two}).unusable(node_with({1000, 300})), 1300);
  auto thirsty = part(100);
  thirsty.demand.cpu_milli = 8001;
  EXPECT_EQ(Fragmentation({thirsty}).unusable(node_with({1000, 300}, 8000)), 1300);
  auto elsewhere = part(100);
  elsewhere.kinds = 0b10;
  EXPECT_EQ(Fragmentation({elsewhere}).unusable(node_with({1000, 300})), 1300);
  TypicalDemand no_device;
  EXPECT_EQ(Fragmentation({no_device}).unusable(node_with({1000, 300})), 1300);
}

TEST(Fragmentation, a_node_without_free_devices_has_none) {
  EXPECT_EQ(Fragmentation({part(400)}).unusable(node_with({0, 0})), 0);
}

TEST(MostCommon, shapes_are_kept_until_they_cover_the_share_that_is_asked_for) {
  const std::vector<TypicalDemand> all = {part(100, 4), part(200, 90), part(300, 5), part(400, 1)};
  const auto typical = most_common(all, 95);
  ASSERT_EQ(typical.size(), 2U);
  EXPECT_EQ(typical[0], part(200, 90));
  EXPECT_EQ(typical[1], part(300, 5));
}

TEST(MostCommon, shapes_that_differ_in_memory_alone_are_one) {
  auto other = part(100, 2);
  other.demand.memory_mib = 7;
  const std::vector<TypicalDemand> all = {part(100, 3), other};
  EXPECT_EQ(most_common(all, 100), std::vector{part(100, 5)});
}

}  // namespace
}  // namespace millrace::scheduler
