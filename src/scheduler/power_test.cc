// Work under a power budget: capped where that lets it start, promised what it needs at the least, and told what it lacks.
#include <gtest/gtest.h>

#include <chrono>

#include "scheduler/scheduler.h"
#include "scheduler/world_test_support.h"

namespace millrace::scheduler {
namespace {

using namespace std::chrono_literals;
using testing::kStart;

/// Whole nodes, of 4.8 kW above idle each, or 2.4 kW at the least cap.
Workload nodes_of(WorkloadId id, int nodes, std::chrono::seconds limit = 1h) {
  Workload w = testing::job_of(id, 8, limit, nodes);
  w.cpu_draw_milli = 0;
  return w;
}

constexpr Scope kSite{ScopeKind::kSite, 0};

/// So many nodes of 1 kW idle, and so much above that.
Scheduler site_of(int nodes, std::int64_t above_idle_w, Cluster cluster = {}) {
  if (cluster.nodes.empty()) cluster = testing::even_cluster(nodes);
  Policies policies;
  policies.replan_every = 0s;
  Scheduler s = std::move(*Scheduler::create(std::move(cluster), testing::one_account(), policies));
  EXPECT_TRUE(s.set_budget({kSite, kStart, (nodes * 1000 + above_idle_w) * 1000}, kStart));
  return s;
}

void submit(Scheduler& s, const Workload& w, TimePoint now = kStart) { ASSERT_TRUE(s.submit(w, now)); }

TEST(Power, work_is_promised_the_time_when_it_can_start_under_a_cap_and_nothing_later_delays_that) {
  Scheduler s = site_of(4, 10'000);
  submit(s, nodes_of(1, 1, 1h));
  submit(s, nodes_of(2, 1, 2h));
  ASSERT_EQ(s.pass(kStart).starts.size(), 2U);
  // It draws 9.6 kW at the least, 19.2 kW without a cap.
  submit(s, nodes_of(3, 4));
  s.pass(kStart);
  EXPECT_EQ(s.expected_start(3), kStart + 2h);
  submit(s, nodes_of(4, 1, 3h), kStart + 10min);
  s.pass(kStart + 10min);
  ASSERT_TRUE(s.ended(1, kStart + 1h));
  EXPECT_TRUE(s.pass(kStart + 1h).starts.empty()) << "4 would keep 3 from its promise";
  ASSERT_TRUE(s.ended(2, kStart + 2h));
  const Plan plan = s.pass(kStart + 2h);
  ASSERT_EQ(plan.starts.size(), 1U);
  EXPECT_EQ(plan.starts[0].id, 3U);
  EXPECT_LT(plan.starts[0].cap_milli, 1000);
  EXPECT_LE(s.draw_mw(kSite), 14'000'000);
}

TEST(Power, what_starts_at_its_promise_leaves_others_theirs) {
  Scheduler s = site_of(5, 7'400);
  submit(s, nodes_of(1, 2));
  ASSERT_EQ(s.pass(kStart).starts.size(), 1U);
  // Promised 4.8 and 2.4 kW at once, under caps; the first could use all there is.
  submit(s, nodes_of(2, 2));
  submit(s, nodes_of(3, 1));
  s.pass(kStart);
  const TimePoint then = s.expected_start(2).value_or(kStart);
  ASSERT_EQ(s.expected_start(3), then);
  ASSERT_GT(then, kStart + 1h) << "1 runs under a cap, so longer";
  ASSERT_TRUE(s.ended(1, then));
  EXPECT_EQ(s.pass(then).starts.size(), 2U);
  EXPECT_LE(s.draw_mw(kSite), 12'400'000);
  EXPECT_GT(s.draw_mw(kSite), 12'350'000);
}

TEST(Power, work_that_has_room_before_it_has_power_is_not_said_to_wait_for_the_end_that_makes_room) {
  Scheduler s = site_of(2, 4'700);
  ASSERT_TRUE(s.set_budget({kSite, kStart + 2h, std::nullopt}, kStart));
  submit(s, nodes_of(1, 1, 1h));
  ASSERT_EQ(s.pass(kStart).starts.size(), 1U);
  submit(s, nodes_of(2, 2));  // 4.8 kW at the least
  s.pass(kStart);
  EXPECT_EQ(s.expected_start(2), kStart + 2h);
  EXPECT_EQ(s.why(2)->text(), "needs 16 accelerators; 8 are free, next at 2026-11-22 02:00");
}

TEST(Power, a_hold_tells_the_draw_that_would_be_enough) {
  Scheduler s = site_of(2, 2'000);
  submit(s, nodes_of(1, 1));
  s.pass(kStart);
  EXPECT_EQ(s.why(1)->text(), "needs 2400 W; the power budget of site s leaves 2000 W");
}

/// Two nodes on one feed.
Cluster on_a_feed() {
  Cluster cluster = testing::even_cluster(2);
  cluster.feeds.push_back({.name = "f", .site = 0});
  cluster.racks.push_back({.name = "r", .site = 0, .feed = 0});
  for (Node& node : cluster.nodes) node.rack = 0;
  return cluster;
}

TEST(Power, of_budgets_that_lack_the_widest_is_named) {
  Scheduler s = site_of(2, 20'000, on_a_feed());
  ASSERT_TRUE(s.set_budget({{ScopeKind::kNode, 0}, kStart, 2'000'000}, kStart));
  ASSERT_TRUE(s.set_budget({{ScopeKind::kFeed, 0}, kStart, 4'300'000}, kStart));
  submit(s, nodes_of(1, 1));
  s.pass(kStart);
  EXPECT_EQ(s.why(1)->text(), "needs 2400 W; the power budget of feed f leaves 2300 W");
}

TEST(Power, work_that_starts_capped_is_told_which_budget_it_is_for) {
  Scheduler s = site_of(2, 9'000, on_a_feed());
  ASSERT_TRUE(s.set_budget({{ScopeKind::kFeed, 0}, kStart, 5'000'000}, kStart));
  submit(s, nodes_of(1, 1));
  const Plan plan = s.pass(kStart);
  ASSERT_EQ(plan.starts.size(), 1U);
  EXPECT_EQ(plan.starts[0].reason.text(), "capped to fit the power budget of feed f");
  ASSERT_TRUE(s.set_budget({{ScopeKind::kFeed, 0}, kStart + 1min, std::nullopt}, kStart + 1min));
  const Plan later = s.pass(kStart + 1min);
  ASSERT_EQ(later.caps.size(), 1U);
  EXPECT_EQ(later.caps[0].cap_milli, 1000);
  EXPECT_EQ(later.caps[0].reason.text(), "the power budget of feed f has room again");
}

TEST(Power, the_lowest_class_is_capped_first) {
  Scheduler s = site_of(3, 100'000);
  for (WorkloadId id : {1, 2, 3}) {
    Workload w = nodes_of(id, 1);
    w.priority = static_cast<std::int32_t>(id % 2);
    submit(s, w);
  }
  ASSERT_EQ(s.pass(kStart).starts.size(), 3U);
  ASSERT_TRUE(s.set_budget({kSite, kStart + 45s, 3'000'000 + 12'000'000}, kStart));
  const Plan plan = s.pass(kStart);
  ASSERT_EQ(plan.caps.size(), 1U);
  EXPECT_EQ(plan.caps[0].id, 2U);
  EXPECT_LE(s.draw_mw(kSite), 15'000'000);
}

TEST(Power, what_waits_starts_before_a_cap_is_lifted) {
  Scheduler s = site_of(3, 7'400);
  for (WorkloadId id : {1, 2}) submit(s, nodes_of(id, 1, id == 1 ? 1h : 5h));
  ASSERT_EQ(s.pass(kStart).starts.size(), 2U);  // 4.8 kW, and 2.6 kW under a cap
  submit(s, nodes_of(3, 1));
  s.pass(kStart);
  ASSERT_TRUE(s.ended(1, kStart + 1h));
  const Plan plan = s.pass(kStart + 1h);
  ASSERT_EQ(plan.starts.size(), 1U);
  EXPECT_EQ(plan.starts[0].id, 3U);
  EXPECT_EQ(plan.starts[0].cap_milli, 1000);
  EXPECT_TRUE(plan.caps.empty());
}

/// One node of the class 0 runs beside one that is free.
Scheduler site_with_low_work(std::int64_t above_idle_w) {
  Scheduler s = site_of(2, above_idle_w);
  submit(s, nodes_of(1, 1, 24h));
  EXPECT_EQ(s.pass(kStart).starts.size(), 1U);
  return s;
}

/// What a node of this class gets there, and what it leaves: caps, in thousandths.
std::pair<std::int32_t, std::int32_t> beside_low_work(std::int64_t above_idle_w, std::int32_t priority) {
  Scheduler s = site_with_low_work(above_idle_w);
  Workload w = nodes_of(2, 1, 24h);
  w.priority = priority;
  submit(s, w, kStart + 1min);
  const Plan plan = s.pass(kStart + 1min);
  EXPECT_LE(s.draw_mw(kSite), 2'000'000 + above_idle_w * 1000);
  if (plan.starts.size() != 1) return {0, 1000};
  if (plan.caps.empty()) return {plan.starts[0].cap_milli, 1000};
  EXPECT_EQ(plan.caps[0].reason.text(), "capped so that 2 may run within the power budget of site s");
  return {plan.starts[0].cap_milli, plan.caps[0].cap_milli};
}

TEST(Power, work_of_a_lower_class_is_capped_before_what_starts) {
  EXPECT_EQ(beside_low_work(7'200, 1), std::pair(1000, 500));
  EXPECT_EQ(beside_low_work(8'400, 1), std::pair(1000, 750)) << "no further than it takes";
  EXPECT_EQ(beside_low_work(7'200, 0), std::pair(500, 1000)) << "of its own class it is not";
}

TEST(Power, work_of_a_lower_class_that_is_told_to_stop_keeps_none_from_being_capped) {
  Scheduler s = site_of(3, 9'600);
  for (WorkloadId id : {1, 2}) submit(s, nodes_of(id, 1, 24h));
  ASSERT_EQ(s.pass(kStart).starts.size(), 2U);
  s.set_health(0, Health::kDown, kStart + 1min);  // one of them is lost
  s.pass(kStart + 1min);
  Workload w = nodes_of(3, 1, 24h);
  w.priority = 1;
  submit(s, w, kStart + 1min);
  const Plan plan = s.pass(kStart + 1min);
  ASSERT_EQ(plan.starts.size(), 1U);
  ASSERT_EQ(plan.caps.size(), 1U);
  EXPECT_EQ(plan.caps[0].cap_milli, 500);
}

TEST(Power, work_of_a_lower_class_is_capped_where_what_starts_would_have_to_wait) {
  EXPECT_EQ(beside_low_work(7'000, 1), std::pair(958, 500));
  EXPECT_EQ(beside_low_work(7'000, 0), std::pair(0, 1000));
  EXPECT_EQ(beside_low_work(4'790, 1), std::pair(0, 1000)) << "it would not do";
}

TEST(Power, a_promise_behind_a_fall_is_kept_though_others_draw_more_than_the_least_by_then) {
  Scheduler s = site_of(7, 100'000);
  ASSERT_TRUE(s.set_budget({kSite, kStart + 1h, 7'000'000 + 12'100'000}, kStart));
  submit(s, nodes_of(1, 2, 2h));
  ASSERT_EQ(s.pass(kStart).starts.size(), 1U);
  submit(s, nodes_of(2, 4, 24h));  // 9.6 kW at the least
  submit(s, nodes_of(3, 1, 24h));
  s.pass(kStart);
  ASSERT_EQ(s.expected_start(2), kStart + 2h);
  s.pass(kStart + 1h - 45s);
  s.pass(kStart + 1h);
  EXPECT_EQ(s.expected_start(2), kStart + 2h);
  s.pass(kStart + 2h);
  ASSERT_TRUE(s.ended(1, kStart + 2h + 10min)) << "it ran under a cap, so longer";
  const Plan plan = s.pass(kStart + 2h + 10min);
  ASSERT_EQ(plan.starts.size(), 1U);
  EXPECT_EQ(plan.starts[0].id, 2U);
  EXPECT_EQ(plan.caps[0].id, 3U);
  EXPECT_LE(s.draw_mw(kSite), 19'100'000);
}

TEST(Power, work_under_a_cap_takes_longer_and_delays_no_promise) {
  Scheduler s = site_of(3, 8'000);
  submit(s, nodes_of(1, 1, 2h));
  ASSERT_EQ(s.pass(kStart).starts.size(), 1U);
  submit(s, nodes_of(2, 3, 1h));  // 7.2 kW at the least, when 1 has ended
  s.pass(kStart);
  ASSERT_EQ(s.expected_start(2), kStart + 2h);
  submit(s, nodes_of(3, 1, 110min));  // 3.2 kW are left for it: it would take 126 minutes
  submit(s, nodes_of(4, 1, 90min));
  const Plan plan = s.pass(kStart);
  ASSERT_EQ(plan.starts.size(), 1U);
  EXPECT_EQ(plan.starts[0].id, 4U);
  EXPECT_LT(plan.starts[0].cap_milli, 1000);
}

TEST(Power, what_has_just_started_is_capped_for_what_came_with_it) {
  Scheduler s = std::move(*Scheduler::create(testing::even_cluster(1), testing::one_account(), {}));
  ASSERT_TRUE(s.set_budget({{ScopeKind::kSite, 0}, kStart, 1'000'000 + 4'300'000}, kStart));
  Workload job = testing::job_of(1, 7, 10h);
  Workload service = testing::job_of(2, 1, std::nullopt);
  service.service = true;
  for (Workload w : {job, service}) {
    w.cpu_draw_milli = 0;
    submit(s, w);
  }
  const Plan first = s.pass(kStart);
  ASSERT_EQ(first.starts.size(), 1U);
  ASSERT_TRUE(first.wake && *first.wake <= kStart + 1ms) << "not in the same pass";
  const Plan next = s.pass(kStart + 1s);
  ASSERT_EQ(next.starts.size(), 1U);
  EXPECT_EQ(next.starts[0].id, 2U);
  EXPECT_EQ(next.caps.size(), 1U);
}

/// What draws little until two o'clock is too much for 2, of eight hours, and 3 waits behind 2; it ends two minutes early,
/// and 2 could start under a cap where 5 was.
void expect_that_two_minutes_do_not_delay_what_waits_behind(Scheduler s, Workload behind) {
  submit(s, nodes_of(1, 1, 2h));
  for (WorkloadId id : {4, 5}) {
    Workload little = nodes_of(id, 1, id == 4 ? 2h : 1h);
    little.accelerator_draw_milli = id == 4 ? 100 : 1;
    submit(s, little);
  }
  s.pass(kStart);
  submit(s, nodes_of(2, 1, 8h));
  submit(s, behind);
  s.pass(kStart);
  ASSERT_EQ(s.expected_start(2), kStart + 2h);
  ASSERT_EQ(s.expected_start(3), kStart + 10h);
  ASSERT_TRUE(s.ended(5, kStart + 1h));
  ASSERT_TRUE(s.pass(kStart + 1h).starts.empty());
  ASSERT_TRUE(s.ended(4, kStart + 118min));
  EXPECT_TRUE(s.pass(kStart + 118min).starts.empty()) << "it would take an hour longer";
  ASSERT_TRUE(s.ended(1, kStart + 2h));
  const Plan plan = s.pass(kStart + 2h);
  ASSERT_GE(plan.starts.size(), 1U);
  EXPECT_EQ(plan.starts[0].id, 2U);
  EXPECT_EQ(plan.starts[0].cap_milli, 1000);
}

TEST(Power, what_starts_early_under_a_cap_is_not_on_the_places_of_what_waits_behind_it) {
  expect_that_two_minutes_do_not_delay_what_waits_behind(site_of(3, 7'300), nodes_of(3, 3));
}

TEST(Power, what_starts_early_under_a_cap_does_not_take_the_power_of_what_waits_behind_it) {
  Scheduler s = site_of(6, 10'000);
  Workload half = nodes_of(6, 1, 2h);
  half.demand.accelerators = 4;
  submit(s, half);
  expect_that_two_minutes_do_not_delay_what_waits_behind(std::move(s), nodes_of(3, 4));
}

TEST(Power, a_fall_makes_no_room_for_work_of_the_same_class) {
  Scheduler s = site_of(2, 4'800);
  ASSERT_TRUE(s.set_budget({kSite, kStart + 1h, 2'000'000 + 4'700'000}, kStart));
  submit(s, nodes_of(1, 1, 24h));
  ASSERT_EQ(s.pass(kStart).starts.size(), 1U);
  Workload small = nodes_of(2, 1, 1h);
  small.demand.accelerators = 1;
  submit(s, small);
  for (const auto at : {kStart, kStart + 1h - 45s, kStart + 1h, kStart + 2h})
    EXPECT_TRUE(s.pass(at).starts.empty());
}

/// Three nodes, and a fall in ten hours that leaves room for two of them under caps.
Scheduler site_with_a_fall() {
  Scheduler s = site_of(3, 100'000);
  EXPECT_TRUE(s.set_budget({kSite, kStart + 10h, 3'000'000 + 5'000'000}, kStart));
  return s;
}

TEST(Power, a_fall_to_come_keeps_nothing_idle_that_can_be_capped_then) {
  Scheduler s = site_with_a_fall();
  for (WorkloadId id : {1, 2}) submit(s, nodes_of(id, 1, 24h));
  const Plan plan = s.pass(kStart);
  ASSERT_EQ(plan.starts.size(), 2U);
  for (const Start& start : plan.starts) EXPECT_EQ(start.cap_milli, 1000);
  const Plan later = s.pass(kStart + 10h - 45s);
  EXPECT_EQ(later.caps.size(), 2U);
  EXPECT_TRUE(later.preempts.empty());
  EXPECT_LE(s.draw_mw(kSite), 8'000'000);
}

TEST(Power, what_a_fall_to_come_would_stop_with_a_loss_waits) {
  Scheduler s = site_with_a_fall();
  for (WorkloadId id : {1, 2}) submit(s, nodes_of(id, 1, 24h));
  ASSERT_EQ(s.pass(kStart).starts.size(), 2U);
  submit(s, nodes_of(3, 1, 24h));
  submit(s, nodes_of(4, 1, 9h));
  const Plan plan = s.pass(kStart);
  ASSERT_EQ(plan.starts.size(), 1U);
  EXPECT_EQ(plan.starts[0].id, 4U) << "it is over before";
  EXPECT_EQ(s.why(3)->text(),
            "needs 2400 W; the power budget of site s leaves 200 W from 2026-11-22 10:00 on");
  EXPECT_EQ(s.expected_start(3), kStart + 24h);
}

TEST(Power, work_that_two_budgets_cap_in_one_pass_is_told_the_lower_cap_once) {
  Scheduler s = site_of(1, 4'800);
  submit(s, nodes_of(1, 1));
  ASSERT_EQ(s.pass(kStart).starts.size(), 1U);
  ASSERT_TRUE(s.set_budget({kSite, kStart + 1min, 5'000'000}, kStart + 1min));
  ASSERT_TRUE(s.set_budget({{ScopeKind::kNode, 0}, kStart + 1min, 4'000'000}, kStart + 1min));
  const Plan plan = s.pass(kStart + 1min);
  ASSERT_EQ(plan.caps.size(), 1U);
  EXPECT_EQ(plan.caps[0].cap_milli, 625) << "3 of 4.8 kW above idle";
}

TEST(Power, a_limit_of_time_ends_when_it_would_without_a_cap) {
  for (const bool stretches : {true, false}) {
    Scheduler s = site_of(1, 2'400);
    Workload w = nodes_of(1, 1);
    w.stretches = stretches;
    submit(s, w);
    const Plan plan = s.pass(kStart);
    ASSERT_EQ(plan.starts.size(), 1U);
    ASSERT_EQ(plan.starts[0].cap_milli, 500);
    submit(s, nodes_of(2, 1));
    s.pass(kStart);
    ASSERT_TRUE(s.expected_start(2));
    EXPECT_EQ(*s.expected_start(2) == kStart + 1h, !stretches);
  }
}

TEST(Power, what_loses_little_runs_until_the_budget_falls) {
  Scheduler s = site_with_a_fall();
  for (WorkloadId id : {1, 2, 3}) {
    Workload w = nodes_of(id, 1, 24h);
    if (id == 3) w.checkpoint_every = 0s;
    submit(s, w);
  }
  EXPECT_EQ(s.pass(kStart).starts.size(), 3U);
  const Plan plan = s.pass(kStart + 10h - 45s);
  ASSERT_EQ(plan.preempts.size(), 1U);
  EXPECT_EQ(plan.preempts[0].id, 3U);
  EXPECT_EQ(plan.caps.size(), 3U);
}

TEST(Power, but_does_not_start_when_the_fall_is_at_hand) {
  Scheduler s = site_with_a_fall();
  for (WorkloadId id : {1, 2}) submit(s, nodes_of(id, 1, 24h));
  ASSERT_EQ(s.pass(kStart).starts.size(), 2U);
  Workload w = nodes_of(3, 1, 24h);
  w.checkpoint_every = 0s;
  submit(s, w, kStart + 10h - 4min);
  EXPECT_TRUE(s.pass(kStart + 10h - 4min).starts.empty());
}

TEST(Preempt, nothing_is_stopped_for_room_that_comes_by_itself_within_the_grace) {
  Scheduler s = site_of(1, 100'000);
  Workload low = nodes_of(1, 1, 1h);
  low.preemptible = true;
  low.grace = 5min;
  submit(s, low);
  ASSERT_EQ(s.pass(kStart).starts.size(), 1U);
  Workload high = nodes_of(2, 1);
  high.priority = 1;
  submit(s, high, kStart + 57min);
  EXPECT_TRUE(s.pass(kStart + 57min).preempts.empty());
  EXPECT_EQ(s.expected_start(2), kStart + 1h);
}

}  // namespace
}  // namespace millrace::scheduler
