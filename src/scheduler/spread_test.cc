// Anti-affinity: what must not be together in one rack, or on one rail.
#include "scheduler/spread.h"

#include <gtest/gtest.h>

#include <chrono>
#include <set>

#include "scheduler/scheduler.h"

namespace millrace::scheduler {
namespace {

using namespace std::chrono_literals;

const TimePoint kStart{std::chrono::sys_days{std::chrono::year{2026} / 11 / 22}};

/// Eight nodes of two devices: four racks of two neighbours; rails l0 (n0 to n3) and l1 (n4 to n7).
Cluster eight_nodes() {
  Cluster c;
  c.kinds.push_back({.kind = "h100",
                     .memory_bytes = {},
                     .compute_tflops_bf16 = {},
                     .memory_bandwidth_gb_per_s = {},
                     .interconnect_gb_per_s = {},
                     .power_idle_w = {},
                     .power_max_w = {}});
  c.sites.push_back({.name = "s", .zone = "FR", .jurisdiction = "FR"});
  c.domains.push_back({.name = "d"});
  for (NodeIndex i = 0; i < 8; ++i) {
    if (i % 2 == 0) c.racks.push_back({.name = "r" + std::to_string(i / 2)});
    if (i % 4 == 0) c.rails.push_back({.name = "l" + std::to_string(i / 4)});
    Node n;
    n.name = "n" + std::to_string(i);
    n.rack = i / 2;
    n.rail = i / 4;
    n.domain = 0;
    n.accelerators = 2;
    n.cpu_milli = 8'000;
    n.memory_mib = 8'000;
    c.nodes.push_back(n);
  }
  return c;
}

Scheduler make(const Cluster& cluster) {
  Account all;
  all.name = "all";
  all.quota = kUnlimitedQuota;
  return std::move(*Scheduler::create(cluster, {all}, {}));
}

Workload work(WorkloadId id, Spread spread, std::int32_t tasks) {
  Workload w;
  w.id = id;
  w.demand = {.cpu_milli = 1'000, .memory_mib = 1'000, .accelerators = 1};
  w.tasks = tasks;
  w.spread = spread;
  w.service = true;
  w.submitted = kStart;
  return w;
}

Workload replica(WorkloadId id, Spread spread) {
  Workload w = work(id, spread, 1);
  w.siblings = "chat";
  return w;
}

std::vector<NodeIndex> nodes_of(const Plan& plan) {
  std::vector<NodeIndex> nodes;
  for (const Start& start : plan.starts) {
    for (const TaskPlace& place : start.places) nodes.push_back(place.node);
  }
  return nodes;
}

TEST(Spread, a_gang_has_each_task_in_another_rack_or_on_another_rail) {
  for (const auto& [spread, tasks] :
       {std::pair(Spread::kNode, 6), std::pair(Spread::kRack, 4), std::pair(Spread::kRail, 2)}) {
    const Cluster cluster = eight_nodes();
    Scheduler s = make(cluster);
    ASSERT_TRUE(s.submit(work(1, spread, tasks), kStart));
    std::set<FailureGroup> groups;
    for (const NodeIndex node : nodes_of(s.pass(kStart))) groups.insert(failure_group(cluster, node, spread));
    EXPECT_EQ(std::ssize(groups), tasks) << name_of(spread);
  }
}

TEST(Spread, what_asks_for_more_rails_than_there_are_never_fits) {
  Scheduler s = make(eight_nodes());
  ASSERT_TRUE(s.submit(work(1, Spread::kRail, 3), kStart));
  EXPECT_TRUE(s.pass(kStart).starts.empty());
  EXPECT_EQ(s.why(1)->text(),
            "needs 3 tasks each on another rail; the nodes that meet its constraints could hold 2 even if "
            "they were empty");
}

TEST(Spread, the_reason_names_rails_and_how_many_have_room) {
  Cluster cluster = eight_nodes();
  Scheduler s = make(cluster);
  for (NodeIndex i = 4; i < 8; ++i) s.set_health(i, Health::kCordoned, kStart);
  ASSERT_TRUE(s.submit(work(1, Spread::kRail, 2), kStart));
  EXPECT_TRUE(s.pass(kStart).starts.empty());
  EXPECT_EQ(s.why(1)->code, ReasonCode::kSpread);
  EXPECT_EQ(
      s.why(1)->text(),
      "needs 2 different rails; 1 has room; 4 nodes that could serve it take nothing new (cordoned or down)");
}

TEST(Spread, a_node_on_no_rail_is_one_of_its_own) {
  Cluster cluster = eight_nodes();
  for (NodeIndex i = 4; i < 8; ++i) cluster.nodes[i].rail = kNoIndex;
  Scheduler s = make(cluster);
  ASSERT_TRUE(s.submit(work(1, Spread::kRail, 5), kStart));
  EXPECT_EQ(nodes_of(s.pass(kStart)).size(), 5U);
}

TEST(Spread, tasks_in_one_domain_are_spread_over_its_racks) {
  const Cluster cluster = eight_nodes();
  Scheduler s = make(cluster);
  // Three racks have no room until an hour from now: the promise keeps to the rule as well.
  for (WorkloadId id = 2; id < 5; ++id) {
    Workload filler = work(id, Spread::kRack, 1);
    filler.spread = Spread::kNone;
    filler.tasks = 4;
    filler.together = Together::kOneDomain;
    filler.limit = 1h;
    ASSERT_TRUE(s.submit(filler, kStart));
  }
  ASSERT_EQ(s.pass(kStart).starts.size(), 3U);
  Workload gang = work(1, Spread::kRack, 4);
  gang.together = Together::kOneDomain;
  ASSERT_TRUE(s.submit(gang, kStart));
  ASSERT_TRUE(s.full_pass(kStart + 1s).starts.empty());
  EXPECT_EQ(s.expected_start(1), kStart + 1h);
  for (WorkloadId id = 2; id < 5; ++id) ASSERT_TRUE(s.ended(id, kStart + 1h));
  std::set<FailureGroup> racks;
  for (const NodeIndex node : nodes_of(s.pass(kStart + 1h)))
    racks.insert(failure_group(cluster, node, Spread::kRack));
  EXPECT_EQ(racks.size(), 4U);
}

TEST(Spread, replicas_of_one_service_keep_apart_and_one_too_many_waits_until_another_leaves) {
  const Cluster cluster = eight_nodes();
  Scheduler s = make(cluster);
  for (WorkloadId id = 1; id <= 3; ++id) ASSERT_TRUE(s.submit(replica(id, Spread::kRail), kStart));
  const std::vector<NodeIndex> nodes = nodes_of(s.pass(kStart));
  ASSERT_EQ(nodes.size(), 2U);
  EXPECT_NE(cluster.nodes[nodes[0]].rail, cluster.nodes[nodes[1]].rail);
  EXPECT_EQ(s.why(3)->text(), "needs a rail without another replica of it; 0 have room");
  // Nothing was gained on the other nodes of the rail, and yet they serve now.
  s.set_health(nodes[0], Health::kDown, kStart + 1s);
  ASSERT_EQ(s.pass(kStart + 1s).preempts.size(), 1U);
  ASSERT_TRUE(s.ended(1, kStart + 2s));
  const std::vector<NodeIndex> then = nodes_of(s.pass(kStart + 2s));
  ASSERT_EQ(then.size(), 1U);
  EXPECT_EQ(cluster.nodes[then[0]].rail, cluster.nodes[nodes[0]].rail);
}

TEST(Spread, what_is_promised_a_rack_waits_until_what_it_is_kept_apart_from_has_left_another_node_of_it) {
  Scheduler s = make(eight_nodes());
  for (WorkloadId id = 1; id <= 2; ++id) {
    Workload w = replica(id, Spread::kRail);
    w.preemptible = true;
    ASSERT_TRUE(s.submit(w, kStart));
  }
  const std::vector<NodeIndex> nodes = nodes_of(s.pass(kStart));
  ASSERT_EQ(nodes.size(), 2U);
  for (const NodeIndex node : nodes) s.set_health(node, Health::kCordoned, kStart);
  Workload urgent = replica(3, Spread::kRail);
  urgent.priority = 1;
  ASSERT_TRUE(s.submit(urgent, kStart + 1h));
  const Plan plan = s.pass(kStart + 1h);
  ASSERT_EQ(plan.preempts.size(), 1U);
  EXPECT_TRUE(s.full_pass(kStart + 1h + 1s).starts.empty()) << "the other has its grace";
  ASSERT_TRUE(s.ended(plan.preempts[0].id, kStart + 1h + 30s));
  EXPECT_EQ(s.pass(kStart + 1h + 30s).starts.size(), 1U);
}

TEST(Spread, services_of_other_names_do_not_keep_each_other_off) {
  Scheduler s = make(eight_nodes());
  for (WorkloadId id = 1; id <= 4; ++id) {
    Workload w = replica(id, Spread::kRail);
    if (id > 2) w.siblings = "code";
    ASSERT_TRUE(s.submit(w, kStart));
  }
  EXPECT_EQ(s.pass(kStart).starts.size(), 4U);
}

TEST(Spread, work_that_needs_more_racks_than_there_are_is_told_so) {
  Scheduler s = make(eight_nodes());
  ASSERT_TRUE(s.submit(work(1, Spread::kRack, 5), kStart));
  s.pass(kStart);
  EXPECT_EQ(s.why(1)->text(),
            "needs 5 tasks each on another rack; the nodes that meet its constraints could hold 4 even if "
            "they were "
            "empty");
}

}  // namespace
}  // namespace millrace::scheduler
