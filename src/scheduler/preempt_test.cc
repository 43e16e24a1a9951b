// What is stopped for other work: the least loss, and no more than that needs.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "scheduler/scheduler.h"
#include "scheduler/world_test_support.h"

namespace millrace::scheduler {
namespace {

using namespace std::chrono_literals;
using testing::kStart;
using testing::quarter;
using testing::stopped;

using Ids = std::vector<WorkloadId>;

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

TEST(Preempt, what_its_owner_told_to_stop_is_expected_to_be_gone_by_then) {
  Scheduler s = std::move(*Scheduler::create(testing::even_cluster(1), testing::one_account(), {}));
  ASSERT_TRUE(s.submit(whole(1, 0, 10h), kStart));
  ASSERT_EQ(s.pass(kStart).starts.size(), 1U);
  ASSERT_TRUE(s.submit(whole(2, 0, 10h), kStart));
  s.pass(kStart);
  ASSERT_EQ(s.expected_start(2), kStart + 10h);
  ASSERT_TRUE(s.stopping(1, kStart + 90s));
  s.full_pass(kStart + 1min);
  EXPECT_EQ(s.expected_start(2), kStart + 90s);
  EXPECT_EQ(s.why(2)->text(), "needs 8 accelerators; 0 are free, next at 2026-11-22 00:01:30 when 1 ends");
  EXPECT_FALSE(s.stopping(2, kStart)) << "it does not run";
}

TEST(Preempt, nothing_is_stopped_for_a_fall_that_work_is_gone_for_already) {
  Policies policies;
  policies.cap_floor_milli = 1000;
  Scheduler s = std::move(*Scheduler::create(testing::even_cluster(1), testing::one_account(), policies));
  ASSERT_TRUE(s.submit(quarter(1), kStart));
  ASSERT_TRUE(s.submit(quarter(2), kStart));
  ASSERT_EQ(s.pass(kStart).starts.size(), 2U);
  ASSERT_TRUE(s.set_budget({{ScopeKind::kSite, 0}, kStart + 1min, 1'000'000 + 1'200'000}, kStart));
  ASSERT_TRUE(s.stopping(1, kStart + 50s));
  EXPECT_TRUE(s.pass(kStart + 20s).preempts.empty());
}

/// A tenant of 16 accelerators with two projects, of which each has eight of its own and borrows nothing, on three nodes. Each
/// runs eight of the low class; those of the second take twice as long to stop.
class PreemptUnderQuota : public ::testing::Test {
 protected:
  PreemptUnderQuota() {
    Accounts accounts(3);
    for (Account& account : accounts) {
      account.quota = kUnlimitedQuota;
      account.quota.borrow.accelerators_milli = 0;
      account.quota.nominal.accelerators_milli = 8'000;
      account.parent = 0;
    }
    accounts[0].name = "tenant";
    accounts[0].parent = kNoAccount;
    accounts[0].quota.nominal.accelerators_milli = 16'000;
    accounts[1].name = "tenant/first";
    accounts[2].name = "tenant/second";
    s_.emplace(std::move(*Scheduler::create(testing::even_cluster(3), accounts, {})));
    for (WorkloadId id = 1; id <= 16; ++id) {
      Workload low = testing::job_of(id, 1, 24h);
      low.account = id <= 8 ? 1 : 2;
      low.preemptible = true;
      low.grace = id <= 8 ? 30s : 60s;
      EXPECT_TRUE(s_->submit(low, kStart));
    }
    EXPECT_EQ(s_->pass(kStart).starts.size(), 16U);
  }

  void submit(WorkloadId id, AccountIndex account, int accelerators, int tasks = 1) {
    Workload high = testing::job_of(id, accelerators, 1h, tasks);
    high.account = account;
    high.priority = 1;
    high.submitted = kStart + 1min;
    ASSERT_TRUE(s_->submit(high, kStart + 1min));
  }

  Ids started(const Plan& plan) {
    Ids ids;
    for (const Start& start : plan.starts) ids.push_back(start.id);
    return ids;
  }

  void end_all(const Plan& plan, std::chrono::seconds grace, TimePoint now) {
    for (const Preempt& p : plan.preempts) {
      if (p.grace == grace) ASSERT_TRUE(s_->ended(p.id, now));
    }
  }

  std::optional<Scheduler> s_;
};

TEST_F(PreemptUnderQuota, several_of_one_account_stop_no_more_than_they_need) {
  for (WorkloadId id = 21; id <= 23; ++id) submit(id, 1, 2);
  const Plan plan = s_->pass(kStart + 1min);
  EXPECT_EQ(plan.preempts.size(), 6U) << "of eight";
  end_all(plan, 30s, kStart + 90s);
  EXPECT_EQ(started(s_->pass(kStart + 90s)), (Ids{21, 22, 23}));
}

TEST_F(PreemptUnderQuota, alike_work_that_waited_for_a_full_pass_is_made_room_for_at_once) {
  for (WorkloadId id = 21; id <= 24; ++id) submit(id, 1, 2);
  EXPECT_EQ(s_->full_pass(kStart + 1min).preempts.size(), 8U);
}

TEST_F(PreemptUnderQuota, each_project_makes_room_at_once_though_the_tenant_has_none_left) {
  submit(21, 1, 1, 8);
  submit(22, 2, 1, 8);
  const Plan plan = s_->pass(kStart + 1min);
  EXPECT_EQ(plan.preempts.size(), 16U);
  end_all(plan, 30s, kStart + 90s);
  EXPECT_EQ(started(s_->pass(kStart + 90s)), (Ids{21})) << "the other's room is not there yet";
  end_all(plan, 60s, kStart + 2min);
  EXPECT_EQ(started(s_->pass(kStart + 2min)), (Ids{22}));
}

TEST_F(PreemptUnderQuota, what_was_kept_for_work_that_is_cancelled_is_there_for_others) {
  submit(21, 1, 1, 8);
  const Plan plan = s_->pass(kStart + 1min);
  ASSERT_EQ(plan.preempts.size(), 8U);
  ASSERT_TRUE(s_->cancel(21, kStart + 70s));
  submit(22, 1, 1, 8);
  EXPECT_TRUE(s_->full_pass(kStart + 70s).preempts.empty()) << "they stop already";
  end_all(plan, 30s, kStart + 90s);
  EXPECT_EQ(started(s_->full_pass(kStart + 90s)), (Ids{22}));
}

}  // namespace
}  // namespace millrace::scheduler
