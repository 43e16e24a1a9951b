// The decision as a function of a snapshot, from cold.
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <utility>

#include "scheduler/scheduler.h"
#include "scheduler/world_test_support.h"

namespace millrace::scheduler {
namespace {

using namespace std::chrono_literals;
using testing::kStart;

TEST(Snapshot, gets_a_decision_for_all_that_waits_and_the_same_each_time) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    testing::Dice dice(seed);
    Snapshot snapshot{.cluster = testing::random_cluster(dice),
                      .accounts = testing::random_accounts(dice, dice.one_in(2)),
                      .policies = {},
                      .budgets = {},
                      .running = {},
                      .queue = {}};
    Scheduler fed = std::move(*Scheduler::create(snapshot.cluster, snapshot.accounts, snapshot.policies));
    std::map<WorkloadId, Workload> work;
    for (WorkloadId id = 1; id <= 12; ++id) {
      work[id] = testing::random_workload(dice, id, kStart, snapshot.accounts.size());
      work[id].not_before.reset();
      ASSERT_TRUE(fed.submit(work[id], kStart));
    }
    for (const Start& start : fed.pass(kStart).starts) {
      snapshot.running.push_back({.workload = work[start.id],
                                  .started = kStart,
                                  .places = start.places,
                                  .cap_milli = start.cap_milli});
      work.erase(start.id);
    }
    for (const auto& [id, waits] : work) snapshot.queue.push_back(waits);
    const auto plan = decide(snapshot, kStart + 1s);
    ASSERT_TRUE(plan) << "seed " << seed << ": " << plan.error().message;
    // What it starts fits beside what runs.
    Scheduler both = std::move(*Scheduler::create(snapshot.cluster, snapshot.accounts, snapshot.policies));
    for (const Running& running : snapshot.running) ASSERT_TRUE(both.adopt(running)) << "seed " << seed;
    for (const Start& start : plan->starts) {
      EXPECT_TRUE(both.adopt({.workload = work.at(start.id), .started = kStart, .places = start.places}))
          << "seed " << seed;
    }
    EXPECT_EQ(plan->starts.size() + plan->holds.size(), work.size()) << "each has a decision; seed " << seed;
    const auto again = decide(snapshot, kStart + 1s);
    ASSERT_EQ(plan->starts.size(), again->starts.size());
    for (std::size_t i = 0; i < plan->starts.size(); ++i) {
      EXPECT_EQ(plan->starts[i].id, again->starts[i].id);
      EXPECT_EQ(plan->starts[i].places, again->starts[i].places);
      EXPECT_EQ(plan->starts[i].cap_milli, again->starts[i].cap_milli);
    }
    ASSERT_EQ(plan->holds.size(), again->holds.size());
    for (std::size_t i = 0; i < plan->holds.size(); ++i)
      EXPECT_EQ(plan->holds[i].reason.text(), again->holds[i].reason.text());
  }
}

}  // namespace
}  // namespace millrace::scheduler
