#include "scheduler/placement.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "scheduler/books/expected_work.h"
#include "scheduler/placement_policies.h"
#include "scheduler/scheduler.h"
#include "scheduler/world_test_support.h"

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

// Two nodes, the second half taken; a job of half a node comes.
NodeIndex place_of_a_half(PlacementKind kind, int wholes_seen) {
  Scheduler s = std::move(
      *Scheduler::create(testing::even_cluster(2), testing::one_account(), {}, make_placement(kind)));
  EXPECT_TRUE(
      s.adopt({.workload = testing::job_of(1, 4), .started = testing::kStart, .places = {{1, 0b1111}}}));
  for (int i = 0; i < wholes_seen; ++i) {
    Workload whole = testing::job_of(static_cast<WorkloadId>(100 + i), 8);
    whole.not_before = testing::kStart + std::chrono::hours(24);
    EXPECT_TRUE(s.submit(whole, testing::kStart));
  }
  EXPECT_TRUE(s.submit(testing::job_of(2, 4), testing::kStart));
  const Plan plan = s.pass(testing::kStart);
  return plan.starts.size() == 1 ? plan.starts[0].places[0].node : kNoIndex;
}

TEST(Placement, policies_that_look_ahead_learn_from_what_has_come) {
  for (const PlacementKind kind : {PlacementKind::kFgd, PlacementKind::kMillrace}) {
    EXPECT_EQ(place_of_a_half(kind, 20), 1U) << name_of(kind) << ": else no node is whole any more";
  }
  EXPECT_EQ(place_of_a_half(PlacementKind::kFgd, 0), 0U) << "it knows of nothing, and takes the first";
  EXPECT_EQ(place_of_a_half(PlacementKind::kTightest, 0), 1U);
}

TEST(Placement, what_has_come_is_told_seldom_the_most_common_first_and_fades) {
  ExpectedWork expected;
  const Demand one{.accelerators = 1};
  const Demand eight{.accelerators = 8};
  expected.came(one, ~0ULL, 15);
  EXPECT_FALSE(expected.news());
  expected.came(eight, 1, 20);
  const auto first = expected.news();
  ASSERT_TRUE(first && first->size() == 2);
  EXPECT_EQ((*first)[0], (TypicalDemand{eight, 1, 20}));
  EXPECT_EQ((*first)[1], (TypicalDemand{one, ~0ULL, 15}));
  expected.came(one, ~0ULL, 28);
  EXPECT_FALSE(expected.news()) << "63 have come";
  std::int64_t tellings = 0;
  for (int i = 0; i < 100'000; ++i) {
    expected.came({.cpu_milli = i % 100, .accelerators = 2}, 1, 1);
    const auto told = expected.news();
    if (!told) continue;
    ++tellings;
    EXPECT_LE(told->size(), ExpectedWork::kToldMax);
    if (tellings == 30) EXPECT_EQ(std::ranges::count(*told, eight, &TypicalDemand::demand), 0);
  }
  EXPECT_EQ(tellings, 8 + 11) << "at 64, 128, ... 8,192, and after each 8,192 more";
}

}  // namespace
}  // namespace millrace::scheduler
