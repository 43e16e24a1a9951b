#include "control/workload_step.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace millrace::control {

using scheduler::Reason;
using std::chrono::microseconds;

const char* name_of(WorkloadPhase phase) {
  switch (phase) {
    case WorkloadPhase::kQueued:
      return "queued";
    case WorkloadPhase::kStarting:
      return "starting";
    case WorkloadPhase::kRunning:
      return "running";
    case WorkloadPhase::kPausing:
      return "pausing";
    case WorkloadPhase::kStopping:
      return "stopping";
  }
  return "queued";
}

const char* name_of(Exit exit) {
  switch (exit) {
    case Exit::kDone:
      return "done";
    case Exit::kFailed:
      return "failed";
    case Exit::kTimedOut:
      return "timed_out";
    case Exit::kStopped:
      return "stopped";
    case Exit::kLost:
      return "lost";
    case Exit::kCancelled:
      return "cancelled";
    case Exit::kRefused:
      return "refused";
  }
  return "done";
}

Result<WorkloadState> WorkloadState::create(scheduler::Cluster cluster, scheduler::Accounts accounts,
                                            scheduler::Policies policies,
                                            std::unique_ptr<scheduler::PlacementPolicy> policy,
                                            WorkloadRules rules) {
  std::vector<scheduler::Health> health;
  health.reserve(cluster.nodes.size());
  for (const scheduler::Node& node : cluster.nodes) health.push_back(node.health);
  const auto count = static_cast<scheduler::AccountIndex>(accounts.size());
  WorkloadState state(TRY(scheduler::Scheduler::create(std::move(cluster), std::move(accounts),
                                                       std::move(policies), std::move(policy))),
                      rules);
  state.health_ = std::move(health);
  state.accounts_ = count;
  return state;
}

const WorkloadRecord* WorkloadState::find(WorkloadId id) const {
  const auto at = records_.find(id);
  return at == records_.end() ? nullptr : &at->second;
}

const WorkloadRecord* WorkloadState::find_run(WorkloadId id, std::uint32_t run) const {
  const WorkloadRecord* const record = find(id);
  const bool is_present = record != nullptr && record->run == run && record->phase != WorkloadPhase::kQueued;
  return is_present ? record : nullptr;
}

class WorkloadStepper {
 public:
  WorkloadStepper(WorkloadState& state, TimePoint now, std::vector<WorkloadAction>& actions)
      : state_(state), now_(now), actions_(actions) {}

  Result<void> apply(const Tick&) { return {}; }
  Result<void> apply(const Submitted& event);
  Result<void> apply(const Restored& event);
  Result<void> apply(const Cancelled& event);
  Result<void> apply(const Started& event);
  Result<void> apply(const Ended& event);
  Result<void> apply(const NodeHealth& event);
  Result<void> apply(const scheduler::BudgetChange& event) {
    return state_.scheduler_.set_budget(event, now_);
  }
  Result<void> apply(const QuotaChanged& event) {
    if (event.weight_milli) TRY_VOID(state_.scheduler_.set_weight(event.account, *event.weight_milli));
    return state_.scheduler_.set_quota(event.account, event.quota);
  }
  Result<void> apply(const AccountAdded& event);
  Result<void> apply(const PastUseKnown& event) {
    return state_.scheduler_.set_past_use(event.account, event.past);
  }
  Result<void> apply(const SitesCost& event) {
    state_.scheduler_.set_site_cost(event.cost);
    return {};
  }
  Result<void> apply(const Deferred& event);
  Result<void> apply(const Paused& event);
  void decide();

 private:
  WorkloadRecord* find(WorkloadId id) {
    const auto at = state_.records_.find(id);
    return at == state_.records_.end() ? nullptr : &at->second;
  }
  /// The record whose present run this is; nullptr for runs that are over.
  WorkloadRecord* find_run(WorkloadId id, std::uint32_t run) {
    return state_.find_run(id, run) != nullptr ? find(id) : nullptr;
  }
  void set_health(scheduler::NodeIndex node);
  Result<void> leave(WorkloadRecord& record);
  void enqueue(WorkloadRecord& record);
  void settle(WorkloadId id, Exit exit, std::string why = {});
  void stop(WorkloadRecord& record, microseconds grace, bool again, Reason reason);
  void tell_stopping(const WorkloadRecord& record);
  void carry_out(scheduler::Start&& start);
  void carry_out(scheduler::Cap&& cap);

