// What is stopped when a budget falls, or for others: the least loss.
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

/// A quarter of a node; it draws 1.2 kW.
Workload quarter(WorkloadId id, TimePoint submitted = kStart) {
  Workload w;
  w.id = id;
  w.demand = {.cpu_milli = 1000, .memory_mib = 100, .accelerators = 2};
  w.limit = 24h;
  w.submitted = submitted;
  w.preemptible = true;
  w.cpu_draw_milli = 0;
  return w;
}

std::vector<WorkloadId> stopped(const Plan& plan) {
  std::vector<WorkloadId> ids;
  for (const Preempt& p : plan.preempts) ids.push_back(p.id);
  std::ranges::sort(ids);
  return ids;
}

using Ids = std::vector<WorkloadId>;

/// One node with four of these: 1 loses all it did, 2 what it did in the last hour, 3 nothing, 4 is not preemptible.
class Shed : public ::testing::Test {
 protected:
  Shed() {
    Policies policies;
    policies.cap_floor_milli = 1000;
    s_.emplace(std::move(*Scheduler::create(testing::even_cluster(1), testing::one_account(), policies)));
    for (WorkloadId id = 1; id <= 4; ++id) {
      Workload w = quarter(id);
      if (id == 2) w.checkpoint_every = 1h;
      if (id == 3) w.checkpoint_every = 0s;
      w.priority = id == 3 ? 1 : 0;
      w.preemptible = id != 4;
      EXPECT_TRUE(s_->submit(w, kStart));
    }
    EXPECT_EQ(s_->pass(kStart).starts.size(), 4U);
  }

  /// After ten hours and a half the budget falls so that `of_four` of them may stay.
  Ids stopped_by_a_fall(int of_four, std::chrono::seconds notice) {
    const TimePoint now = kStart + 10h + 30min;
    EXPECT_TRUE(s_->set_budget({{ScopeKind::kSite, 0}, now + notice, 1'000'000 + of_four * 1'200'000}, now));
    return stopped(s_->pass(now));
  }

  std::optional<Scheduler> s_;
};

TEST_F(Shed, work_that_can_go_on_without_loss_is_paused_before_any_is_stopped_that_loses_something) {
  EXPECT_EQ(stopped_by_a_fall(3, 45s), (Ids{3}));
}

TEST_F(Shed, then_goes_what_loses_least_and_batch_that_must_not_be_preempted_last) {
  EXPECT_EQ(stopped_by_a_fall(2, 45s), (Ids{2, 3}));
}

TEST_F(Shed, all_that_may_be_preempted_goes_before_what_may_not) {
  EXPECT_EQ(stopped_by_a_fall(1, 45s), (Ids{1, 2, 3}));
}

TEST_F(Shed, work_that_others_may_not_stop_is_paused_as_well_where_that_loses_nothing) {
  Workload w = quarter(5);
  w.preemptible = false;
  w.checkpoint_every = 0s;
  ASSERT_TRUE(s_->ended(1, kStart + 1min));
  ASSERT_TRUE(s_->submit(w, kStart + 1min));
  ASSERT_EQ(s_->pass(kStart + 1min).starts.size(), 1U);
  EXPECT_EQ(stopped_by_a_fall(2, 45s), (Ids{3, 5}));
}

TEST_F(Shed, work_that_has_no_time_to_write_its_state_is_not_paused_but_loses_it) {
  EXPECT_EQ(stopped_by_a_fall(3, 0s), (Ids{2})) << "3 is of a higher class, and its grace is 30 s";
}

TEST_F(Shed, nothing_is_done_about_a_fall_before_the_longest_grace_takes_it) {
  const TimePoint fall = kStart + 10h;
  const TimePoint last = fall - 45s;  // 30 s of grace, and a moment
  const TimePoint told = fall - 5min;
  ASSERT_TRUE(s_->set_budget({{ScopeKind::kSite, 0}, fall, 1'000'000 + 3 * 1'200'000}, told));
  const Plan plan = s_->pass(told);
  EXPECT_TRUE(plan.preempts.empty());
  EXPECT_EQ(plan.wake, last);
  EXPECT_EQ(stopped(s_->pass(last)), (Ids{3}));
}

/// What it stops where the budget has room for one of two quarters of a node, and a lower one runs.
Ids stopped_for_power(bool power_stopped) {
  Policies policies;
  policies.cap_floor_milli = 1000;
  Scheduler s = std::move(*Scheduler::create(testing::even_cluster(1), testing::one_account(), policies));
  EXPECT_TRUE(s.set_budget({{ScopeKind::kSite, 0}, kStart, 1'000'000 + 1'200'000}, kStart));
  EXPECT_TRUE(s.submit(quarter(1), kStart));
  EXPECT_EQ(s.pass(kStart).starts.size(), 1U);
  Workload w = quarter(2);
  w.priority = 1;
  w.power_stopped = power_stopped;
  EXPECT_TRUE(s.submit(w, kStart + 1h));
  return stopped(s.pass(kStart + 1h));
}

TEST(Preempt, what_a_budget_stopped_stops_nothing_else_for_the_power) {
  EXPECT_EQ(stopped_for_power(false), (Ids{1}));
  EXPECT_EQ(stopped_for_power(true), (Ids{}));
}

