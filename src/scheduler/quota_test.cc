// What a quota is too little for is not passed for ever by smaller work that comes after it.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "scheduler/scheduler.h"
#include "scheduler/world_test_support.h"

namespace millrace::scheduler {
namespace {

using namespace std::chrono_literals;
using testing::kStart;

/// Two nodes, of which the account may use the half; six of its eight run for ten hours, and 2 needs all eight.
class Quota : public ::testing::Test {
 protected:
  void begin(std::optional<std::chrono::seconds> limit) {
    Accounts accounts = testing::one_account();
    accounts[0].quota.nominal.accelerators_milli = 8'000;
    accounts.push_back(testing::one_account()[0]);
    accounts[1].name = "other";
    s_.emplace(std::move(*Scheduler::create(testing::even_cluster(2), accounts, Policies{})));
    ASSERT_EQ(started(testing::job_of(1, 6, limit)), std::vector<WorkloadId>{1});
    ASSERT_TRUE(started(testing::job_of(2, 8, 10h)).empty());
  }

  std::vector<WorkloadId> started(const Workload& w) {
    EXPECT_TRUE(s_->submit(w, kStart));
    std::vector<WorkloadId> ids;
    for (const Start& start : s_->pass(kStart).starts) ids.push_back(start.id);
    return ids;
  }

  std::optional<Scheduler> s_;
};

TEST_F(Quota, later_work_of_the_account_takes_it_only_until_it_will_do) {
  begin(10h);
  EXPECT_TRUE(started(testing::job_of(3, 2, 20h)).empty());
  EXPECT_EQ(s_->why(3)->text(), "what is left of the quota of all is kept for 2, which goes first");
  EXPECT_EQ(started(testing::job_of(4, 2, 9h)), std::vector<WorkloadId>{4});
  ASSERT_TRUE(s_->ended(4, kStart + 9h));
  ASSERT_TRUE(s_->ended(1, kStart + 10h));
  const Plan plan = s_->pass(kStart + 10h);
  ASSERT_EQ(plan.starts.size(), 1U);
  EXPECT_EQ(plan.starts[0].id, 2U);
}

TEST_F(Quota, what_goes_before_it_and_what_others_do_is_not_held) {
  begin(10h);
  Workload before = testing::job_of(3, 2, 20h);
  before.nice = -1;
  EXPECT_EQ(started(before), std::vector<WorkloadId>{3});
  Workload of_others = testing::job_of(4, 2, 20h);
  of_others.account = 1;
  EXPECT_EQ(started(of_others), std::vector<WorkloadId>{4});
}

TEST_F(Quota, where_nobody_knows_when_it_will_do_nothing_is_held) {
  begin(std::nullopt);
  EXPECT_EQ(started(testing::job_of(3, 2, 20h)), std::vector<WorkloadId>{3});
}

TEST_F(Quota, what_is_spare_by_then_is_free) {
  Accounts accounts = testing::one_account();
  accounts[0].quota.nominal.accelerators_milli = 12'000;
  s_.emplace(std::move(*Scheduler::create(testing::even_cluster(4), accounts, Policies{})));
  ASSERT_EQ(started(testing::job_of(1, 6, 10h)), std::vector<WorkloadId>{1});
  ASSERT_TRUE(started(testing::job_of(2, 8, 10h)).empty());
  EXPECT_EQ(started(testing::job_of(3, 3, 20h)), std::vector<WorkloadId>{3});
  EXPECT_TRUE(started(testing::job_of(4, 2, 20h)).empty()) << "one is spare";
  EXPECT_EQ(started(testing::job_of(5, 1, 20h)), std::vector<WorkloadId>{5});
}

/// 1 runs, and 2 and then 3 wait for the quota; 4 is of a lower class and would fit beside 1, and beside 2.
TEST_F(Quota, when_the_one_that_it_was_kept_for_starts_it_is_kept_for_the_next) {
  Accounts accounts = testing::one_account();
  accounts[0].quota.nominal.accelerators_milli = 8'000;
  s_.emplace(std::move(*Scheduler::create(testing::even_cluster(3), accounts, Policies{})));
  const auto high = [](WorkloadId id, int accelerators) {
    Workload w = testing::job_of(id, accelerators, 1h);
    w.priority = 1;
    return w;
  };
  ASSERT_EQ(started(high(1, 5)), std::vector<WorkloadId>{1});
  ASSERT_TRUE(started(high(2, 5)).empty());
  ASSERT_TRUE(started(high(3, 6)).empty());
  ASSERT_TRUE(started(testing::job_of(4, 3, 10h)).empty());
  ASSERT_TRUE(s_->ended(1, kStart + 10s));
  const Plan plan = s_->pass(kStart + 10s);
  ASSERT_EQ(plan.starts.size(), 1U);
  EXPECT_EQ(plan.starts[0].id, 2U) << "and 4 waits for 3";
}

TEST_F(Quota, it_is_not_kept_for_a_borrower_from_an_owner) {
  Accounts accounts = testing::one_account();
  accounts[0].quota.nominal.accelerators_milli = 20'000;
  accounts.resize(3, accounts[0]);
  for (AccountIndex a : {1U, 2U}) {
    accounts[a].name = std::to_string(a);
    accounts[a].parent = 0;
    accounts[a].quota.nominal.accelerators_milli = 10'000;
    accounts[a].quota.borrow.accelerators_milli = 10'000;
  }
  s_.emplace(std::move(*Scheduler::create(testing::even_cluster(4), accounts, Policies{})));
  const auto of = [](AccountIndex account, WorkloadId id, int tasks, int priority) {
    Workload w = testing::job_of(id, 1, 1h, tasks);
    w.account = account;
    w.priority = priority;
    w.preemptible = true;
    return w;
  };
  ASSERT_EQ(started(of(1, 1, 3, 1)), std::vector<WorkloadId>{1});
  ASSERT_TRUE(started(of(1, 2, 19, 1)).empty()) << "nine more than its account owns, once 1 is over";
  EXPECT_EQ(started(of(2, 3, 8, 0)), std::vector<WorkloadId>{3}) << "of a lower class, within its own";
}

}  // namespace
}  // namespace millrace::scheduler
