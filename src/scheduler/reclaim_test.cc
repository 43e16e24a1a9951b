// What others borrow, or are promised to borrow, goes back to its owner.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "scheduler/scheduler.h"
#include "scheduler/world_test_support.h"

namespace millrace::scheduler {
namespace {

using namespace std::chrono_literals;
using testing::kStart;

constexpr AccountIndex kBorrower = 0;
constexpr AccountIndex kOwner = 1;

/// Two nodes; all of them are the owner's.
class Reclaiming : public ::testing::Test {
 protected:
  Reclaiming() {
    Accounts accounts(2);
    accounts[kBorrower].name = "borrower";
    accounts[kBorrower].quota = kUnlimitedQuota;
    accounts[kBorrower].quota.nominal.accelerators_milli = 0;
    accounts[kBorrower].quota.borrow.accelerators_milli = 24'000;
    accounts[kOwner].name = "owner";
    accounts[kOwner].quota = kUnlimitedQuota;
    Policies policies;
    policies.replan_every = 0s;
    s_.emplace(std::move(*Scheduler::create(testing::even_cluster(2), accounts, policies)));
    submit(1, kBorrower, 1, 1h);
    EXPECT_EQ(s_->pass(kStart).starts.size(), 1U);
    submit(2, kBorrower, 2, 1h);
    s_->pass(kStart);
    EXPECT_EQ(s_->expected_start(2), kStart + 1h) << "a node is kept for it until then";
  }

  void submit(WorkloadId id, AccountIndex account, int nodes, std::chrono::seconds limit) {
    Workload w = testing::job_of(id, 8, limit, nodes);
    w.account = account;
    w.preemptible = true;
    ASSERT_TRUE(s_->submit(w, kStart));
  }

  std::optional<Scheduler> s_;
};

TEST_F(Reclaiming, what_is_promised_to_a_borrower_keeps_nothing_from_the_owner) {
  submit(3, kOwner, 1, 3h);
  const Plan plan = s_->pass(kStart + 1min);
  ASSERT_EQ(plan.starts.size(), 1U);
  EXPECT_EQ(plan.starts[0].id, 3U);
  EXPECT_TRUE(plan.preempts.empty());
  s_->full_pass(kStart + 2min);
  EXPECT_EQ(s_->expected_start(2), kStart + 3h + 1min);
}

TEST_F(Reclaiming, nor_does_it_keep_the_owner_from_stopping_the_rest_that_it_needs) {
  submit(3, kOwner, 2, 3h);
  const Plan plan = s_->pass(kStart + 1min);
  ASSERT_EQ(plan.preempts.size(), 1U);
  EXPECT_EQ(plan.preempts[0].id, 1U);
  ASSERT_TRUE(s_->ended(1, kStart + 90s));
  const Plan next = s_->pass(kStart + 90s);
  ASSERT_EQ(next.starts.size(), 1U);
  EXPECT_EQ(next.starts[0].id, 3U);
}

TEST_F(Reclaiming, work_that_would_borrow_too_waits_behind_the_promise) {
  submit(3, kBorrower, 1, 3h);
  EXPECT_TRUE(s_->pass(kStart + 1min).starts.empty());
  EXPECT_EQ(s_->expected_start(2), kStart + 1h);
}

/// One node, of which half is each account's; the owner has used it all until now.
class Precedence : public ::testing::Test {
 protected:
  Precedence() {
    Accounts accounts(2);
    accounts[kBorrower].name = "borrower";
    accounts[kOwner].name = "owner";
    for (Account& a : accounts) {
      a.quota = kUnlimitedQuota;
      a.quota.nominal.accelerators_milli = 4'000;
      a.quota.borrow.accelerators_milli = 4'000;
    }
    s_.emplace(std::move(*Scheduler::create(testing::even_cluster(1), accounts, Policies{})));
    submit(1, kOwner, 8, kStart);
    EXPECT_EQ(s_->pass(kStart).starts.size(), 1U);
    now_ = kStart + 10h;
    EXPECT_TRUE(s_->ended(1, now_));
  }

  void submit(WorkloadId id, AccountIndex account, std::int32_t accelerators, TimePoint at,
              std::int32_t priority = 0, bool preemptible = true) {
    Workload w = testing::job_of(id, accelerators, 1h, 1);
    w.account = account;
    w.submitted = at;
    w.priority = priority;
    w.preemptible = preemptible;
    ASSERT_TRUE(s_->submit(w, at));
  }

  std::vector<WorkloadId> started() {
    std::vector<WorkloadId> ids;
    for (const Start& start : s_->pass(now_).starts) ids.push_back(start.id);
    return ids;
  }

