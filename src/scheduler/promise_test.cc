// Promises one behind the other, and those of lower ranks that give way.
#include <gtest/gtest.h>

#include <chrono>
#include <map>

#include "scheduler/scheduler.h"
#include "scheduler/world_test_support.h"

namespace millrace::scheduler {
namespace {

using namespace std::chrono_literals;
using testing::kStart;

/// Takes whole nodes.
Workload job_of(WorkloadId id, int nodes, std::chrono::seconds limit = 1h, std::int32_t priority = 0) {
  Workload w;
  w.id = id;
  w.demand = {.cpu_milli = 1000, .memory_mib = 100, .accelerators = 8};
  w.tasks = nodes;
  w.limit = limit;
  w.submitted = kStart + std::chrono::seconds(static_cast<int>(id));
  w.priority = priority;
  w.cpu_draw_milli = 0;
  return w;
}

Scheduler make(int nodes, Policies policies = {}) {
  policies.replan_every = 0s;
  return std::move(*Scheduler::create(testing::even_cluster(nodes), testing::one_account(), policies));
}

void submit(Scheduler& s, const Workload& w, TimePoint now = kStart) { ASSERT_TRUE(s.submit(w, now)); }

std::vector<WorkloadId> started(const Plan& plan) {
  std::vector<WorkloadId> ids;
  for (const Start& start : plan.starts) ids.push_back(start.id);
  return ids;
}

using Ids = std::vector<WorkloadId>;

TEST(Promise, a_gang_is_promised_nodes_behind_others_that_were_promised_them_before) {
  Scheduler s = make(2);
  submit(s, job_of(1, 1));
  submit(s, job_of(2, 1));
  submit(s, job_of(3, 1));
  submit(s, job_of(4, 2));
  submit(s, job_of(5, 1, 90min));
  EXPECT_EQ(started(s.pass(kStart)), (Ids{1, 2}));
  EXPECT_EQ(s.expected_start(3), kStart + 1h);
  EXPECT_EQ(s.expected_start(4), kStart + 2h);
  EXPECT_EQ(s.expected_start(5), kStart + 3h);
  ASSERT_TRUE(s.ended(1, kStart + 1h));
  ASSERT_TRUE(s.ended(2, kStart + 1h));
  EXPECT_EQ(started(s.pass(kStart + 1h)), (Ids{3})) << "5 would delay the gang";
  ASSERT_TRUE(s.ended(3, kStart + 2h));
  EXPECT_EQ(started(s.pass(kStart + 2h)), (Ids{4}));
}

TEST(Promise, work_that_comes_on_and_on_never_passes_a_gang_of_the_same_or_a_higher_class) {
  Policies policies;
  policies.starvation = std::nullopt;
  Scheduler s = make(4, policies);
  WorkloadId id = 0;
  for (; id < 5; ++id) submit(s, job_of(id + 1, 1, std::chrono::minutes(30 + 7 * static_cast<int>(id))));
  const WorkloadId gang = ++id;
  submit(s, job_of(gang, 4, 1h, 1));
  std::map<TimePoint, WorkloadId> ends;
  TimePoint begun = TimePoint::max();
  for (TimePoint now = kStart; now < kStart + 8h && begun == TimePoint::max(); now += 1min) {
    while (!ends.empty() && ends.begin()->first <= now) {
      ASSERT_TRUE(s.ended(ends.begin()->second, now));
      ends.erase(ends.begin());
    }
    ++id;
    submit(s, job_of(id, 1, std::chrono::minutes(25 + static_cast<int>(id % 7))), now);
    for (const Start& start : s.pass(now).starts) {
      if (start.id == gang) begun = now;
      ends.emplace(now + std::chrono::minutes(20) + std::chrono::seconds(static_cast<int>(start.id)),
                   start.id);
    }
  }
  EXPECT_LE(begun, kStart + 1h);
}

TEST(Promise, promises_of_a_lower_rank_give_way_and_only_as_far_as_is_needed) {
  Scheduler s = make(4);
  for (WorkloadId id = 1; id <= 4; ++id) submit(s, job_of(id, 1, std::chrono::hours(static_cast<int>(id))));
  s.pass(kStart);
  for (WorkloadId id = 5; id <= 8; ++id) submit(s, job_of(id, 1, 10h));
  s.full_pass(kStart);
  for (WorkloadId id = 5; id <= 8; ++id)
    EXPECT_EQ(s.expected_start(id), kStart + std::chrono::hours(static_cast<int>(id) - 4));
  submit(s, job_of(9, 2, 1h, 1));
  s.full_pass(kStart);
  EXPECT_EQ(s.expected_start(9), kStart + 2h);
  EXPECT_EQ(s.expected_start(7), kStart + 3h) << "not on its nodes";
  EXPECT_EQ(s.expected_start(8), kStart + 4h);
  EXPECT_EQ(s.expected_start(5), kStart + 3h) << "behind it";
  EXPECT_EQ(s.expected_start(6), kStart + 3h);
}

TEST(Promise, what_becomes_free_early_goes_to_the_higher_rank_though_the_lower_was_promised_it) {
  for (WorkloadId first : {1, 2}) {
    Scheduler s = make(2);
    for (WorkloadId id = 1; id <= 4; ++id) {
      submit(s, job_of(id, 1, 1h, id == 4 ? 1 : 0));
      s.pass(kStart);
    }
    for (WorkloadId id : {3, 4}) ASSERT_EQ(s.expected_start(id), kStart + 1h);
    ASSERT_TRUE(s.ended(first, kStart + 10min));
    EXPECT_EQ(started(s.pass(kStart + 10min)), (Ids{4})) << "when " << first << " ends";
  }
}

TEST(Promise, a_higher_rank_gets_a_promise_though_lower_ones_hold_all_there_may_be) {
  Policies policies;
  policies.reservations = 2;
  Scheduler s = make(1, policies);
  for (WorkloadId id = 1; id <= 3; ++id) submit(s, job_of(id, 1));
  s.pass(kStart);
  EXPECT_EQ(s.expected_start(3), kStart + 2h);
  submit(s, job_of(4, 1, 1h, 1));
  s.full_pass(kStart);
  EXPECT_EQ(s.expected_start(4), kStart + 1h);
  EXPECT_EQ(s.expected_start(2), kStart + 2h);
  EXPECT_FALSE(s.expected_start(3));
}

TEST(Promise, what_is_promised_behind_it_does_not_keep_late_work_from_starting) {
  Scheduler s = make(1);
  for (WorkloadId id = 1; id <= 3; ++id) submit(s, job_of(id, 1));
  s.pass(kStart);
  EXPECT_TRUE(s.pass(kStart + 1h).starts.empty()) << "1 overruns its limit";
  ASSERT_TRUE(s.ended(1, kStart + 1h + 30s));
  EXPECT_EQ(started(s.pass(kStart + 1h + 30s)), (Ids{2}));
  ASSERT_TRUE(s.ended(2, kStart + 2h + 30s));
  EXPECT_EQ(started(s.pass(kStart + 2h + 30s)), (Ids{3}));
}

TEST(Promise, power_is_promised_behind_what_others_were_promised_before) {
  Scheduler s = make(3);
  // 3 kW idle; one node at full load draws 4.8 kW more.
  ASSERT_TRUE(s.set_budget({{ScopeKind::kSite, 0}, kStart, 8'000'000}, kStart));
  for (WorkloadId id = 1; id <= 3; ++id) {
    Workload w = job_of(id, 1);
    w.accelerator_draw_milli = 1000;
    submit(s, w);
  }
  EXPECT_EQ(started(s.pass(kStart)), (Ids{1}));
  EXPECT_EQ(s.expected_start(2), kStart + 1h);
  EXPECT_EQ(s.expected_start(3), kStart + 2h);
  ASSERT_TRUE(s.ended(1, kStart + 1h + 10s));
  EXPECT_EQ(started(s.pass(kStart + 1h + 10s)), (Ids{2})) << "late, and what is behind it waits";
  ASSERT_TRUE(s.ended(2, kStart + 2h));
  EXPECT_EQ(started(s.pass(kStart + 2h)), (Ids{3}));
}

TEST(Promise, few_are_promised_behind_others_so_that_those_of_another_account_do_not_wait_for_all_of_them) {
  Policies policies;
  policies.reservations_behind = 2;
  Scheduler s = make(1, policies);
  for (WorkloadId id = 1; id <= 9; ++id) submit(s, job_of(id, 1));
  s.pass(kStart);
  EXPECT_EQ(s.expected_start(4), kStart + 3h);
  EXPECT_FALSE(s.expected_start(5));
}

TEST(Promise, a_device_may_be_promised_to_more_than_thirty_two_one_behind_the_other) {
  Policies policies;
  policies.reservations = policies.reservations_behind = 50;
  Scheduler s = make(1, policies);
  for (WorkloadId id = 1; id <= 45; ++id) submit(s, job_of(id, 1));
  s.pass(kStart);
  EXPECT_EQ(s.expected_start(45), kStart + 44h);
}

TEST(Promise, work_that_comes_between_full_passes_is_promised_its_start_at_once) {
  Policies policies;
  policies.replan_every = 1h;
  Scheduler s = std::move(*Scheduler::create(testing::even_cluster(2), testing::one_account(), policies));
  submit(s, job_of(1, 1));
  s.pass(kStart);
  submit(s, job_of(2, 2), kStart + 2s);
  s.pass(kStart + 2s);
  EXPECT_EQ(s.expected_start(2), kStart + 1h);
  submit(s, job_of(3, 1, 2h), kStart + 3s);
  EXPECT_TRUE(started(s.pass(kStart + 3s)).empty()) << "it would delay the gang";
}

TEST(Promise, work_that_its_quota_keeps_from_starting_keeps_nothing_from_others) {
  Accounts accounts(2);
  accounts[0].name = "b";
  accounts[1].name = "c";
  for (Account& account : accounts) account.quota = kUnlimitedQuota;
  accounts[1].quota.ceiling.accelerators_milli = 8000;
  Policies policies;
  policies.replan_every = 0s;
  Scheduler s = std::move(*Scheduler::create(testing::even_cluster(2), accounts, policies));
  const auto of_c = [](WorkloadId id) {
    Workload w = job_of(id, 1, 20h);
    w.account = 1;
    return w;
  };
  submit(s, job_of(1, 1));
  submit(s, job_of(2, 1));
  s.pass(kStart);
  submit(s, of_c(3));
  submit(s, of_c(4));
  s.pass(kStart);
  ASSERT_EQ(s.expected_start(4), kStart + 1h);
  ASSERT_TRUE(s.ended(1, kStart + 1h));
  ASSERT_TRUE(s.ended(2, kStart + 1h));
  EXPECT_EQ(started(s.pass(kStart + 1h)), (Ids{3})) << "the ceiling of c";
  submit(s, job_of(5, 1, 24h), kStart + 1h);
  EXPECT_EQ(started(s.pass(kStart + 1h)), (Ids{5}));
}

TEST(Promise, what_waits_behind_work_that_starts_early_is_brought_forward) {
  Policies policies;
  policies.replan_every = 1min;
  Scheduler s = std::move(*Scheduler::create(testing::even_cluster(2), testing::one_account(), policies));
  submit(s, job_of(1, 1, 1h));
  submit(s, job_of(2, 1, 2h));
  submit(s, job_of(3, 1, 1h));  // 1 to 2 o'clock
  submit(s, job_of(4, 2, 1h));
  s.pass(kStart);
  ASSERT_EQ(s.expected_start(4), kStart + 2h);
  ASSERT_TRUE(s.ended(2, kStart + 10min));
  ASSERT_EQ(started(s.pass(kStart + 10min)), (Ids{3}));
  s.pass(kStart + 12min);
  EXPECT_EQ(s.expected_start(4), kStart + 70min);
}

TEST(Promise, stays_where_pending_work_is_told_that_its_time_has_come) {
  Scheduler s = make(2);
  submit(s, job_of(1, 1, 1h));
  Workload gang = job_of(2, 2);
  gang.not_before = kStart;
  submit(s, gang);
  s.pass(kStart);
  ASSERT_EQ(s.expected_start(2), kStart + 1h);
  ASSERT_TRUE(s.set_not_before(2, std::nullopt, kStart + 10s));
  submit(s, job_of(3, 1, 4h), kStart + 10s);
  EXPECT_EQ(started(s.pass(kStart + 10s)), Ids{}) << "it would delay the gang";
  EXPECT_EQ(s.expected_start(2), kStart + 1h);
  ASSERT_TRUE(s.set_not_before(2, kStart + 2h, kStart + 20s));
  EXPECT_EQ(started(s.pass(kStart + 20s)), Ids{3}) << "the gang waits for its time now";
}

/// Domains of 2 and 2 nodes.
Scheduler two_domains() {
  Cluster cluster = testing::even_cluster(4);
  cluster.domains = {{"d0", 0}, {"d1", 0}};
  for (NodeIndex n = 0; n < 4; ++n) cluster.nodes[n].domain = n / 2;
  Policies policies;
  policies.replan_every = 0s;
  return std::move(*Scheduler::create(std::move(cluster), testing::one_account(), policies));
}

Workload gang_of_two(WorkloadId id) {
  Workload w = job_of(id, 2);
  w.together = Together::kPreferDomain;
  return w;
}

bool in_one_domain(const Start& start) { return start.places[0].node / 2 == start.places[1].node / 2; }

TEST(Promise, a_gang_that_waited_runs_in_one_domain_where_that_costs_it_no_time) {
  Scheduler s = two_domains();
  submit(s, job_of(1, 1));
  submit(s, job_of(2, 3));
  submit(s, gang_of_two(3));
  submit(s, gang_of_two(4));
  ASSERT_EQ(started(s.pass(kStart)), (Ids{1, 2}));
  ASSERT_EQ(s.expected_start(4), kStart + 1h);
  ASSERT_TRUE(s.ended(1, kStart + 1h));
  ASSERT_TRUE(s.ended(2, kStart + 1h));
  const Plan plan = s.pass(kStart + 1h);
  ASSERT_EQ(plan.starts.size(), 2U);
  EXPECT_TRUE(in_one_domain(plan.starts[0]));
  EXPECT_TRUE(in_one_domain(plan.starts[1]));
}

TEST(Promise, a_gang_that_was_promised_several_domains_starts_in_one_that_has_become_free) {
  Scheduler s = two_domains();
  // One after the other, so that node n is that of job n + 1: what is promised is nodes 0 and 2.
  const std::chrono::seconds limits[] = {1h, 3h, 1h, 3h};
  for (WorkloadId id = 1; id <= 4; ++id) {
    submit(s, job_of(id, 1, limits[id - 1]));
    ASSERT_EQ(s.pass(kStart).starts.at(0).places.at(0).node, id - 1);
  }
  submit(s, gang_of_two(5));
  s.pass(kStart);
  ASSERT_EQ(s.expected_start(5), kStart + 1h);
  ASSERT_TRUE(s.ended(2, kStart + 50min));
  ASSERT_TRUE(s.ended(1, kStart + 1h));
  ASSERT_TRUE(s.ended(3, kStart + 1h));
  const Plan plan = s.pass(kStart + 1h);
  ASSERT_EQ(plan.starts.size(), 1U);
  EXPECT_TRUE(in_one_domain(plan.starts[0]));
}

TEST(Promise, a_gang_that_needs_one_domain_starts_in_a_smaller_one_that_has_become_free_too) {
  Cluster cluster = testing::even_cluster(5);
  cluster.domains = {{"large", 0}, {"small", 0}};
  for (NodeIndex n = 0; n < 5; ++n) cluster.nodes[n].domain = n < 3 ? 0 : 1;
  Policies policies;
  policies.replan_every = 0s;
  Scheduler s = std::move(*Scheduler::create(std::move(cluster), testing::one_account(), policies));
  for (WorkloadId id = 1; id <= 5; ++id) {
    submit(s, job_of(id, 1, id <= 3 ? 1h : 3h));
    ASSERT_EQ(s.pass(kStart).starts.at(0).places.at(0).node, id - 1);
  }
  Workload gang = job_of(6, 2);
  gang.together = Together::kOneDomain;
  submit(s, gang);
  s.pass(kStart);
  ASSERT_EQ(s.expected_start(6), kStart + 1h) << "in the large one";
  for (WorkloadId id = 1; id <= 5; ++id) ASSERT_TRUE(s.ended(id, kStart + 1h));
  const Plan plan = s.pass(kStart + 1h);
  ASSERT_EQ(plan.starts.size(), 1U);
  for (const TaskPlace& place : plan.starts[0].places) EXPECT_GE(place.node, 3U);
}

}  // namespace
}  // namespace millrace::scheduler