  WorkloadState& state_;
  TimePoint now_;
  std::vector<WorkloadAction>& actions_;
};

void WorkloadStepper::settle(WorkloadId id, Exit exit, std::string why) {
  const std::uint32_t run = find(id)->run;
  state_.records_.erase(id);
  actions_.emplace_back(Settled{.id = id, .run = run, .exit = exit, .why = std::move(why)});
}

void WorkloadStepper::enqueue(WorkloadRecord& record) {
  record.phase = WorkloadPhase::kQueued;
  record.places.clear();
  record.cap_milli = 1000;
  record.stop_grace.reset();
  record.reason = {};
  if (const auto taken = state_.scheduler_.submit(record.workload, now_); !taken) {
    settle(record.workload.id, Exit::kRefused, taken.error().message);
  }
}

Result<void> WorkloadStepper::apply(const Submitted& event) {
  const WorkloadId id = event.workload.id;
  if (state_.highest_id_ && id <= *state_.highest_id_) return {};
  state_.highest_id_ = id;
  WorkloadRecord& record = state_.records_[id];
  record.workload = event.workload;
  record.retries = event.retries.value_or(state_.rules_.retries);
  record.requeue = event.requeue;
  enqueue(record);
  return {};
}

Result<void> WorkloadStepper::apply(const Restored& event) {
  const WorkloadId id = event.record.workload.id;
  if (state_.records_.contains(id)) return {};
  state_.highest_id_ = std::max(state_.highest_id_.value_or(0), id);
  if (event.record.phase == WorkloadPhase::kQueued) {
    WorkloadRecord& record = state_.records_[id] = event.record;
    enqueue(record);
    return {};
  }
  WorkloadRecord& record = state_.records_[id] = event.record;
  const auto adopted = state_.scheduler_.adopt({.workload = record.workload,
                                                .started = event.started,
                                                .places = record.places,
                                                .cap_milli = record.cap_milli});
  if (adopted) {
    if (record.stop_grace) tell_stopping(record);
    return {};
  }
  record.is_placed = false;
  std::erase_if(record.places, [](const auto& place) { return place.node == scheduler::kNoIndex; });
  for (const auto& place : record.places) ++state_.unplaced_[place.node];
  for (const auto& place : record.places) set_health(place.node);
  stop(record, record.stop_grace.value_or(record.workload.grace), record.phase != WorkloadPhase::kStopping,
       {});
  return {};
}

Result<void> WorkloadStepper::apply(const Cancelled& event) {
  WorkloadRecord* record = find(event.id);
  if (record == nullptr || record->phase == WorkloadPhase::kStopping) return {};
  if (record->phase == WorkloadPhase::kQueued) {
    const auto withdrawn = state_.scheduler_.cancel(event.id, now_);
    settle(event.id, Exit::kCancelled);
    return withdrawn;
  }
  stop(*record, record->workload.grace, false, {});
  tell_stopping(*record);
  return {};
}

Result<void> WorkloadStepper::apply(const Started& event) {
  WorkloadRecord* record = find_run(event.id, event.run);
  if (record != nullptr && record->phase == WorkloadPhase::kStarting) record->phase = WorkloadPhase::kRunning;
  return {};
}

Result<void> WorkloadStepper::apply(const Ended& event) {
  WorkloadRecord* record = find_run(event.id, event.run);
  if (record == nullptr) return {};
  const auto freed = record->is_placed ? state_.scheduler_.ended(event.id, now_) : leave(*record);
  const bool is_cancelled = record->phase == WorkloadPhase::kStopping;
  if (event.exit == Exit::kFailed) ++record->failures;
  const bool is_interrupted = event.exit == Exit::kStopped || event.exit == Exit::kLost;
  const bool over = event.exit == Exit::kDone || event.exit == Exit::kTimedOut || is_cancelled ||
                    (event.exit == Exit::kFailed && record->failures > record->retries) ||
                    (is_interrupted && !record->requeue);
  if (over) {
    settle(event.id, event.exit == Exit::kDone || !is_cancelled ? event.exit : Exit::kCancelled);
    return freed;
  }
  if (event.left && record->workload.limit) record->workload.limit = *event.left;
  // The reason of a run that was not stopped may be that of a cap.
  record->workload.power_stopped =
      event.exit == Exit::kStopped && record->reason.code == scheduler::ReasonCode::kBudgetFall;
  actions_.emplace_back(Requeued{.id = event.id, .run = event.run, .exit = event.exit});
  enqueue(*record);
  return freed;
}

