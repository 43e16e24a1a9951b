#include "control/workload_step.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "control/cluster_test_support.h"
#include "core/rng.h"

namespace millrace::control {
namespace {

using scheduler::Health;
using scheduler::ReasonCode;
using scheduler::Workload;
using std::chrono::seconds;

WorkloadState make_state(int nodes = 2, WorkloadRules rules = {}) {
  scheduler::Accounts accounts(1);
  accounts[0].name = "lab";
  accounts[0].quota = scheduler::kUnlimitedQuota;
  return WorkloadState::create(cluster_of(nodes, 4), accounts, {}, nullptr, rules).value();
}

Workload work(WorkloadId id, std::int32_t accelerators, std::int32_t tasks = 1) {
  Workload workload;
  workload.id = id;
  workload.submitted = at(0);
  workload.demand = {.cpu_milli = 1'000, .memory_mib = 1'024, .accelerators = accelerators};
  workload.tasks = tasks;
  workload.limit = seconds(3'600);
  workload.preemptible = true;
  return workload;
}

std::vector<WorkloadAction> act(WorkloadState& state, std::vector<WorkloadEvent> events,
                                std::int64_t second) {
  std::vector<WorkloadAction> actions;
  const auto stepped = step(state, events, at(second), actions);
  EXPECT_TRUE(stepped) << stepped.error().message;
  return actions;
}

template <typename Action>
std::vector<Action> only(const std::vector<WorkloadAction>& actions) {
  std::vector<Action> found;
  for (const WorkloadAction& action : actions) {
    if (const auto* each = std::get_if<Action>(&action)) found.push_back(*each);
  }
  return found;
}

TEST(WorkloadStep, AWorkloadIsStartedRunsAndIsForgottenWhenItIsDone) {
  WorkloadState state = make_state();
  const auto starts = only<StartRun>(act(state, {Submitted{work(1, 4)}}, 0));
  ASSERT_EQ(starts.size(), 1u);
  EXPECT_EQ(starts[0].run, 1u);
  EXPECT_EQ(starts[0].places.size(), 1u);
  EXPECT_EQ(state.find(1)->phase, WorkloadPhase::kStarting);
  act(state, {Started{1, 1}}, 5);
  EXPECT_EQ(state.find(1)->phase, WorkloadPhase::kRunning);
  const auto settled =
      only<Settled>(act(state, {Ended{.id = 1, .run = 1, .exit = Exit::kDone, .left = {}}}, 60));
  ASSERT_EQ(settled.size(), 1u);
  EXPECT_EQ(settled[0].exit, Exit::kDone);
  EXPECT_EQ(state.find(1), nullptr);
  EXPECT_EQ(state.scheduler().usage().running, 0u);
}

TEST(WorkloadStep, WhatWaitsHasItsReasonStoredAndStartsWhenThereIsRoom) {
  WorkloadState state = make_state(1);
  act(state, {Submitted{work(1, 4)}}, 0);
  const auto reasons = only<StoreReason>(act(state, {Submitted{work(2, 2)}}, 1));
  ASSERT_EQ(reasons.size(), 1u);
  EXPECT_EQ(reasons[0].id, 2u);
  EXPECT_EQ(state.find(2)->reason.code, reasons[0].reason.code);
  const auto starts =
      only<StartRun>(act(state, {Ended{.id = 1, .run = 1, .exit = Exit::kDone, .left = {}}}, 60));
  ASSERT_EQ(starts.size(), 1u);
  EXPECT_EQ(starts[0].id, 2u);
}

TEST(WorkloadStep, AWorkloadOnANodeThatGoesDownRunsAgainElsewhere) {
  WorkloadState state = make_state(3);
  const auto start = only<StartRun>(act(state, {Submitted{work(1, 4, 2)}}, 0)).at(0);
  act(state, {Started{1, 1}}, 1);
  const auto stops = only<StopRun>(act(state, {NodeHealth{start.places[0].node, Health::kDown}}, 10));
  ASSERT_EQ(stops.size(), 1u);
  EXPECT_TRUE(stops[0].again);
  EXPECT_EQ(stops[0].reason.code, ReasonCode::kNodeDown);
  EXPECT_EQ(state.find(1)->phase, WorkloadPhase::kPausing);
  const auto actions = act(state, {Ended{.id = 1, .run = 1, .exit = Exit::kLost, .left = seconds(100)}}, 11);
  ASSERT_EQ(only<Requeued>(actions).size(), 1u);
  const auto again = only<StartRun>(actions);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].run, 2u);
  for (const scheduler::TaskPlace& place : again[0].places) EXPECT_NE(place.node, start.places[0].node);
  EXPECT_EQ(state.find(1)->workload.limit, seconds(100));
}

TEST(WorkloadStep, ACancelledWorkloadLeavesTheQueueAtOnceAndItsNodesWhenTheExecutorConfirms) {
  WorkloadState state = make_state(1);
  act(state, {Submitted{work(1, 4)}, Submitted{work(2, 4)}}, 0);
  const auto queued = only<Settled>(act(state, {Cancelled{2}}, 1));
  ASSERT_EQ(queued.size(), 1u);
  EXPECT_EQ(queued[0].exit, Exit::kCancelled);
  const auto stops = only<StopRun>(act(state, {Cancelled{1}}, 2));
  ASSERT_EQ(stops.size(), 1u);
  EXPECT_FALSE(stops[0].again);
  EXPECT_EQ(state.scheduler().usage().running, 1u) << "its room is not free before it is gone";
  const auto ended =
      only<Settled>(act(state, {Ended{.id = 1, .run = 1, .exit = Exit::kStopped, .left = {}}}, 30));
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].exit, Exit::kCancelled);
  EXPECT_EQ(state.size(), 0u);
}