  std::optional<Scheduler> s_;
  TimePoint now_;
};

TEST_F(Precedence, an_owner_goes_before_a_borrower_whatever_the_shares_say) {
  submit(2, kBorrower, 4, now_);
  ASSERT_EQ(started(), std::vector<WorkloadId>{2});
  submit(3, kBorrower, 4, now_);
  submit(4, kOwner, 4, now_);
  EXPECT_EQ(started(), std::vector<WorkloadId>{4}) << "else the borrower's were stopped for it at once";
}

TEST_F(Precedence, a_borrower_of_a_higher_class_does_not_start_where_it_would_be_stopped_at_once) {
  submit(2, kBorrower, 4, now_);
  ASSERT_EQ(started(), std::vector<WorkloadId>{2});
  submit(3, kBorrower, 4, now_, 1);
  submit(4, kOwner, 4, now_);
  EXPECT_EQ(started(), std::vector<WorkloadId>{4});
  EXPECT_EQ(s_->expected_start(3), now_ + 1h);
}

TEST(Reclaim, thousands_of_owners_start_instead_of_one_borrower_of_a_higher_class) {
  constexpr int kNodes = 2'500;
  Accounts accounts(2);
  accounts[0].name = "borrower";
  accounts[1].name = "owner";
  for (Account& a : accounts) a.quota = kUnlimitedQuota;
  accounts[0].quota.nominal.accelerators_milli = 0;
  accounts[0].quota.borrow.accelerators_milli = accounts[1].quota.nominal.accelerators_milli =
      std::int64_t{kNodes} * 8'000;
  Scheduler s = std::move(*Scheduler::create(testing::even_cluster(kNodes), accounts, Policies{}));
  for (WorkloadId id = 1; id <= kNodes * 8 + 1; ++id) {
    Workload w = testing::job_of(id, 1);
    w.submitted = kStart;
    w.preemptible = true;
    w.account = id == 1 ? 0 : 1;
    w.priority = id == 1 ? 10 : 0;
    ASSERT_TRUE(s.submit(w, kStart));
  }
  const Plan plan = s.pass(kStart);
  EXPECT_EQ(plan.starts.size(), std::size_t{kNodes} * 8);
  EXPECT_TRUE(std::ranges::none_of(plan.starts, [](const Start& start) { return start.id == 1; }));
}

TEST_F(Precedence, one_that_nobody_may_stop_starts_by_its_class) {
  submit(2, kBorrower, 4, now_);
  ASSERT_EQ(started(), std::vector<WorkloadId>{2});
  submit(3, kBorrower, 4, now_, 1, false);
  submit(4, kOwner, 4, now_);
  EXPECT_EQ(started(), std::vector<WorkloadId>{3});
}

TEST_F(Precedence, an_owner_that_ends_hands_on_to_its_next_what_a_borrower_was_promised) {
  submit(2, kOwner, 4, now_);
  submit(3, kBorrower, 4, now_, 0, false);
  ASSERT_EQ(started().size(), 2U);
  submit(4, kBorrower, 4, now_, 1);
  submit(5, kOwner, 4, now_);
  ASSERT_TRUE(started().empty());
  ASSERT_EQ(s_->expected_start(4), now_ + 1h) << "both would borrow";
  now_ += 30s;
  ASSERT_TRUE(s_->ended(2, now_));
  EXPECT_EQ(started(), std::vector<WorkloadId>{5});
  s_->full_pass(now_);
  EXPECT_EQ(s_->expected_start(4), kStart + 11h);
}

TEST_F(Precedence, of_two_within_their_own_the_smaller_share_goes_first) {
  submit(2, kOwner, 4, now_);
  submit(3, kBorrower, 4, now_);
  EXPECT_EQ(started(), (std::vector<WorkloadId>{3, 2}));
}

TEST_F(Precedence, what_an_account_is_given_in_a_pass_counts_for_the_rest_of_it) {
  submit(2, kBorrower, 4, now_);
  submit(3, kBorrower, 4, now_);
  submit(4, kOwner, 4, now_);
  EXPECT_EQ(started(), (std::vector<WorkloadId>{2, 4})) << "the second of the borrower would borrow";
}

/// Two accounts of eight accelerators and ten cores, on one node of eight. `borrower` runs eight with eight cores (1), and 20
/// cores alone (2).
Scheduler one_borrows_cores() {
  Accounts accounts(2);
  for (Account& account : accounts) {
    account.quota = kUnlimitedQuota;
    account.quota.nominal = {.accelerators_milli = 8'000, .cpu_milli = 10'000, .memory_mib = kUnlimited};
    account.quota.borrow = kUnlimitedAmount;
  }
  accounts[kBorrower].name = "borrower";
  accounts[kOwner].name = "owner";
  Scheduler s = std::move(*Scheduler::create(testing::even_cluster(1), accounts, {}));
  for (WorkloadId id : {1, 2}) {
    Workload w = testing::job_of(id, id == 1 ? 8 : 0, 10h);
    w.demand.cpu_milli = id == 1 ? 8'000 : 20'000;
    w.account = kBorrower;
    w.preemptible = true;
    w.priority = id == 1 ? 0 : 1;
    EXPECT_TRUE(s.submit(w, kStart));
  }
  EXPECT_EQ(s.pass(kStart).starts.size(), 2U);
  return s;
}

std::vector<WorkloadId> stopped_for(Scheduler& s, int accelerators, std::int64_t cpu_milli) {
  Workload w = testing::job_of(3, accelerators, 1h);
  w.demand.cpu_milli = cpu_milli;
  w.account = kOwner;
  EXPECT_TRUE(s.submit(w, kStart + 1min));
  return testing::stopped(s.pass(kStart + 1min));
}

TEST(Reclaim, what_is_not_borrowed_is_not_stopped_because_something_else_is) {
  Scheduler s = one_borrows_cores();
  EXPECT_TRUE(stopped_for(s, 1, 1'000).empty()) << "the accelerators are its own";
}

TEST(Reclaim, what_is_short_and_borrowed_is_taken_back) {
  Scheduler s = one_borrows_cores();
  Workload more = testing::job_of(4, 0, 10h);
  more.account = kBorrower;
  more.preemptible = true;
  more.demand.cpu_milli = 68'000;
  more.priority = 1;
  ASSERT_TRUE(s.submit(more, kStart));
  ASSERT_EQ(s.pass(kStart).starts.size(), 1U);
  EXPECT_EQ(stopped_for(s, 0, 10'000), (std::vector<WorkloadId>{2})) << "the cores of 1 would not be enough";
}

}  // namespace
}  // namespace millrace::scheduler