Result<void> WorkloadStepper::apply(const NodeHealth& event) {
  if (event.node >= state_.health_.size())
    return failure(ErrorCode::kInvalidArgument, "health of a node that is not there");
  if (state_.health_[event.node] == event.health) return {};
  state_.health_[event.node] = event.health;
  set_health(event.node);
  return {};
}

void WorkloadStepper::set_health(scheduler::NodeIndex node) {
  const scheduler::Health told = state_.health_[node];
  const bool is_held = told == scheduler::Health::kReady && state_.unplaced_.contains(node);
  state_.scheduler_.set_health(node, is_held ? scheduler::Health::kCordoned : told, now_);
}

/// A run that is not placed has ended.
Result<void> WorkloadStepper::leave(WorkloadRecord& record) {
  record.is_placed = true;
  for (const auto& place : record.places) {
    if (--state_.unplaced_[place.node] > 0) continue;
    state_.unplaced_.erase(place.node);
    set_health(place.node);
  }
  return {};
}

Result<void> WorkloadStepper::apply(const AccountAdded& event) {
  if (event.index < state_.accounts_) return {};
  TRY_VOID(state_.scheduler_.add_account(event.account));
  ++state_.accounts_;
  return {};
}

Result<void> WorkloadStepper::apply(const Deferred& event) {
  WorkloadRecord* record = find(event.id);
  if (record == nullptr || record->workload.not_before == event.not_before) return {};
  record->workload.not_before = event.not_before;
  if (record->phase != WorkloadPhase::kQueued) return {};
  return state_.scheduler_.set_not_before(event.id, event.not_before, now_);
}

Result<void> WorkloadStepper::apply(const Paused& event) {
  WorkloadRecord* record = find_run(event.id, event.run);
  if (record == nullptr) return {};
  if (record->phase != WorkloadPhase::kStarting && record->phase != WorkloadPhase::kRunning) return {};
  record->workload.not_before = event.until;
  Reason reason;
  reason.code = scheduler::ReasonCode::kNotBefore;
  reason.at = event.until;
  stop(*record, event.grace.value_or(state_.rules_.pause_grace), true, std::move(reason));
  tell_stopping(*record);
  return {};
}

// The scheduler plans with what leaves, for whatever reason it was told to.
void WorkloadStepper::tell_stopping(const WorkloadRecord& record) {
  if (record.is_placed) (void)state_.scheduler_.stopping(record.workload.id, now_ + *record.stop_grace);
}

// A run that was told to stop may be told again: the grace can only become shorter, and a cancellation outlives a pause.
void WorkloadStepper::stop(WorkloadRecord& record, microseconds grace, bool again, Reason reason) {
  const bool final = !again || record.phase == WorkloadPhase::kStopping;
  const WorkloadPhase phase = final ? WorkloadPhase::kStopping : WorkloadPhase::kPausing;
  const bool shorter = !record.stop_grace || grace < *record.stop_grace;
  if (!shorter && record.phase == phase) return;
  record.phase = phase;
  if (shorter) record.stop_grace = grace;
  if (reason.code != scheduler::ReasonCode::kNone) record.reason = std::move(reason);
  actions_.emplace_back(StopRun{.id = record.workload.id,
                                .run = record.run,
                                .grace = *record.stop_grace,
                                .again = !final,
                                .reason = record.reason});
}