TEST(WorkloadStep, WhatItsOwnerStopsIsExpectedToLeaveByThen) {
  WorkloadState state = make_state(1);
  act(state, {Submitted{work(1, 4)}, Submitted{work(2, 4)}}, 0);
  EXPECT_EQ(state.scheduler().expected_start(2), at(3'600));
  act(state, {Cancelled{1}}, 100);
  EXPECT_EQ(state.scheduler().expected_start(2), at(100) + work(1, 4).grace);

  WorkloadState next = make_state(1);  // as a server that begins anew reads it
  act(next, {Restored{.record = *state.find(1), .started = at(0)}, Restored{.record = *state.find(2)}}, 110);
  EXPECT_EQ(next.scheduler().expected_start(2), at(110) + work(1, 4).grace);
}

TEST(WorkloadStep, NothingElseIsStoppedForAFallThatCancelledWorkIsGoneFor) {
  WorkloadState state = make_state(1);
  const std::int64_t idle_mw = state.scheduler().draw_mw({scheduler::ScopeKind::kSite, 0});
  act(state, {Submitted{work(1, 2)}, Submitted{work(2, 2)}}, 0);
  const std::int64_t both_mw = state.scheduler().draw_mw({scheduler::ScopeKind::kSite, 0}) - idle_mw;
  act(state, {Cancelled{1}}, 10);
  const scheduler::BudgetChange fall{
      .scope = {scheduler::ScopeKind::kSite, 0}, .from = at(60), .milliwatts = idle_mw + both_mw / 2 + 1'000};
  EXPECT_TRUE(only<StopRun>(act(state, {fall}, 20)).empty());
  EXPECT_TRUE(only<StopRun>(act(state, {Tick{}}, 50)).empty());
}

TEST(WorkloadStep, ACancellationOutlivesAPause) {
  WorkloadState state = make_state(1);
  act(state, {Submitted{work(1, 4)}}, 0);
  act(state, {Started{1, 1}}, 1);
  ASSERT_EQ(only<StopRun>(act(state, {Paused{.id = 1, .run = 1, .until = at(7'200)}}, 2)).size(), 1u);
  const auto stops = only<StopRun>(act(state, {Cancelled{1}}, 3));
  ASSERT_EQ(stops.size(), 1u);
  EXPECT_FALSE(stops[0].again);
  act(state, {NodeHealth{0, Health::kDown}}, 4);
  EXPECT_EQ(state.find(1)->phase, WorkloadPhase::kStopping);
  EXPECT_EQ(
      only<Settled>(act(state, {Ended{.id = 1, .run = 1, .exit = Exit::kLost, .left = {}}}, 5)).at(0).exit,
      Exit::kCancelled);
}

TEST(WorkloadStep, APausedWorkloadWaitsUntilItsTime) {
  WorkloadState state = make_state(1);
  act(state, {Submitted{work(1, 4)}}, 0);
  act(state, {Paused{.id = 1, .run = 1, .until = at(7'200)}}, 10);
  EXPECT_TRUE(
      only<StartRun>(act(state, {Ended{.id = 1, .run = 1, .exit = Exit::kStopped, .left = {}}}, 20)).empty());
  EXPECT_TRUE(only<StartRun>(act(state, {Tick{}}, 7'199)).empty());
  EXPECT_EQ(only<StartRun>(act(state, {Tick{}}, 7'200)).size(), 1u);
}

TEST(WorkloadStep, AFailureOfItsOwnIsTriedAgainAsOftenAsTheRulesSay) {
  WorkloadState state = make_state(1, {.retries = 1});
  act(state, {Submitted{work(1, 1)}}, 0);
  const auto first = act(state, {Ended{.id = 1, .run = 1, .exit = Exit::kFailed, .left = {}}}, 10);
  EXPECT_EQ(only<StartRun>(first).size(), 1u);
  const auto second = act(state, {Ended{.id = 1, .run = 2, .exit = Exit::kFailed, .left = {}}}, 20);
  ASSERT_EQ(only<Settled>(second).size(), 1u);
  EXPECT_EQ(only<Settled>(second)[0].exit, Exit::kFailed);
}

TEST(WorkloadStep, ARunThatWasCappedAndThenLostWasNotStoppedByItsBudget) {
  const scheduler::Scope site{scheduler::ScopeKind::kSite, 0};
  WorkloadState state = make_state(1);
  act(state, {Submitted{work(1, 4)}}, 0);
  act(state, {Started{1, 1}, scheduler::BudgetChange{site, at(10), 2'800'000}}, 10);
  ASSERT_LT(state.find(1)->cap_milli, 1'000);
  act(state, {Ended{.id = 1, .run = 1, .exit = Exit::kLost, .left = {}}}, 20);
  EXPECT_FALSE(state.find(1)->workload.power_stopped);
  ASSERT_EQ(only<StopRun>(act(state, {scheduler::BudgetChange{site, at(30), 1'100'000}}, 30)).size(), 1u);
  act(state, {Ended{.id = 1, .run = 2, .exit = Exit::kStopped, .left = {}}}, 40);
  EXPECT_TRUE(state.find(1)->workload.power_stopped);
}

TEST(WorkloadStep, WorkThatCannotBeTakenIsRefusedWithAReason) {
  WorkloadState state = make_state(1);
  Workload wrong = work(1, 1);
  wrong.account = 7;
  const auto settled = only<Settled>(act(state, {Submitted{wrong}}, 0));
  ASSERT_EQ(settled.size(), 1u);
  EXPECT_EQ(settled[0].exit, Exit::kRefused);
  EXPECT_FALSE(settled[0].why.empty());
}

TEST(WorkloadStep, OutstandingActionsTellALostStartCapOrStopAgain) {
  WorkloadState state = make_state(3);
  act(state, {Submitted{work(1, 4)}, Submitted{work(2, 4)}, Submitted{work(3, 4)}, Submitted{work(4, 4)}}, 0);
  act(state, {Started{2, 1}}, 1);
  act(state, {Cancelled{3}}, 1);
  const auto actions = outstanding(state);
  ASSERT_EQ(actions.size(), 4u) << "what is queued needs nothing";
  EXPECT_EQ(std::get<StartRun>(actions[0]).id, 1u);
  EXPECT_EQ(std::get<StartRun>(actions[0]).places, state.find(1)->places);
  EXPECT_EQ(std::get<CapRun>(actions[1]).id, 2u);
  EXPECT_EQ(std::get<StopRun>(actions[2]).id, 3u);
  EXPECT_FALSE(std::get<StopRun>(actions[2]).again);
  EXPECT_EQ(std::get<CapRun>(actions[3]).id, 1u) << "a start that got through tells no new cap";
}

TEST(WorkloadStep, AnEventAboutNothingIsTellingOfAFaultAndTheOthersAreApplied) {
  WorkloadState state = make_state(1);
  std::vector<WorkloadAction> actions;
  const std::vector<WorkloadEvent> events = {NodeHealth{9, Health::kDown}, Submitted{work(1, 1)}};
  EXPECT_FALSE(step(state, events, at(0), actions));
  EXPECT_EQ(only<StartRun>(actions).size(), 1u);
}

/// A world that answers actions some time later, drawn from a seed.
class Player {
 public:
  explicit Player(std::uint64_t seed) : rng_(seed) {}

  std::vector<WorkloadEvent> next(const WorkloadState& state, std::int64_t) {
    std::vector<WorkloadEvent> events;
    switch (rng_.next() % 8) {
      case 0:
      case 1:
      case 2:
        events.emplace_back(Submitted{work(++last_id_, static_cast<std::int32_t>(rng_.next() % 4) + 1)});
        break;
      case 3:
        events.emplace_back(NodeHealth{static_cast<scheduler::NodeIndex>(rng_.next() % 3),
                                       rng_.next() % 2 == 0 ? Health::kDown : Health::kReady});
        break;
      case 4:
        events.emplace_back(Cancelled{rng_.next() % (last_id_ + 1)});
        break;
      default:
        break;
    }
    if (last_id_ == 0) return events;
    const WorkloadId id = rng_.next() % last_id_ + 1;
    const WorkloadRecord* record = state.find(id);
    if (record == nullptr || record->phase == WorkloadPhase::kQueued) return events;
    if (record->phase == WorkloadPhase::kStarting) {
      events.emplace_back(Started{id, record->run});
    } else {
      const Exit exits[] = {Exit::kDone, Exit::kStopped, Exit::kLost, Exit::kFailed};
      events.emplace_back(Ended{.id = id, .run = record->run, .exit = exits[rng_.next() % 4], .left = {}});
    }
    return events;
  }

 private:
  SeededRng rng_;
  WorkloadId last_id_ = 0;
};

std::string told(const std::vector<WorkloadAction>& actions) {
  std::string text;
  for (const WorkloadAction& action : actions) {
    text += std::to_string(action.index());
    std::visit(
        [&](const auto& each) {
          if constexpr (requires { each.run; })
            text += ":" + std::to_string(each.id) + "." + std::to_string(each.run);
          if constexpr (requires { each.places; }) {
            for (const scheduler::TaskPlace& place : each.places)
              text += "@" + std::to_string(place.node) + "/" + std::to_string(place.devices);
          }
        },
        action);
    text += ' ';
  }
  return text;
}

// Every event so far may come again at any time, alone or with new ones, and nothing changes.
RC_GTEST_PROP(WorkloadStep, RepeatedAndLateEventsAreHarmless, (std::uint64_t seed)) {
  WorkloadState clean = make_state(3, {.retries = 1});
  WorkloadState noisy = make_state(3, {.retries = 1});
  Player player(seed);
  SeededRng noise(seed + 1);
  std::vector<WorkloadEvent> past;
  for (std::int64_t second = 0; second < 60; ++second) {
    const std::vector<WorkloadEvent> events = player.next(clean, second);
    std::vector<WorkloadEvent> more = events;
    for (int i = 0; i < 3 && !past.empty(); ++i) {
      const WorkloadEvent& old = past[noise.next() % past.size()];
      if (!std::holds_alternative<NodeHealth>(old)) more.push_back(old);
    }
    more.insert(more.end(), events.begin(), events.end());
    past.insert(past.end(), events.begin(), events.end());
    std::vector<WorkloadAction> from_clean;
    std::vector<WorkloadAction> from_noisy;
    RC_ASSERT(step(clean, events, at(second), from_clean).has_value());
    RC_ASSERT(step(noisy, more, at(second), from_noisy).has_value());
    RC_ASSERT(told(from_clean) == told(from_noisy));
  }
}

}  // namespace
}  // namespace millrace::control
