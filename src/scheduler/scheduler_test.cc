#include "scheduler/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "core/rng.h"
#include "scheduler/world_test_support.h"

namespace millrace::scheduler {
namespace {

using namespace std::chrono_literals;

using testing::even_cluster;
using testing::job_of;
using testing::kStart;
using testing::one_account;

TEST(Scheduler, starts_what_fits_and_holds_the_rest_with_a_reason) {
  auto s = Scheduler::create(even_cluster(1), one_account(), {});
  ASSERT_TRUE(s);
  ASSERT_TRUE(s->submit(job_of(1, 6), kStart));
  ASSERT_TRUE(s->submit(job_of(2, 4), kStart));
  const Plan plan = s->pass(kStart);
  ASSERT_EQ(plan.starts.size(), 1U);
  EXPECT_EQ(plan.starts[0].id, 1U);
  EXPECT_EQ(plan.starts[0].places[0].devices, 0b111111U);
  ASSERT_EQ(plan.holds.size(), 1U);
  EXPECT_EQ(plan.holds[0].reason.text(),
            "needs 4 accelerators on one node; 2 are free, next at 2026-11-22 01:00 when 1 ends");
}

Scheduler make(const Cluster& cluster, const Policies& policies = {},
               const Accounts& accounts = one_account()) {
  return std::move(*Scheduler::create(cluster, accounts, policies));
}

TEST(Scheduler, work_of_a_higher_class_stops_the_least_loss_in_its_account_and_starts_when_that_has_ended) {
  Scheduler s = make(even_cluster(1));
  for (WorkloadId id : {1, 2}) {
    Workload w = job_of(id, 4);
    w.preemptible = true;
    w.grace = 20s;
    if (id == 2) w.checkpoint_every = 60s;  // loses less
    ASSERT_TRUE(s.submit(w, kStart));
  }
  ASSERT_EQ(s.pass(kStart).starts.size(), 2U);
  Workload urgent = job_of(3, 4);
  urgent.priority = 1;
  ASSERT_TRUE(s.submit(urgent, kStart + 150s));
  const Plan plan = s.pass(kStart + 150s);
  ASSERT_EQ(plan.preempts.size(), 1U);
  EXPECT_EQ(plan.preempts[0].id, 2U);
  EXPECT_EQ(plan.preempts[0].grace, 20s);
  EXPECT_TRUE(plan.starts.empty()) << "its capacity is taken until the executor confirms";
  EXPECT_EQ(s.why(3)->code, ReasonCode::kPreempting);
  ASSERT_TRUE(s.ended(2, kStart + 160s));
  EXPECT_EQ(s.pass(kStart + 160s).starts.at(0).id, 3U);
}

TEST(Scheduler, nothing_is_stopped_for_work_that_would_still_not_fit) {
  Scheduler s = make(even_cluster(1));
  Workload small = job_of(1, 4);
  small.preemptible = true;
  ASSERT_TRUE(s.submit(small, kStart));
  ASSERT_TRUE(s.submit(job_of(2, 4), kStart));
  ASSERT_EQ(s.pass(kStart).starts.size(), 2U);
  Workload urgent = job_of(3, 8);
  urgent.priority = 1;
  ASSERT_TRUE(s.submit(urgent, kStart + 1s));
  EXPECT_TRUE(s.pass(kStart + 1s).preempts.empty());
}

TEST(Scheduler, work_is_stopped_if_its_node_was_down_between_two_passes_and_the_node_is_named) {
  Scheduler s = make(even_cluster(2));
  ASSERT_TRUE(s.submit(job_of(1, 8, std::nullopt), kStart));
  ASSERT_EQ(s.pass(kStart).starts.size(), 1U);
  s.set_health(0, Health::kDown, kStart + 10s);
  s.set_health(0, Health::kReady, kStart + 20s);
  const Plan plan = s.pass(kStart + 20s);
  ASSERT_EQ(plan.preempts.size(), 1U);
  EXPECT_EQ(plan.preempts[0].id, 1U);
  EXPECT_EQ(plan.preempts[0].reason.code, ReasonCode::kNodeDown);
  EXPECT_EQ(plan.preempts[0].reason.subject, "n0");
}

TEST(Scheduler, a_falling_budget_caps_first_then_pauses_preemptible_work_then_sheds_batch) {
  Scheduler s = make(even_cluster(1));
  for (WorkloadId id = 1; id <= 4; ++id) {
    Workload w = job_of(id, 2);
    w.cpu_draw_milli = 0;
    w.preemptible = id == 3;
    w.service = id == 1;
    if (w.service) w.limit = std::nullopt;
    ASSERT_TRUE(s.submit(w, kStart));
  }
  ASSERT_EQ(s.pass(kStart).starts.size(), 4U);
  // 1 kW idle, 8 accelerators of 600 W: 5.8 kW. Capped to half: 3.4 kW.
  const Scope node{ScopeKind::kNode, 0};
  ASSERT_TRUE(s.set_budget({node, kStart + 45s, 3'500'000}, kStart));
  Plan plan = s.pass(kStart);
  EXPECT_EQ(plan.caps.size(), 4U);
  EXPECT_TRUE(plan.preempts.empty());
  ASSERT_TRUE(s.set_budget({node, kStart + 106s, 2'300'000}, kStart + 61s));
  plan = s.pass(kStart + 61s);
  ASSERT_EQ(plan.preempts.size(), 2U);
  std::vector<WorkloadId> stopped{plan.preempts[0].id, plan.preempts[1].id};
  std::ranges::sort(stopped);
  EXPECT_EQ(stopped, (std::vector<WorkloadId>{2, 3})) << "preemptible work, then batch, no service";
  for (const WorkloadId id : stopped) ASSERT_TRUE(s.ended(id, kStart + 90s));
  s.pass(kStart + 90s);
  ASSERT_TRUE(s.set_budget({node, kStart + 200s, std::nullopt}, kStart + 200s));
  plan = s.pass(kStart + 200s);
  ASSERT_EQ(plan.caps.size(), 2U);
  EXPECT_EQ(plan.caps[0].cap_milli, 1000) << "caps are lifted when it rises again";
}

TEST(Scheduler, a_budget_below_idle_draw_is_reported_with_the_nodes_to_switch_off) {
  Scheduler s = make(even_cluster(3));
  ASSERT_TRUE(s.set_budget({{ScopeKind::kSite, 0}, kStart, 1'500'000}, kStart));
  const Plan plan = s.pass(kStart);
  ASSERT_EQ(plan.infeasible.size(), 1U);
  EXPECT_EQ(plan.infeasible[0].nodes.size(), 2U);
  EXPECT_TRUE(s.pass(kStart + 1s).infeasible.empty()) << "said once";
}

TEST(Scheduler, several_falls_below_idle_draw_are_each_reported_once) {
  Scheduler s = make(even_cluster(3));
  const Scope site{ScopeKind::kSite, 0};
  ASSERT_TRUE(s.set_budget({site, kStart + 200s, 1'500'000}, kStart));
  ASSERT_TRUE(s.set_budget({site, kStart + 220s, 1'200'000}, kStart));
  std::size_t reports = 0;
  for (const auto after : {0s, 195s, 196s, 200s, 205s, 210s, 220s, 230s})
    reports += s.pass(kStart + after).infeasible.size();
  EXPECT_EQ(reports, 2U);
  ASSERT_TRUE(s.set_budget({site, kStart + 300s, 1'400'000}, kStart + 240s));
  EXPECT_TRUE(s.pass(kStart + 241s).infeasible.empty()) << "of those before nothing has changed";
}

TEST(Scheduler, running_work_whose_devices_are_not_there_is_not_adopted) {
  Scheduler s = make(even_cluster(1));
  Running r{.workload = job_of(1, 1, 1h), .started = kStart, .places = {{0, 1U << 16}}, .cap_milli = 1000};
  EXPECT_FALSE(s.adopt(r)) << "a node has at most 16";
  r.places = {{0, 3U}};
  EXPECT_FALSE(s.adopt(r)) << "it asked for one";
  r.places = {{0, 1U << 7}};
  EXPECT_TRUE(s.adopt(r));
}

TEST(Scheduler, work_is_not_started_that_a_known_fall_of_the_budget_would_stop) {
  Scheduler s = make(even_cluster(1));
  ASSERT_TRUE(s.set_budget({{ScopeKind::kNode, 0}, kStart + 600s, 1'100'000}, kStart));
  ASSERT_TRUE(s.submit(job_of(1, 8, 1h), kStart));
  ASSERT_TRUE(s.submit(job_of(2, 8, 300s), kStart));
  const Plan plan = s.pass(kStart);
  ASSERT_EQ(plan.starts.size(), 1U);
  EXPECT_EQ(plan.starts[0].id, 2U) << "it ends before";
  EXPECT_EQ(s.why(1)->code, ReasonCode::kPower);
}

TEST(Scheduler, promises_that_a_falling_budget_leaves_overdrawn_do_not_keep_each_other_from_starting) {
  Policies policies;
  policies.replan_every = 60s;
  policies.start_capped = false;
  Scheduler s = make(even_cluster(2), policies);
  const Scope site{ScopeKind::kSite, 0};
  // 2 kW idle; each job 8 accelerators of 600 W: 4.8 kW. Two fit at first, one after the fall.
  ASSERT_TRUE(s.set_budget({site, kStart, 12'000'000}, kStart));
  for (WorkloadId id = 1; id <= 4; ++id) {
    Workload w = job_of(id, 8, 1h);
    w.cpu_draw_milli = 0;
    ASSERT_TRUE(s.submit(w, kStart));
  }
  ASSERT_EQ(s.pass(kStart).starts.size(), 2U);
  for (const WorkloadId id : {3, 4}) ASSERT_EQ(s.expected_start(id), kStart + 1h) << "both are promised";
  ASSERT_TRUE(s.set_budget({site, kStart + 30min, 7'000'000}, kStart + 10min));
  s.pass(kStart + 10min);
  for (const WorkloadId id : {1, 2}) ASSERT_TRUE(s.ended(id, kStart + 1h));
  Plan plan = s.pass(kStart + 1h);
  ASSERT_EQ(plan.starts.size(), 1U) << "nothing runs, and one fits";
  EXPECT_EQ(plan.starts[0].id, 3U);
  ASSERT_TRUE(s.ended(3, kStart + 2h));
  plan = s.pass(kStart + 2h);
  ASSERT_EQ(plan.starts.size(), 1U);
  EXPECT_EQ(plan.starts[0].id, 4U);
}

TEST(Scheduler, a_budget_that_full_load_cannot_exceed_holds_nothing_back) {
  Cluster cluster = even_cluster(2);
  cluster.nodes[0].attested = true;
  Scheduler s = make(cluster);
  // All there is: 2 x (1 kW + 8 x 600 W).
  const Scope site{ScopeKind::kSite, 0};
  ASSERT_TRUE(s.set_budget({site, kStart, 11'600'000}, kStart));
  Workload bound_to_first = job_of(1, 8, 1h);
  bound_to_first.attested = true;
  ASSERT_TRUE(s.submit(bound_to_first, kStart));
  ASSERT_TRUE(s.submit(job_of(2, 8, 2h), kStart));
  ASSERT_EQ(s.pass(kStart).starts.size(), 2U);
  bound_to_first.id = 3;
  ASSERT_TRUE(s.submit(bound_to_first, kStart));
  s.full_pass(kStart);
  ASSERT_EQ(s.expected_start(3), kStart + 1h);
  // 1 overruns its limit, so that it draws while 3 is promised the same devices.
  ASSERT_TRUE(s.ended(2, kStart + 90min));
  ASSERT_TRUE(s.submit(job_of(4, 8, 1h), kStart + 90min));
  const Plan plan = s.pass(kStart + 90min);
  ASSERT_EQ(plan.starts.size(), 1U);
  EXPECT_EQ(plan.starts[0].id, 4U);
  EXPECT_EQ(s.budget_mw(site, kStart), 11'600'000);
}

TEST(Scheduler, a_budget_that_falls_below_full_load_counts_what_runs_already) {
  Scheduler s = make(even_cluster(1));
  const Scope node{ScopeKind::kNode, 0};
  ASSERT_TRUE(s.set_budget({node, kStart, 5'800'000}, kStart));
  for (WorkloadId id = 1; id <= 4; ++id) ASSERT_TRUE(s.submit(job_of(id, 2), kStart));
  ASSERT_EQ(s.pass(kStart).starts.size(), 4U);
  ASSERT_TRUE(s.set_budget({node, kStart + 60s, 3'500'000}, kStart + 60s));
  EXPECT_EQ(s.pass(kStart + 60s).caps.size(), 4U);
  EXPECT_LE(s.draw_mw(node), 3'500'000);
}

TEST(Scheduler, where_there_is_more_to_start_than_a_pass_may_the_next_goes_on_in_order) {
  Policies policies;
  policies.starts_per_pass = 2;
  policies.replan_every = 1h;
  Scheduler s = make(even_cluster(1), policies);
  for (WorkloadId id = 1; id <= 5; ++id) ASSERT_TRUE(s.submit(job_of(id, 1), kStart));
  const auto started = [&](TimePoint now) {
    std::vector<WorkloadId> ids;
    const Plan plan = s.pass(now);
    for (const Start& start : plan.starts) ids.push_back(start.id);
    EXPECT_EQ(plan.wake == now, s.usage().pending > 0);
    return ids;
  };
  EXPECT_EQ(started(kStart), (std::vector<WorkloadId>{1, 2}));
  Workload urgent = job_of(6, 1);
  urgent.priority = 1;
  ASSERT_TRUE(s.submit(urgent, kStart));
  EXPECT_EQ(started(kStart), (std::vector<WorkloadId>{6, 3})) << "what comes meanwhile takes its turn";
  EXPECT_EQ(started(kStart), (std::vector<WorkloadId>{4, 5}));
  EXPECT_TRUE(started(kStart).empty());
}

TEST(Scheduler, of_deferrable_work_of_one_hour_what_must_start_first_goes_first_and_after_what_may_not_wait) {
  Scheduler s = make(even_cluster(1), {});
  for (WorkloadId id = 1; id <= 4; ++id) {
    Workload w = job_of(id, 8);
    if (id < 3) w.deadline = kStart + 10h - std::chrono::hours(static_cast<int>(id));
    if (id == 4) w.submitted = kStart + 1h + 1s;
    ASSERT_TRUE(s.submit(w, kStart + 2h));
  }
  s.pass(kStart + 2h);
  for (const auto& [id, at] : {std::pair(2, 3h), std::pair(1, 4h), std::pair(4, 5h)})
    EXPECT_EQ(s.expected_start(static_cast<WorkloadId>(id)), kStart + at) << id;
}

TEST(Scheduler, a_draw_beyond_full_load_is_refused) {
  Scheduler s = make(even_cluster(1));
  Workload w = job_of(1, 1);
  w.accelerator_draw_milli = 1001;
  EXPECT_EQ(s.submit(w, kStart).error().code, ErrorCode::kInvalidArgument);
  w.accelerator_draw_milli = 1000;
  w.cpu_draw_milli = -1;
  EXPECT_EQ(s.submit(w, kStart).error().code, ErrorCode::kInvalidArgument);
}

TEST(Scheduler, shares_of_what_runs_converge_to_the_weights) {
  Accounts accounts;
  for (int i = 0; i < 2; ++i) {
    Account a;
    a.name = "a" + std::to_string(i);
    a.weight_milli = i == 0 ? 1000 : 3000;
    a.quota = kUnlimitedQuota;
    accounts.push_back(a);
  }
  Policies policies;
  policies.half_life = 1h;
  policies.starvation = std::nullopt;
  policies.reservations = 2;
  Scheduler s = make(even_cluster(4), policies, accounts);
  std::map<WorkloadId, TimePoint> running;
  WorkloadId ids = 0;
  int waiting[2] = {0, 0};
  double held[2] = {0, 0};
  for (int minute = 0; minute < 1500; ++minute) {
    const TimePoint now = kStart + std::chrono::minutes(minute);
    for (auto it = running.begin(); it != running.end();) {
      const bool over = it->second <= now;
      if (over) ASSERT_TRUE(s.ended(it->first, now));
      it = over ? running.erase(it) : std::next(it);
    }
    while (waiting[0] < 20 || waiting[1] < 20) {
      ids += waiting[(ids + 1) % 2] < 20 ? 1 : 2;
      Workload w = job_of(ids, 1, std::chrono::minutes(10 + ids % 7));
      w.account = static_cast<AccountIndex>(ids % 2);
      ++waiting[w.account];
      ASSERT_TRUE(s.submit(w, now));
    }
    for (const Start& start : s.pass(now).starts) {
      running[start.id] = now + std::chrono::minutes(10 + start.id % 7);
      --waiting[start.id % 2];
    }
    if (minute < 500) continue;
    for (const auto& [id, end] : running) held[id % 2] += 1;
  }
  EXPECT_NEAR(held[1] / held[0], 3.0, 0.15);
}

TEST(Scheduler, one_that_takes_over_past_use_counts_it_as_the_one_before_would_have) {
  Accounts accounts = one_account();
  for (AccountIndex i = 1; i <= 2; ++i) {
    accounts.push_back({.name = std::to_string(i), .parent = 0, .quota = kUnlimitedQuota});
  }
  auto before = Scheduler::create(even_cluster(4), accounts, {});
  ASSERT_TRUE(before);
  SeededRng rng(5);
  std::map<WorkloadId, Workload> works;
  std::map<WorkloadId, Running> running;
  TimePoint now = kStart;
  for (WorkloadId id = 1; id <= 40; ++id) {
    now += std::chrono::minutes(1 + static_cast<int>(rng.next() % 600));
    if (!running.empty() && rng.next() % 2 == 0) {
      ASSERT_TRUE(before->ended(running.begin()->first, now));
      running.erase(running.begin());
    }
    Workload& work = works[id] = job_of(id, 1 + static_cast<int>(rng.next() % 4), std::nullopt);
    work.account = 1 + static_cast<AccountIndex>(rng.next() % 2);
    ASSERT_TRUE(before->submit(work, now));
    for (const Start& start : before->pass(now).starts)
      running[start.id] = {.workload = works.at(start.id), .started = now, .places = start.places};
  }
  ASSERT_FALSE(running.empty());
  auto after = Scheduler::create(even_cluster(4), accounts, {});
  ASSERT_TRUE(after);
  for (AccountIndex i = 0; i <= 2; ++i) ASSERT_TRUE(after->set_past_use(i, before->past_use(i)));
  for (const auto& [id, each] : running) ASSERT_TRUE(after->adopt(each));
  now += std::chrono::hours(50);
  for (const auto& [id, each] : running) {
    ASSERT_TRUE(before->ended(id, now));
    ASSERT_TRUE(after->ended(id, now));
  }
  for (AccountIndex i = 0; i <= 2; ++i) {
    EXPECT_GT(before->past_use(i).mean[0], 0.0);
    EXPECT_EQ(after->past_use(i), before->past_use(i));
  }
  EXPECT_FALSE(after->set_past_use(3, {}));
}

TEST(Scheduler, backfill_never_delays_what_was_promised) {
  int promised = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SeededRng rng(seed);
    const auto below = [&](std::uint64_t n) { return rng.next() % n; };
    Policies policies;
    policies.preempt = false;
    policies.reservations = 4;
    policies.starvation = std::nullopt;
    Scheduler s = make(even_cluster(4), policies);
    std::map<WorkloadId, TimePoint> ends;
    std::map<WorkloadId, TimePoint> promises;
    std::map<WorkloadId, std::chrono::seconds> limits;
    WorkloadId ids = 0;
    TimePoint arrival = kStart;
    while (ids < 60 || !ends.empty()) {
      const auto first = std::ranges::min_element(ends, {}, [](const auto& e) { return e.second; });
      const bool arrives = ids < 60 && (ends.empty() || arrival < first->second);
      const TimePoint now = arrives ? arrival : first->second;
      if (arrives) {
        limits[++ids] = std::chrono::seconds(60 + below(7200));
        const auto devices = static_cast<int>(1 + below(8));
        ASSERT_TRUE(s.submit(job_of(ids, devices, limits[ids], static_cast<int>(1 + below(3))), now));
        arrival += std::chrono::seconds(below(900));
      } else {
        ASSERT_TRUE(s.ended(first->first, now));
        ends.erase(first);
      }
      for (const Start& start : s.pass(now).starts) {
        if (promises.contains(start.id)) ASSERT_LE(now, promises.at(start.id)) << "seed " << seed;
        ends[start.id] = now + limits[start.id] * (2 + below(9)) / 10;
      }
      for (WorkloadId p = 1; p <= ids; ++p) {
        const auto at = s.expected_start(p);
        if (!at) continue;
        ++promised;
        const auto [it, fresh] = promises.try_emplace(p, *at);
        ASSERT_LE(*at, it->second) << "seed " << seed << " workload " << p;
        it->second = *at;
      }
    }
  }
  EXPECT_GT(promised, 1000);
}

/// Steps of one end and one arrival on a full cluster with a queue, on average.
std::uint64_t steps_of_an_event(int nodes) {
  Cluster cluster = even_cluster(nodes);
  Policies policies;
  policies.replan_every = 24h;
  Scheduler s = make(cluster, policies);
  WorkloadId ids = 0;
  for (int n = 0; n < nodes; ++n) {
    for (std::uint32_t d = 0; d < 8; ++d) {
      Running r;
      ++ids;
      r.workload = job_of(ids, 1, std::chrono::minutes(60 + (ids * 7919) % 997));
      r.started = kStart;
      r.places = {{static_cast<NodeIndex>(n), 1U << d}};
      EXPECT_TRUE(s.adopt(r));
    }
  }
  const WorkloadId running = ids;
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(s.submit(job_of(++ids, 8, 2h), kStart));
  s.full_pass(kStart);
  constexpr int kEvents = 50;
  const std::uint64_t before = s.counters().steps;
  for (int i = 1; i <= kEvents; ++i) {
    const TimePoint now = kStart + std::chrono::seconds(i);
    EXPECT_TRUE(s.ended(static_cast<WorkloadId>(i) * running / (kEvents + 1), now));
    s.pass(now);
    EXPECT_TRUE(s.submit(job_of(++ids, 1, 1h), now));
    s.pass(now);
  }
  return (s.counters().steps - before) / kEvents;
}

TEST(Scheduler, an_event_costs_no_more_than_the_logarithm_of_the_cluster) {
  const std::uint64_t small = steps_of_an_event(256);
  const std::uint64_t large = steps_of_an_event(8192);
  EXPECT_GT(small, 0U);
  EXPECT_LE(large, small * 13 / 8 + 2) << small << " steps on 256 nodes";
}

/// Steps of planning one promise for work without accelerators on a cluster whose cores are all in use.
std::uint64_t steps_of_a_promise_of_cores(int nodes) {
  Policies policies;
  policies.replan_every = 24h;
  Scheduler s = make(even_cluster(nodes), policies);
  const auto cores = [](WorkloadId id, std::int64_t milli, std::chrono::seconds limit) {
    Workload w = job_of(id, 0, limit);
    w.demand.cpu_milli = milli;
    return w;
  };
  for (int n = 0; n < nodes; ++n) {
    const auto id = static_cast<WorkloadId>(n) + 1;
    EXPECT_TRUE(s.adopt({.workload = cores(id, 96'000, std::chrono::minutes(60 + (id * 7919) % 99'991)),
                         .started = kStart,
                         .places = {{static_cast<NodeIndex>(n), 0}}}));
  }
  // The first plan brings the times of every node up to date.
  const auto first = static_cast<WorkloadId>(nodes) + 2;
  EXPECT_TRUE(s.submit(cores(first - 1, 48'000, 2h), kStart));
  s.full_pass(kStart);
  constexpr int kPromises = 20;
  for (int i = 0; i < kPromises; ++i)
    EXPECT_TRUE(s.submit(cores(first + static_cast<WorkloadId>(i), 48'000, 2h), kStart));
  const std::uint64_t before = s.counters().steps;
  s.full_pass(kStart);
  EXPECT_TRUE(s.expected_start(first));
  return (s.counters().steps - before) / kPromises;
}

TEST(Scheduler, a_promise_of_cores_costs_no_more_than_the_logarithm_of_the_cluster) {
  const std::uint64_t small = steps_of_a_promise_of_cores(256);
  const std::uint64_t large = steps_of_a_promise_of_cores(8192);
  EXPECT_GT(small, 0U);
  EXPECT_LE(large, small * 13 / 8 + 2) << small << " steps on 256 nodes";
}

}  // namespace
}  // namespace millrace::scheduler
