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
Cluster nodes_of_two_kinds(int others) {
  Cluster cluster = testing::even_cluster(2 + others);
  cluster.kinds.push_back(cluster.kinds[0]);
  cluster.kinds[1].kind = "slow";
  for (NodeIndex n = 2; n < cluster.nodes.size(); ++n) cluster.nodes[n].kind = 1;
  return cluster;
}

Scheduler two_kinds(int others) {
  Policies policies;
  policies.replan_every = 0s;
  return std::move(*Scheduler::create(nodes_of_two_kinds(others), testing::one_account(), policies));
}

/// Two and two nodes; those of the first kind each in a domain of its own, the others in one.
Cluster slow_ones_in_one_domain() {
  Cluster cluster = nodes_of_two_kinds(2);
  cluster.domains = {{"d0", 0}, {"d1", 0}, {"d2", 0}};
  for (NodeIndex n = 0; n < 4; ++n) cluster.nodes[n].domain = std::min<DomainIndex>(n, 2);
  return cluster;
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
            "needs 16 accelerators of kind h100 or slow of one kind; 8 are free, next at 2026-11-22 01:00 "
            "when 1 ends");
}

TEST(OneKind, a_gang_goes_to_the_kind_that_it_prefers_though_another_has_it_in_one_domain) {
  Scheduler s = std::move(*Scheduler::create(slow_ones_in_one_domain(), testing::one_account(), {}));
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

/// Two nodes of 400 W at the most above idle, and two of 320 W, on one site with so much above idle.
Scheduler hot_and_cool(std::int64_t above_idle_w) {
  Cluster cluster = nodes_of_two_kinds(2);
  cluster.kinds[0].kind = "hot";
  cluster.kinds[1].kind = "cool";
  cluster.kinds[0].power_max_w = *cluster.kinds[0].power_idle_w + 50;
  cluster.kinds[1].power_max_w = *cluster.kinds[1].power_idle_w + 40;
  std::int64_t idle_mw = 0;
  for (const Node& node : cluster.nodes) idle_mw += node.idle_mw;
  Policies policies;
  policies.start_capped = false;
  policies.replan_every = 0s;
  Scheduler s = std::move(*Scheduler::create(std::move(cluster), testing::one_account(), policies));
  EXPECT_TRUE(s.set_budget({{ScopeKind::kSite, 0}, kStart, idle_mw + above_idle_w * 1000}, kStart));
  return s;
}

Workload gang_of_two(WorkloadId id) {
  Workload gang = testing::job_of(id, 8, 1h, 2);
  gang.cpu_draw_milli = 0;
  return gang;
}

TEST(OneKind, a_gang_runs_on_the_kind_that_the_power_is_enough_for) {
  Scheduler s = hot_and_cool(700);
  submit(s, gang_of_two(1));
  const Plan plan = s.pass(kStart);
  ASSERT_EQ(plan.starts.size(), 1U) << "800 W are too much, 640 W are not";
  for (const TaskPlace& place : plan.starts[0].places) EXPECT_GE(place.node, 2U);
}

TEST(OneKind, a_gang_is_promised_the_kind_that_there_will_be_power_for) {
  Scheduler s = hot_and_cool(700);
  Workload busy = testing::job_of(1, 8);
  busy.kinds = {1};
  busy.cpu_draw_milli = 0;
  submit(s, busy);
  ASSERT_EQ(s.pass(kStart).starts.size(), 1U);
  submit(s, gang_of_two(2));
  s.pass(kStart);
  EXPECT_EQ(s.expected_start(2), kStart + 1h) << "on hot ones there is room at once, and never the power";
}

TEST(OneKind, a_gang_is_not_promised_one_domain_of_a_kind_that_it_would_rather_not_have) {
  Policies policies;
  policies.replan_every = 0s;
  Scheduler s = std::move(*Scheduler::create(slow_ones_in_one_domain(), testing::one_account(), policies));
  for (WorkloadId id = 1; id <= 4; ++id) submit(s, testing::job_of(id, 8));
  ASSERT_EQ(s.pass(kStart).starts.size(), 4U);
  Workload gang = gang_of_two(5);
  gang.kinds = {0, 1};
  gang.earlier_kinds_first = true;
  gang.together = Together::kPreferDomain;
  submit(s, gang);
  s.pass(kStart);
  for (WorkloadId id = 1; id <= 4; ++id) ASSERT_TRUE(s.ended(id, kStart + 1h));
  const Plan plan = s.pass(kStart + 1h);
  ASSERT_EQ(plan.starts.size(), 1U);
  for (const TaskPlace& place : plan.starts[0].places) EXPECT_LT(place.node, 2U);
}

TEST(OneKind, what_one_kind_lacks_in_a_mixed_domain_is_told_as_such) {
  Cluster cluster = nodes_of_two_kinds(2);
  cluster.domains = {{"d0", 0}};
  for (Node& node : cluster.nodes) node.domain = 0;
  Scheduler s = std::move(*Scheduler::create(std::move(cluster), testing::one_account(), {}));
  Workload gang = testing::job_of(1, 8, 1h, 4);
  gang.together = Together::kOneDomain;
  submit(s, gang);
  gang.id = 2;
  gang.together = Together::kAnywhere;
  gang.spread = Spread::kNode;
  gang.tasks = 2;
  submit(s, gang);
  Workload one = testing::job_of(3, 8);
  one.kinds = {1};
  submit(s, one);
  s.pass(kStart);
  gang.id = 4;
  submit(s, gang);
  s.pass(kStart);
  EXPECT_EQ(
      s.why(1)->text(),
      "needs 4 tasks of one kind in one domain; the nodes that meet its constraints could hold 2 even if "
      "they were empty");
  EXPECT_EQ(s.why(4)->text().substr(0, 46), "needs 2 different nodes of one kind; 1 has roo");
}

TEST(OneKind, what_runs_on_a_fast_kind_is_expected_to_end_by_its_time_there) {
  Scheduler s = two_kinds(2);
  Workload w = testing::job_of(1, 8, 4h, 2);
  w.kinds = {0, 1};
  w.kind_speed_milli = {4000, 1000};
  w.earlier_kinds_first = true;
  submit(s, w);
  ASSERT_LT(s.pass(kStart).starts.at(0).places.at(0).node, 2U);
  Workload next = testing::job_of(2, 8, 1h, 2);
  next.kinds = {0};
  submit(s, next);
  s.pass(kStart);
  EXPECT_EQ(s.expected_start(2), kStart + 1h);
}

TEST(OneKind, nodes_without_accelerators_serve_no_work_that_needs_them) {
  Cluster cluster = testing::even_cluster(1);
  cluster.kinds.clear();
  cluster.nodes[0].accelerators = 0;
  Scheduler s = std::move(*Scheduler::create(std::move(cluster), testing::one_account(), {}));
  Workload w = testing::job_of(1, 1);
  w.accelerator_memory_mib = 1024;
  submit(s, w);
  s.pass(kStart);
  EXPECT_EQ(s.why(1)->text(), "no node has an accelerator");
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
