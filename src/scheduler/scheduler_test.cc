#include "scheduler/scheduler.h"

#include <gtest/gtest.h>

#include <chrono>

namespace millrace::scheduler {
namespace {

using namespace std::chrono_literals;

const TimePoint kStart{std::chrono::sys_days{std::chrono::year{2026} / 11 / 22}};

Cluster cluster_of(int nodes, int accelerators = 8) {
  Cluster c;
  Capability kind;
  kind.kind = "h100";
  kind.memory_bytes = std::int64_t{80} << 30;
  kind.power_idle_w = 100;
  kind.power_max_w = 700;
  c.kinds.push_back(kind);
  c.sites.push_back({.name = "s", .zone = "FR", .jurisdiction = "FR"});
  for (int i = 0; i < nodes; ++i) {
    Node n;
    n.name = "n" + std::to_string(i);
    n.accelerators = accelerators;
    n.cpu_milli = 96'000;
    n.memory_mib = 1 << 20;
    n.idle_mw = 1'000'000;
    c.nodes.push_back(n);
  }
  return c;
}

Workload job_of(WorkloadId id, int accelerators, std::optional<std::chrono::seconds> limit = 1h,
                int tasks = 1) {
  Workload w;
  w.id = id;
  w.demand = {.cpu_milli = 1000, .memory_mib = 100, .accelerators = accelerators};
  w.tasks = tasks;
  w.limit = limit;
  w.submitted = kStart + std::chrono::seconds(id);
  return w;
}

Accounts one_account() {
  Account a;
  a.name = "all";
  a.quota = kUnlimitedQuota;
  return {a};
}

TEST(Scheduler, starts_what_fits_and_holds_the_rest_with_a_reason) {
  auto s = Scheduler::create(cluster_of(1), one_account(), {});
  ASSERT_TRUE(s);
  ASSERT_TRUE(s->submit(job_of(1, 6), kStart));
  ASSERT_TRUE(s->submit(job_of(2, 4), kStart));
  const Plan plan = s->pass(kStart);
  ASSERT_EQ(plan.starts.size(), 1U);
  EXPECT_EQ(plan.starts[0].id, 1U);
  EXPECT_EQ(plan.starts[0].places[0].devices, 0b111111U);
  ASSERT_EQ(plan.holds.size(), 1U);
  EXPECT_EQ(plan.holds[0].reason.text(),
            "needs 4 accelerators; 0 are free, next at 2026-11-22 01:00 when 1 ends");
}

}  // namespace
}  // namespace millrace::scheduler