void WorkloadStepper::carry_out(scheduler::Start&& start) {
  WorkloadRecord* record = find(start.id);
  if (record == nullptr) return;
  record->phase = WorkloadPhase::kStarting;
  ++record->run;
  record->places = std::move(start.places);
  record->cap_milli = start.cap_milli;
  record->reason = std::move(start.reason);
  actions_.emplace_back(StartRun{.id = start.id,
                                 .run = record->run,
                                 .places = record->places,
                                 .cap_milli = record->cap_milli,
                                 .reason = record->reason});
}

void WorkloadStepper::carry_out(scheduler::Cap&& cap) {
  WorkloadRecord* record = find(cap.id);
  if (record == nullptr || record->phase == WorkloadPhase::kQueued || record->cap_milli == cap.cap_milli)
    return;
  record->cap_milli = cap.cap_milli;
  record->reason = cap.reason;
  actions_.emplace_back(
      CapRun{.id = cap.id, .run = record->run, .cap_milli = cap.cap_milli, .reason = std::move(cap.reason)});
}

// Caps make room for starts. A pass may also cap or stop what it has just started: that comes after the start.
void WorkloadStepper::decide() {
  scheduler::Plan plan = state_.scheduler_.pass(now_);
  const auto is_queued = [&](WorkloadId id) {
    const WorkloadRecord* record = find(id);
    return record != nullptr && record->phase == WorkloadPhase::kQueued;
  };
  std::vector<scheduler::Cap> caps_of_starts;
  for (scheduler::Cap& cap : plan.caps) {
    if (is_queued(cap.id)) {
      caps_of_starts.push_back(std::move(cap));
    } else {
      carry_out(std::move(cap));
    }
  }
  for (scheduler::Start& start : plan.starts) carry_out(std::move(start));
  for (scheduler::Cap& cap : caps_of_starts) carry_out(std::move(cap));
  for (scheduler::Preempt& preempt : plan.preempts) {
    if (WorkloadRecord* record = find(preempt.id))
      stop(*record, preempt.grace, true, std::move(preempt.reason));
  }
  for (scheduler::Hold& hold : plan.holds) {
    if (WorkloadRecord* record = find(hold.id)) record->reason = hold.reason;
    actions_.emplace_back(StoreReason{.id = hold.id, .reason = std::move(hold.reason)});
  }
  for (scheduler::Infeasible& infeasible : plan.infeasible) actions_.emplace_back(std::move(infeasible));
  if (plan.wake) actions_.emplace_back(WakeAt{*plan.wake});
}

Result<void> step(WorkloadState& state, std::span<const WorkloadEvent> events, TimePoint now,
                  std::vector<WorkloadAction>& actions) {
  WorkloadStepper stepper(state, now, actions);
  Result<void> outcome;
  for (const WorkloadEvent& event : events) {
    Result<void> applied = std::visit([&](const auto& each) { return stepper.apply(each); }, event);
    if (!applied && outcome) outcome = std::move(applied);
  }
  stepper.decide();
  return outcome;
}

std::vector<WorkloadAction> outstanding(const WorkloadState& state) {
  std::vector<WorkloadId> ids;
  ids.reserve(state.records_.size());
  for (const auto& [id, record] : state.records_) ids.push_back(id);
  std::ranges::sort(ids);
  std::vector<WorkloadAction> actions, caps_of_starts;
  for (const WorkloadId id : ids) {
    const WorkloadRecord& record = state.records_.at(id);
    if (record.phase == WorkloadPhase::kQueued) continue;
    const CapRun cap{.id = id, .run = record.run, .cap_milli = record.cap_milli, .reason = record.reason};
    if (record.phase == WorkloadPhase::kStarting) {
      actions.emplace_back(StartRun{.id = id,
                                    .run = record.run,
                                    .places = record.places,
                                    .cap_milli = record.cap_milli,
                                    .reason = record.reason});
      caps_of_starts.emplace_back(cap);
    } else if (record.phase == WorkloadPhase::kRunning) {
      actions.emplace_back(cap);
    } else {
      actions.emplace_back(StopRun{.id = id,
                                   .run = record.run,
                                   .grace = record.stop_grace.value_or(microseconds{0}),
                                   .again = record.phase == WorkloadPhase::kPausing,
                                   .reason = record.reason});
    }
  }
  std::ranges::move(caps_of_starts, std::back_inserter(actions));
  return actions;
}

}  // namespace millrace::control
