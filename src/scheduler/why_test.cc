// What a person is told: it must be so.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "scheduler/scheduler.h"
#include "scheduler/world_test_support.h"

namespace millrace::scheduler {
namespace {

using namespace std::chrono_literals;
using testing::kStart;

Workload job_of(WorkloadId id, int accelerators, std::chrono::seconds limit = 1h, int tasks = 1) {
  Workload w;
  w.id = id;
  w.demand = {.cpu_milli = 1000, .memory_mib = 100, .accelerators = accelerators};
  w.tasks = tasks;
  w.limit = limit;
  w.submitted = kStart + std::chrono::seconds(static_cast<int>(id));
  w.cpu_draw_milli = 0;
  return w;
}

Scheduler make(int nodes, Policies policies = {}) {
  policies.replan_every = 0s;
  return std::move(*Scheduler::create(testing::even_cluster(nodes), testing::one_account(), policies));
}

void submit(Scheduler& s, const Workload& w) { ASSERT_TRUE(s.submit(w, kStart)); }

TEST(Why, work_with_a_promise_of_its_own_is_told_whose_promise_it_waits_for) {
  Scheduler s = make(2);
  submit(s, job_of(1, 8));
  submit(s, job_of(2, 8, 30min));
  s.pass(kStart);
  submit(s, job_of(3, 8, 1h, 2));
  submit(s, job_of(4, 8, 2h));
  s.pass(kStart);
  ASSERT_TRUE(s.ended(2, kStart + 30min));
  s.full_pass(kStart + 30min);
  ASSERT_EQ(s.expected_start(4), kStart + 2h);
  EXPECT_EQ(s.why(4)->text(), "what is free is promised to 3 at 2026-11-22 01:00");
}

TEST(Why, what_is_told_to_be_free_is_so_when_the_pass_is_over) {
  Scheduler s = make(1);
  submit(s, job_of(1, 6));
  ASSERT_EQ(s.pass(kStart).starts.size(), 1U);
  submit(s, job_of(2, 4));
  submit(s, job_of(3, 2, 30min));
  const Plan plan = s.pass(kStart);
  ASSERT_EQ(plan.starts.size(), 1U) << "3 goes first: it is over before";
  ASSERT_EQ(plan.holds.size(), 1U);
  const std::string told = "needs 4 accelerators; 0 are free, next at 2026-11-22 01:00 when 1 ends";
  EXPECT_EQ(plan.holds[0].reason.text(), told);
  EXPECT_EQ(s.why(2)->text(), told);
}

TEST(Why, nobody_is_told_to_wait_for_what_is_gone) {
  Scheduler s = make(2);
  submit(s, job_of(1, 8));
  submit(s, job_of(2, 8, 30min));
  submit(s, job_of(3, 8, 1h, 2));
  s.pass(kStart);
  EXPECT_EQ(s.why(3)->text(), "needs 16 accelerators; 0 are free, next at 2026-11-22 01:00 when 1 ends");
  ASSERT_TRUE(s.ended(1, kStart + 10min));
  EXPECT_EQ(s.why(3)->text(), "needs 16 accelerators; 8 are free, next at 2026-11-22 01:00");
}

TEST(Why, work_that_only_power_holds_back_is_told_so_also_when_it_has_a_promise) {
  Policies policies;
  policies.start_capped = false;
  Scheduler s = make(2, policies);
  // 2 kW idle, 4.8 kW for each.
  ASSERT_TRUE(s.set_budget({{ScopeKind::kSite, 0}, kStart, 8'000'000}, kStart));
  submit(s, job_of(1, 8));
  submit(s, job_of(2, 8));
  s.pass(kStart);
  ASSERT_EQ(s.expected_start(2), kStart + 1h);
  s.full_pass(kStart + 1min);
  EXPECT_EQ(s.why(2)->text(), "needs 4800 W; the power budget of site s leaves 1200 W");
}

TEST(Why, the_resource_that_is_short_is_named) {
  Scheduler s = make(2);
  for (WorkloadId id : {1, 2}) {
    Workload w = job_of(id, 5);
    w.demand.cpu_milli = 33'000;
    w.demand.memory_mib = 1 << 19;
    submit(s, w);
    s.pass(kStart);
  }
  Workload cores = job_of(3, 1);
  cores.demand.cpu_milli = 64'000;
  submit(s, cores);
  Workload memory = job_of(4, 1);
  memory.demand.memory_mib = (1 << 19) + 1;
  submit(s, memory);
  Workload gang = job_of(5, 1, 1h, 3);
  gang.demand.cpu_milli = 33'000;
  submit(s, gang);
  s.pass(kStart);
  EXPECT_TRUE(s.why(3)->text().starts_with("needs 64 cores on a node with free accelerators; 63 are free"))
      << s.why(3)->text();
  EXPECT_TRUE(s.why(4)->text().starts_with(
      "needs 524289 MiB of memory on a node with free accelerators; 524288 are free"))
      << s.why(4)->text();
  EXPECT_TRUE(s.why(5)->text().starts_with("needs 99 cores beside its accelerators; 66 are free"))
      << s.why(5)->text();
}

TEST(Why, what_work_asks_of_accelerators_and_nodes_is_named_since_others_may_be_free) {
  Cluster cluster = testing::even_cluster(3);
  cluster.kinds.push_back(cluster.kinds[0]);
  cluster.kinds[1].kind = "l4";
  cluster.nodes[2].kind = 1;
  Policies policies;
  policies.replan_every = 0s;
  Scheduler s = std::move(*Scheduler::create(cluster, testing::one_account(), policies));
  Workload most = job_of(1, 8, 1h, 2);
  most.kinds = {0};
  submit(s, most);
  Workload one = job_of(5, 1);
  one.kinds = {1};
  submit(s, one);
  s.pass(kStart);
  Workload kind = job_of(2, 8);
  kind.kinds = {0};
  kind.accelerator_memory_mib = 1024;
  submit(s, kind);
  Workload gang = job_of(3, 8, 1h, 2);
  gang.kinds = {1, 0};
  gang.zones = {"FR", "SE"};
  submit(s, gang);
  Workload cores = job_of(4, 1);
  cores.demand.cpu_milli = 96'000;
  cores.kinds = {1};
  submit(s, cores);
  s.pass(kStart);
  EXPECT_EQ(s.why(2)->text(),
            "needs 8 accelerators of kind h100, of 1024 MiB or more; 0 are free, next at 2026-11-22 01:00 "
            "when 1 ends");
  EXPECT_TRUE(s.why(3)->text().starts_with(
      "needs 16 accelerators of kind l4 or h100, in zone FR or SE in tasks of 8 of one kind; 0 are free"))
      << s.why(3)->text();
  EXPECT_TRUE(
      s.why(4)->text().starts_with("needs 96 cores on a node with free accelerators of kind l4; 95 are free"))
      << s.why(4)->text();
}

TEST(Why, what_no_node_has_is_named) {
  Scheduler s = make(2);
  Workload memory = job_of(1, 1);
  memory.demand.memory_mib = 1 << 21;
  submit(s, memory);
  Workload elsewhere = job_of(2, 1);
  elsewhere.zones = {"DE"};
  submit(s, elsewhere);
  submit(s, job_of(3, 8, 1h, 3));
  s.pass(kStart);
  EXPECT_EQ(s.why(1)->text(),
            "needs 2097152 MiB of memory on one node; the largest that meets its constraints has 1048576");
  EXPECT_EQ(s.why(2)->text(), "no node is in zone DE");
  EXPECT_EQ(s.why(3)->text(),
            "needs 3 tasks; the nodes that meet its constraints could hold 2 even if they were empty");
}

TEST(Why, of_work_without_accelerators_the_cores_or_the_memory_that_are_short_are_named) {
  Scheduler s = make(2);
  for (WorkloadId id : {1, 2}) {
    Workload w = job_of(id, 0);
    w.demand.cpu_milli = 90'000;
    submit(s, w);
  }
  s.pass(kStart);
  Workload one = job_of(3, 0);
  one.demand.cpu_milli = 8000;
  submit(s, one);
  Workload gang = job_of(4, 0, 1h, 3);
  gang.demand.cpu_milli = 4000;
  submit(s, gang);
  Workload memory = job_of(5, 0);
  memory.demand.memory_mib = 1 << 20;
  submit(s, memory);
  s.pass(kStart);
  EXPECT_TRUE(s.why(3)->text().starts_with("needs 8 cores on one node; 6 are free, next at"))
      << s.why(3)->text();
  EXPECT_TRUE(s.why(4)->text().starts_with("needs 12 cores; 8 are free")) << s.why(4)->text();
  EXPECT_TRUE(s.why(5)->text().starts_with("needs 1048576 MiB of memory on one node; 1048476 are free"))
      << s.why(5)->text();
}

TEST(Why, nodes_that_take_nothing_new_are_told) {
  Scheduler s = make(2);
  s.set_health(0, Health::kCordoned, kStart);
  s.set_health(1, Health::kDown, kStart);
  s.set_health(1, Health::kReady, kStart);
  submit(s, job_of(1, 8));
  submit(s, job_of(2, 8));
  s.pass(kStart);
  EXPECT_TRUE(s.why(2)->text().ends_with("; 1 node that could serve it takes nothing new (cordoned or down)"))
      << s.why(2)->text();
}

TEST(Why, the_constraint_that_no_node_meets_is_named) {
  Scheduler s = make(1);
  Workload law = job_of(1, 8);
  law.jurisdictions = {"US", "CH"};
  submit(s, law);
  Workload attested = job_of(2, 8);
  attested.attested = true;
  submit(s, attested);
  Workload memory = job_of(3, 8);
  memory.accelerator_memory_mib = 1 << 20;
  submit(s, memory);
  s.pass(kStart);
  EXPECT_EQ(s.why(1)->text(), "no node is where the law of US or CH applies");
  EXPECT_EQ(s.why(2)->text(), "no node is attested");
  EXPECT_EQ(s.why(3)->text(), "no accelerator is known to have 1048576 MiB of memory");
}

TEST(Why, one_is_one) {
  Scheduler s = make(1);
  submit(s, job_of(1, 8));
  submit(s, job_of(2, 1));
  s.pass(kStart);
  EXPECT_TRUE(s.why(2)->text().starts_with("needs 1 accelerator; 0 are free")) << s.why(2)->text();
}

TEST(Why, a_cap_below_the_one_before_is_never_said_to_be_for_room_in_the_budget) {
  Scheduler s = make(1);
  for (WorkloadId id = 1; id <= 4; ++id) submit(s, job_of(id, 2, 24h));
  s.pass(kStart);
  // Four of 1.2 kW. At half each is 0.2 kW too much, so that one is stopped and there is room above it.
  ASSERT_TRUE(s.set_budget({{ScopeKind::kSite, 0}, kStart + 45s, 1'000'000 + 2'200'000}, kStart));
  const Plan plan = s.pass(kStart);
  ASSERT_EQ(plan.preempts.size(), 1U);
  int lifted = 0;
  for (const Cap& cap : plan.caps) {
    EXPECT_EQ(cap.reason.code, ReasonCode::kBudgetFall) << cap.cap_milli;
    lifted += cap.cap_milli > 500 ? 1 : 0;
  }
  EXPECT_GT(lifted, 0) << "this test does not test it";
}

TEST(Why, what_is_free_only_in_pieces_is_told_as_such) {
  Scheduler s = make(2);
  for (WorkloadId id : {1, 2}) submit(s, job_of(id, 5));
  submit(s, job_of(3, 8, 1h, 2));
  s.pass(kStart);
  EXPECT_EQ(s.why(3)->text(),
            "needs 16 accelerators in tasks of 8; 0 are free, next at 2026-11-22 01:00 when 2 ends");
}

/// Half of a node is free, and promised to 2 when 1 ends; 3 would fit.
Scheduler behind_a_promise() {
  Scheduler s = make(1);
  submit(s, job_of(1, 4, 1h));
  submit(s, job_of(2, 8, 1h));
  submit(s, job_of(3, 4, 2h));
  s.pass(kStart);
  return s;
}

TEST(Why, nobody_is_told_that_what_is_free_is_promised_to_work_that_runs) {
  Scheduler s = behind_a_promise();
  ASSERT_EQ(s.why(3)->text(), "what is free is promised to 2 at 2026-11-22 01:00");
  ASSERT_TRUE(s.ended(1, kStart + 10min));
  ASSERT_EQ(s.pass(kStart + 10min).starts.size(), 1U);
  EXPECT_EQ(s.why(3)->code, ReasonCode::kCapacity);
}

/// Half of the first node, the only one that is attested, is taken until 1 h, the other until 2 h, and the first is promised to 3
/// from 1 h on. Both draw nothing, and the budget of the site is what a full node draws.
Scheduler behind_a_promise_and_its_power() {
  Accounts accounts = testing::one_account();
  accounts.push_back(accounts[0]);
  accounts[1].name = "other";
  Cluster cluster = testing::even_cluster(2);
  cluster.nodes[0].attested = true;
  Policies policies;
  policies.replan_every = 0s;
  Scheduler s = std::move(*Scheduler::create(std::move(cluster), std::move(accounts), policies));
  EXPECT_TRUE(s.set_budget({{ScopeKind::kSite, 0}, kStart, 2'000'000 + 8 * 600'000}, kStart));
  Workload half = job_of(1, 4);
  half.attested = true;
  half.accelerator_draw_milli = 0;
  submit(s, half);
  Workload whole = job_of(2, 8, 2h);
  whole.accelerator_draw_milli = 0;
  submit(s, whole);
  EXPECT_EQ(s.pass(kStart).starts.size(), 2U);
  submit(s, job_of(3, 8));
  s.pass(kStart);
  return s;
}

/// It comes before 3 in order, as its account uses less.
Workload for_the_other_half() {
  Workload w = job_of(4, 4, 2h);
  w.attested = true;
  w.account = 1;
  return w;
}

const char* const kLacksPower = "needs 1200 W; the power budget of site s leaves 0 W";  // under a cap

TEST(Why, what_lacks_power_once_what_was_promised_has_started_elsewhere_is_told_that) {
  Scheduler s = behind_a_promise_and_its_power();
  submit(s, for_the_other_half());
  ASSERT_TRUE(s.ended(2, kStart + 10min));
  const Plan plan = s.pass(kStart + 10min);
  ASSERT_EQ(plan.starts.size(), 1U);
  ASSERT_EQ(plan.starts[0].id, 3U);
  ASSERT_EQ(plan.holds.size(), 1U);
  EXPECT_EQ(plan.holds[0].reason.text(), kLacksPower);
  EXPECT_EQ(s.why(4)->text(), kLacksPower);
}

TEST(Why, what_was_told_of_a_promise_before_that_started_elsewhere_is_told_as_it_is) {
  Scheduler s = behind_a_promise_and_its_power();
  submit(s, for_the_other_half());
  s.pass(kStart);
  ASSERT_EQ(s.why(4)->text(), "what is free is promised to 3 at 2026-11-22 01:00");
  ASSERT_TRUE(s.ended(2, kStart + 10min));
  ASSERT_EQ(s.pass(kStart + 10min).starts.size(), 1U);
  EXPECT_EQ(s.why(4)->text(), kLacksPower);
}

TEST(Why, a_time_that_has_passed_is_not_told) {
  Scheduler s = make(1);
  Workload low = job_of(1, 8, 10h);
  low.preemptible = true;
  submit(s, low);
  ASSERT_EQ(s.pass(kStart).starts.size(), 1U);
  Workload high = job_of(2, 8, 1h);
  high.priority = 1;
  submit(s, high);
  s.pass(kStart + 1s);
  EXPECT_EQ(s.why(2)->text(), "waits for work that was told to stop, until 2026-11-22 00:00:31");
  s.full_pass(kStart + 2min);
  EXPECT_EQ(s.why(2)->text(), "waits for work that was told to stop") << "it takes longer than its grace";
}

TEST(Why, a_promise_that_is_due_is_told_without_its_time) {
  Scheduler s = behind_a_promise();
  s.full_pass(kStart + 1h + 1min);
  EXPECT_EQ(s.why(3)->text(), "what is free is promised to 2") << "1 runs beyond its limit";
}

TEST(Why, seconds_are_told_where_there_are_any) {
  EXPECT_EQ(minute_of(kStart + 1h), "2026-11-22 01:00");
  EXPECT_EQ(minute_of(kStart + 50s), "2026-11-22 00:00:50");
}

TEST(Why, a_part_of_an_accelerator_is_told_as_such) {
  Scheduler s = std::move(*Scheduler::create(testing::even_cluster(1), testing::one_account(), {}));
  Workload w = job_of(1, 8);
  submit(s, w);
  w = job_of(2, 1);
  w.demand.accelerator_milli = 500;
  submit(s, w);
  s.pass(kStart);
  EXPECT_TRUE(s.why(2)->text().starts_with("needs 0.5 accelerators; 0 are free, next at"))
      << s.why(2)->text();
}

TEST(Why, the_power_that_is_left_is_what_starts_of_the_same_pass_leave) {
  Cluster cluster = testing::even_cluster(2);
  std::int64_t idle_mw = 0;
  for (const Node& node : cluster.nodes) idle_mw += node.idle_mw;
  Policies policies;
  policies.start_capped = false;
  Scheduler s = std::move(*Scheduler::create(std::move(cluster), testing::one_account(), policies));
  ASSERT_TRUE(s.set_budget({{ScopeKind::kSite, 0}, kStart, idle_mw + 3'000'000}, kStart));
  Workload w = job_of(1, 8);  // 4.8 kW above idle
  w.cpu_draw_milli = 0;
  submit(s, w);
  w = job_of(2, 4);
  w.cpu_draw_milli = 0;
  submit(s, w);
  const Plan plan = s.pass(kStart);
  ASSERT_EQ(plan.starts.size(), 1U);
  ASSERT_EQ(plan.holds.size(), 1U);
  EXPECT_EQ(plan.holds[0].reason.text(), "needs 4800 W; the power budget of site s leaves 600 W");
}

TEST(Why, a_hold_is_told_again_when_it_is_another_budget_that_lacks) {
  Cluster cluster = testing::even_cluster(2);
  cluster.sites.push_back({.name = "t", .zone = "DE", .jurisdiction = "DE"});
  cluster.nodes[1].site = 1;
  Policies policies;
  policies.start_capped = false;
  policies.preempt = false;
  Scheduler s = std::move(*Scheduler::create(cluster, testing::one_account(), policies));
  for (std::uint32_t site : {0U, 1U}) {
    ASSERT_TRUE(s.set_budget({{ScopeKind::kSite, site}, kStart, 1'000'000 + 4 * 600'000 + 100'000}, kStart));
    Workload w = job_of(site + 1, 4, 100h);
    w.zones = {cluster.sites[site].zone};
    submit(s, w);
  }
  ASSERT_EQ(s.pass(kStart).starts.size(), 2U);
  submit(s, job_of(3, 1));
  ASSERT_EQ(s.pass(kStart).holds.size(), 1U);
  const ScopeKind kind = ScopeKind::kSite;
  const std::uint32_t told = s.why(3)->scope->index;
  // That site has power, and no accelerators.
  ASSERT_TRUE(s.set_budget({{kind, told}, kStart + 1h, 20'000'000}, kStart + 1h));
  Workload rest = job_of(4, 4, 100h);
  rest.zones = {cluster.sites[told].zone};
  rest.priority = 1;
  submit(s, rest);
  const Plan plan = s.full_pass(kStart + 1h);
  ASSERT_EQ(plan.starts.size(), 1U);
  ASSERT_EQ(plan.holds.size(), 1U);
  EXPECT_EQ(plan.holds[0].id, 3U);
  EXPECT_EQ(*plan.holds[0].reason.scope, (Scope{kind, 1 - told}));
}

TEST(Why, asking_leaves_no_trace_in_what_is_decided) {
  const auto decided = [](std::uint64_t seed, bool asks) {
    testing::Dice dice(seed);
    const Cluster cluster = testing::random_cluster(dice);
    const Accounts accounts = testing::random_accounts(dice, true);
    Scheduler s = std::move(*Scheduler::create(cluster, accounts, {}));
    const std::int64_t idle_mw = s.draw_mw({ScopeKind::kSite, 0});
    std::string all;
    TimePoint now = testing::kStart;
    for (WorkloadId id = 1; id <= 100; ++id) {
      now += std::chrono::seconds(30);
      EXPECT_TRUE(s.submit(testing::random_workload(dice, id, now, accounts.size()), now));
      if (id > 20) (void)s.ended(id - 20, now);
      if (id % 5 == 0) {
        const std::int64_t above_idle_mw = std::int64_t{dice.below(12)} * 300'000;
        EXPECT_TRUE(s.set_budget({{ScopeKind::kSite, 0}, now, idle_mw + above_idle_mw}, now));
      }
      for (const Start& start : s.pass(now).starts)
        all += fmt::format("{} at {}; ", start.id, start.places[0].node);
      for (WorkloadId other = 1; asks && other <= id; ++other) (void)s.why(other);
    }
    return all;
  };
  for (std::uint64_t seed = 1; seed <= 50; ++seed)
    EXPECT_EQ(decided(seed, true), decided(seed, false)) << seed;
}

}  // namespace
}  // namespace millrace::scheduler