TEST(Preempt, work_that_can_go_on_without_loss_is_stopped_first) {
  Scheduler s = std::move(*Scheduler::create(testing::even_cluster(1), testing::one_account(), {}));
  for (WorkloadId id = 1; id <= 4; ++id) {
    Workload w = quarter(id, kStart + std::chrono::minutes(id == 1 ? 0 : 20));
    if (id == 1) w.checkpoint_every = 0s;
    ASSERT_TRUE(s.submit(w, w.submitted));
    ASSERT_EQ(s.pass(w.submitted).starts.size(), 1U);
  }
  Workload urgent = quarter(5, kStart + 1h);
  urgent.priority = 1;
  ASSERT_TRUE(s.submit(urgent, kStart + 1h));
  EXPECT_EQ(stopped(s.pass(kStart + 1h)), (Ids{1})) << "though it is promised what 1 runs on";
}

/// One node, and work of these classes that takes all of it.
Workload whole(WorkloadId id, std::int32_t priority, std::chrono::seconds limit) {
  Workload w = quarter(id);
  w.demand.accelerators = 8;
  w.priority = priority;
  w.limit = limit;
  return w;
}

TEST(Preempt, what_is_stopped_for_one_goes_to_a_higher_class_that_comes_meanwhile) {
  Scheduler s = std::move(*Scheduler::create(testing::even_cluster(1), testing::one_account(), {}));
  ASSERT_TRUE(s.submit(whole(1, -1, 10h), kStart));
  ASSERT_EQ(s.pass(kStart).starts.size(), 1U);
  ASSERT_TRUE(s.submit(whole(2, 0, 20h), kStart + 1min));
  ASSERT_EQ(stopped(s.pass(kStart + 1min)), (Ids{1}));
  ASSERT_TRUE(s.submit(whole(3, 1, 1h), kStart + 70s));
  s.pass(kStart + 70s);
  ASSERT_TRUE(s.ended(1, kStart + 90s));
  const Plan plan = s.pass(kStart + 90s);
  ASSERT_EQ(plan.starts.size(), 1U);
  EXPECT_EQ(plan.starts[0].id, 3U);
  ASSERT_TRUE(s.ended(3, kStart + 1h));
  EXPECT_EQ(s.pass(kStart + 1h).starts.size(), 1U) << "2 is not forgotten";
}

TEST(Preempt, what_had_waited_too_long_is_not_stopped_for_a_higher_class) {
  Policies policies;
  policies.starvation = 1h;
  Scheduler s = std::move(*Scheduler::create(testing::even_cluster(1), testing::one_account(), policies));
  ASSERT_TRUE(s.submit(whole(1, 1, 2h), kStart));
  ASSERT_EQ(s.pass(kStart).starts.size(), 1U);
  ASSERT_TRUE(s.submit(whole(2, 0, 2h), kStart));
  s.pass(kStart);
  ASSERT_TRUE(s.ended(1, kStart + 2h));
  ASSERT_EQ(s.pass(kStart + 2h).starts.size(), 1U);
  Workload urgent = whole(3, 1, 1h);
  urgent.submitted = kStart + 2h + 1min;
  ASSERT_TRUE(s.submit(urgent, urgent.submitted));
  EXPECT_TRUE(s.pass(urgent.submitted).preempts.empty());
}

/// What a project of "owner" stops of what "borrower" has beyond its quota, of the same priority.
std::vector<WorkloadId> taken_back(Reclaim of_tenant, Reclaim of_project) {
  Accounts accounts(3);
  accounts[0].name = "borrower";
  accounts[1].name = "owner";
  accounts[1].reclaim = of_tenant;
  for (AccountIndex a : {0, 1}) {
    accounts[a].quota = kUnlimitedQuota;
    accounts[a].quota.nominal.accelerators_milli = 8000;
    accounts[a].quota.borrow.accelerators_milli = 8000;
  }
  accounts[2] = {.name = "owner/project", .parent = 1, .quota = kUnlimitedQuota, .reclaim = of_project};
  Scheduler s = std::move(*Scheduler::create(testing::even_cluster(2), accounts, {}));
  for (WorkloadId id : {1, 2}) {
    Workload w = quarter(id, kStart);
    w.demand.accelerators = 8;
    EXPECT_TRUE(s.submit(w, kStart));
  }
  EXPECT_EQ(s.pass(kStart).starts.size(), 2U);
  Workload w = quarter(3, kStart + 1h);
  w.demand.accelerators = 8;
  w.account = 2;
  EXPECT_TRUE(s.submit(w, kStart + 1h));
  return stopped(s.pass(kStart + 1h));
}

TEST(Preempt, what_a_tenant_may_take_back_binds_its_projects) {
  EXPECT_EQ(taken_back(Reclaim::kAny, Reclaim::kAny).size(), 1U);
  EXPECT_EQ(taken_back(Reclaim::kLowerPriority, Reclaim::kAny).size(), 0U);
  EXPECT_EQ(taken_back(Reclaim::kNever, Reclaim::kLowerPriority).size(), 0U);
  EXPECT_EQ(taken_back(Reclaim::kAny, Reclaim::kNever).size(), 0U);
}

}  // namespace
}  // namespace millrace::scheduler
