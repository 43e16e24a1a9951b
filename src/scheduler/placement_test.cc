#include "scheduler/placement.h"

#include <gtest/gtest.h>

namespace millrace::scheduler {
namespace {

NodeState two_devices() {
  NodeState node{.accelerators = 2, .cpu_milli_free = 8000, .memory_mib_free = 1000};
  node.device_milli_free[0] = node.device_milli_free[1] = 1000;
  return node;
}

TEST(Placement, a_task_fits_only_where_cpu_memory_and_devices_all_suffice) {
  const NodeState node = two_devices();
  EXPECT_TRUE(fits(node, {.cpu_milli = 8000, .memory_mib = 1000, .accelerators = 2}));
  EXPECT_FALSE(fits(node, {.cpu_milli = 8001}));
  EXPECT_FALSE(fits(node, {.memory_mib = 1001}));
  EXPECT_FALSE(fits(node, {.accelerators = 3}));
}

TEST(Placement, a_fraction_leaves_the_rest_of_its_device_to_others) {
  NodeState node = two_devices();
  const Demand part{.accelerators = 1, .accelerator_milli = 600};
  take(node, part, 0b01);
  EXPECT_EQ(node.device_milli_free[0], 400);
  EXPECT_TRUE(fits(node, part));
  take(node, part, 0b10);
  EXPECT_FALSE(fits(node, part));
  EXPECT_TRUE(fits(node, {.accelerators = 1, .accelerator_milli = 400}));
}

TEST(Placement, what_is_given_back_is_what_was_taken) {
  NodeState node = two_devices();
  const NodeState before = node;
  const Demand demand{.cpu_milli = 3000, .memory_mib = 7, .accelerators = 2};
  take(node, demand, 0b11);
  EXPECT_NE(node, before);
  give_back(node, demand, 0b11);
  EXPECT_EQ(node, before);
}

TEST(Placement, fractions_and_each_number_of_whole_devices_are_sizes_of_their_own) {
  EXPECT_EQ(size_bit({.accelerators = 0}), 0U);
  EXPECT_EQ(size_bit({.accelerators = 1, .accelerator_milli = 999}), 0b1U);
  EXPECT_EQ(size_bit({.accelerators = 1}), 0b10U);
  EXPECT_EQ(size_bit({.accelerators = kDevicesMax}), 1U << 16);
}

TEST(Placement, a_kind_beyond_the_mask_takes_only_what_may_run_everywhere) {
  EXPECT_TRUE(allows(0b10, 1));
  EXPECT_FALSE(allows(0b10, 0));
  EXPECT_FALSE(allows(~std::uint64_t{1}, 64));
  EXPECT_TRUE(allows(~std::uint64_t{0}, 64));
}

}  // namespace
}  // namespace millrace::scheduler
