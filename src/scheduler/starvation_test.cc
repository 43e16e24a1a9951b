// The starvation bound: whatever else waits or runs, what has waited too long goes first.
#include <gtest/gtest.h>

#include <chrono>
#include <map>

#include "scheduler/scheduler.h"
#include "scheduler/world_test_support.h"

namespace millrace::scheduler {
namespace {

using namespace std::chrono_literals;
using testing::job_of;
using testing::kStart;

Scheduler make(int nodes, const Policies& policies) {
  return std::move(*Scheduler::create(testing::even_cluster(nodes), testing::one_account(), policies));
}

TEST(Starvation, waiting_is_bounded_whatever_the_priority_of_others) {
  Policies policies;
  policies.starvation = 4h;
  policies.preempt = false;
  Scheduler s = make(2, policies);
  ASSERT_TRUE(s.submit(job_of(1, 8, 1h, 2), kStart + 1s));
  std::map<WorkloadId, TimePoint> ends;
  WorkloadId ids = 10;
  TimePoint now = kStart;
  std::optional<TimePoint> started;
  for (int minute = 0; minute < 600 && !started; ++minute) {
    now = kStart + std::chrono::minutes(minute);
    for (auto it = ends.begin(); it != ends.end();) {
      const bool over = it->second <= now;
      if (over) ASSERT_TRUE(s.ended(it->first, now));
      it = over ? ends.erase(it) : std::next(it);
    }
    while (s.usage().pending < 10) {
      ++ids;
      Workload w = job_of(ids, 4, std::chrono::minutes(20 + ids % 11));
      w.priority = 1;
      w.submitted = now;
      ASSERT_TRUE(s.submit(w, now));
    }
    for (const Start& start : s.pass(now).starts) {
      if (start.id == 1) started = now;
      ends[start.id] = now + std::chrono::minutes(20 + start.id % 11);
    }
  }
  ASSERT_TRUE(started);
  EXPECT_GT(*started, kStart + 3h) << "else the bound is not what let it in";
  EXPECT_LE(*started, kStart + 4h + 31min) << "the bound and the longest limit of what ran then";
}

TEST(Starvation, waiting_is_bounded_though_others_have_no_time_limit) {
  Policies policies;
  policies.starvation = 4h;
  policies.replan_every = 0s;
  Scheduler s = make(1, policies);
  const auto unlimited = [](WorkloadId id) {
    Workload w = job_of(id, 4, 1h);
    w.limit.reset();
    return w;
  };
  for (WorkloadId id : {1, 2}) ASSERT_TRUE(s.submit(unlimited(id), kStart));
  s.pass(kStart);
  ASSERT_TRUE(s.submit(job_of(3, 8, 1h), kStart));
  for (WorkloadId id : {4, 5}) ASSERT_TRUE(s.submit(unlimited(id), kStart));
  s.pass(kStart);
  ASSERT_TRUE(s.ended(1, kStart + 1h));
  ASSERT_EQ(s.pass(kStart + 1h).starts.size(), 1U)
      << "nobody knows when 2 ends, so nothing stands idle for 3";
  s.pass(kStart + 5h);
  EXPECT_EQ(s.why(3)->text(), "needs 8 accelerators; 0 are free, next when 2 ends, which has no time limit");
  EXPECT_EQ(s.expected_start(3), std::nullopt);
  ASSERT_TRUE(s.ended(2, kStart + 6h));
  EXPECT_TRUE(s.pass(kStart + 6h).starts.empty()) << "5 would take what is kept for 3";
  EXPECT_EQ(s.why(5)->text(), "what is free is promised to 3");
  ASSERT_TRUE(s.ended(4, kStart + 7h));
  const Plan plan = s.pass(kStart + 7h);
  ASSERT_EQ(plan.starts.size(), 1U);
  EXPECT_EQ(plan.starts[0].id, 3U);
}

TEST(Starvation, shares_hold_also_where_all_that_waits_has_waited_too_long) {
  Accounts accounts(2);
  for (AccountIndex a : {0, 1}) {
    accounts[a].name = a == 0 ? "one" : "three";
    accounts[a].weight_milli = a == 0 ? 1000 : 3000;
    accounts[a].quota = kUnlimitedQuota;
  }
  Policies policies;
  policies.starvation = 1h;
  policies.half_life = 6h;
  Scheduler s = std::move(*Scheduler::create(testing::even_cluster(4), accounts, policies));
  // Each asks for twice what there is, so that soon nothing starts that has not waited for hours.
  std::map<WorkloadId, TimePoint> ends;
  std::map<AccountIndex, int> starts;
  WorkloadId ids = 0;
  for (int minute = 0; minute < 3 * 24 * 60; ++minute) {
    const TimePoint now = kStart + std::chrono::minutes(minute);
    for (auto it = ends.begin(); it != ends.end();) {
      const bool over = it->second <= now;
      if (over) ASSERT_TRUE(s.ended(it->first, now));
      it = over ? ends.erase(it) : std::next(it);
    }
    for (AccountIndex a = 0; a < 2 && minute % 15 == 0; ++a) {
      for (int i = 0; i < 2; ++i) {
        Workload w = job_of(++ids, 8, 1h);
        w.account = a;
        w.submitted = now;
        ASSERT_TRUE(s.submit(w, now));
      }
    }
    for (const Start& start : s.pass(now).starts) {
      ends[start.id] = now + 1h;
      if (minute >= 24 * 60) ++starts[(start.id - 1) / 2 % 2 == 0 ? 0 : 1];
    }
  }
  EXPECT_NEAR(starts[1] / static_cast<double>(starts[0]), 3.0, 0.2);
}

TEST(Starvation, what_waits_by_choice_has_not_waited_any_more) {
  Scheduler s = std::move(*Scheduler::create(testing::even_cluster(1), testing::one_account(), {}));
  ASSERT_TRUE(s.submit(testing::job_of(1, 8, 240h), kStart));
  ASSERT_EQ(s.pass(kStart + 1s).starts.size(), 1U);
  Workload low = testing::job_of(2, 8, 1h);
  ASSERT_TRUE(s.submit(low, kStart + 2s));
  s.pass(kStart + 73h);
  ASSERT_TRUE(s.set_not_before(2, kStart + 200h, kStart + 74h));
  s.pass(kStart + 74h);
  s.pass(kStart + 200h);
  Workload high = testing::job_of(3, 8, 1h);
  high.priority = 1;
  high.submitted = kStart + 201h;
  ASSERT_TRUE(s.submit(high, high.submitted));
  ASSERT_TRUE(s.ended(1, kStart + 202h));
  const Plan plan = s.pass(kStart + 202h);
  ASSERT_EQ(plan.starts.size(), 1U);
  EXPECT_EQ(plan.starts[0].id, 3U);
}

}  // namespace
}  // namespace millrace::scheduler
