// What is stopped when a budget falls: the least loss.
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
using testing::quarter;
using testing::stopped;

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

}  // namespace
}  // namespace millrace::scheduler
