// A gang runs on one site and on accelerators of one kind: else its tasks could not talk to each other, or not fast enough.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "scheduler/scheduler.h"
#include "scheduler/world_test_support.h"

namespace millrace::scheduler {
namespace {

using namespace std::chrono_literals;
using testing::kStart;

/// Two nodes here, and so many there.
Scheduler two_sites(int there = 2) {
  Cluster cluster = testing::even_cluster(2 + there);
  cluster.sites.push_back({.name = "there", .zone = "SE", .jurisdiction = "SE"});
  for (NodeIndex n = 2; n < cluster.nodes.size(); ++n) cluster.nodes[n].site = 1;
  Policies policies;
  policies.replan_every = 0s;
  return std::move(*Scheduler::create(std::move(cluster), testing::one_account(), policies));
}

void submit(Scheduler& s, const Workload& w) { ASSERT_TRUE(s.submit(w, kStart)); }

SiteIndex site_of(const TaskPlace& place) { return place.node < 2 ? 0 : 1; }

TEST(OneSite, a_gang_waits_until_one_site_has_room_for_all_of_it) {
  Scheduler s = two_sites();
  for (WorkloadId id : {1, 2, 3}) {
    submit(s, testing::job_of(id, 8, id == 3 ? 1h : 3h));
    ASSERT_EQ(s.pass(kStart).starts.at(0).places.at(0).node, id - 1);
  }
  ASSERT_TRUE(s.ended(1, kStart));
  submit(s, testing::job_of(4, 8, 1h, 2));
  EXPECT_TRUE(s.pass(kStart).starts.empty()) << "one node is free here and one there";
  EXPECT_EQ(s.expected_start(4), kStart + 1h);
  EXPECT_EQ(s.why(4)->text(),
            "needs 16 accelerators on one site; 8 are free, next at 2026-11-22 01:00 when 3 ends");
  ASSERT_TRUE(s.ended(3, kStart + 1h));
  const Plan plan = s.pass(kStart + 1h);
  ASSERT_EQ(plan.starts.size(), 1U);
  for (const TaskPlace& place : plan.starts[0].places) EXPECT_EQ(site_of(place), 1);
}

TEST(OneSite, a_gang_does_not_stay_where_the_best_place_for_one_task_is) {
  Scheduler s = two_sites();
  submit(s, testing::job_of(1, 4));
  ASSERT_EQ(s.pass(kStart).starts.at(0).places.at(0).node, 0U);
  // The tightest fit is beside the first, where three tasks have room.
  submit(s, testing::job_of(2, 4, 1h, 4));
  const Plan plan = s.pass(kStart);
  ASSERT_EQ(plan.starts.size(), 1U);
  for (const TaskPlace& place : plan.starts[0].places) EXPECT_EQ(site_of(place), 1);
}

TEST(OneSite, a_gang_that_no_site_could_hold_is_told_so) {
  Scheduler s = two_sites();
  submit(s, testing::job_of(1, 8, 1h, 3));
  EXPECT_TRUE(s.pass(kStart).starts.empty());
  EXPECT_EQ(
      s.why(1)->text(),
      "needs 3 tasks on one site; the nodes that meet its constraints could hold 2 even if they were empty");
}

TEST(OneSite, one_task_goes_to_any) {
  Scheduler s = two_sites(1);
  for (WorkloadId id : {1, 2, 3}) submit(s, testing::job_of(id, 8));
  EXPECT_EQ(s.pass(kStart).starts.size(), 3U);
}

/// Two nodes of a kind, and so many of another.
Scheduler two_kinds(int others) {
  Cluster cluster = testing::even_cluster(2 + others);
  cluster.kinds.push_back(cluster.kinds[0]);
  cluster.kinds[1].kind = "slow";
  for (NodeIndex n = 2; n < cluster.nodes.size(); ++n) cluster.nodes[n].kind = 1;
  Policies policies;
  policies.replan_every = 0s;
  return std::move(*Scheduler::create(std::move(cluster), testing::one_account(), policies));
}

TEST(OneKind, a_gang_waits_until_accelerators_of_one_kind_are_free_for_all_of_it) {
  Scheduler s = two_kinds(1);
  submit(s, testing::job_of(1, 8));
  ASSERT_EQ(s.pass(kStart).starts.at(0).places.at(0).node, 0U);
  Workload gang = testing::job_of(2, 8, 1h, 2);
  gang.kinds = {0, 1};
  gang.earlier_kinds_first = true;
  submit(s, gang);
  EXPECT_TRUE(s.pass(kStart).starts.empty()) << "one node of each kind is free";
  EXPECT_EQ(s.expected_start(2), kStart + 1h);
  EXPECT_EQ(s.why(2)->text(),
            "needs 16 accelerators of one kind; 8 are free, next at 2026-11-22 01:00 when 1 ends");
}

TEST(OneKind, a_gang_goes_to_the_kind_that_it_prefers_though_another_has_it_in_one_domain) {
  Cluster cluster = testing::even_cluster(4);
  cluster.kinds.push_back(cluster.kinds[0]);
  cluster.kinds[1].kind = "slow";
  cluster.domains = {{"d0", 0}, {"d1", 0}, {"d2", 0}};
  for (NodeIndex n = 0; n < 4; ++n) {
    cluster.nodes[n].kind = n < 2 ? 0 : 1;
    cluster.nodes[n].domain = std::min<DomainIndex>(n, 2);
  }
  Scheduler s = std::move(*Scheduler::create(std::move(cluster), testing::one_account(), {}));
  Workload gang = testing::job_of(1, 8, 1h, 2);
  gang.kinds = {0, 1};
  gang.together = Together::kPreferDomain;
  gang.earlier_kinds_first = true;
  submit(s, gang);
  gang.id = 2;
  submit(s, gang);
  const Plan plan = s.pass(kStart);
  ASSERT_EQ(plan.starts.size(), 2U);
  for (const TaskPlace& place : plan.starts[0].places) EXPECT_LT(place.node, 2U);
  for (const TaskPlace& place : plan.starts[1].places) EXPECT_GE(place.node, 2U);
}

TEST(OneKind, tasks_without_accelerators_go_to_nodes_of_any) {
  Scheduler s = two_kinds(2);
  Workload cores = testing::job_of(1, 0, 1h, 4);
  cores.demand.cpu_milli = 64'000;
  submit(s, cores);
  EXPECT_EQ(s.pass(kStart).starts.size(), 1U);
}

}  // namespace
}  // namespace millrace::scheduler
