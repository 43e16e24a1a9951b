// Taking over: what a manager that begins reads of the store, and how that meets what runs.
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "control/past_use.h"
#include "control/replica_work.h"
#include "control/work_manager.h"
#include "scheduler/decay.h"

namespace millrace::control {
namespace {

/// What is left of past use is forgotten when less than this part of it counts.
constexpr double kLeastPast = 1e-6;

/// What runs keeps its devices while its record cannot be read.
void stand_in(ObservedWork& seen, WantedWork& wanted) {
  wanted.id = seen.id;
  wanted.name = std::to_string(number_of(seen.id));
  wanted.tenant = kServicesTenant;
  wanted.project = kServicesProject;
  wanted.preemptible = wanted.requeue = false;
  wanted.tasks = static_cast<std::int32_t>(seen.places.size());
  if (!seen.places.empty()) wanted.demand.accelerators = std::popcount(seen.places.front().devices);
  if (seen.state == WorkState::kStarting) seen.state = WorkState::kRunning;
}

WorkloadPhase phase_of(const ObservedWork& work) {
  if (work.state == WorkState::kQueued) return WorkloadPhase::kQueued;
  if (work.stopping) return WorkloadPhase::kStopping;
  if (work.state == WorkState::kPausing) return WorkloadPhase::kPausing;
  return work.state == WorkState::kStarting ? WorkloadPhase::kStarting : WorkloadPhase::kRunning;
}

}  // namespace

Result<std::unique_ptr<WorkManager>> WorkManager::create(WorkOptions options, WorkPorts ports,
                                                         TimePoint now) {
  auto state = TRY(
      WorkloadState::create(options.cluster, AccountBook::root(), options.policies, nullptr, options.rules));
  auto manager = std::make_unique<WorkManager>(std::move(options), std::move(ports), std::move(state));
  TRY_VOID(manager->load(now));
  return manager;
}

Result<void> WorkManager::load(TimePoint now) {
  last_pass_ = now;
  const std::map<WorkloadId, ObservedWork> live = TRY(read_live());
  std::set<std::string> over;
  for (const auto& record : TRY(ports_.store.list(kEndedPrefix)))
    over.insert(record.key.substr(kEndedPrefix.size()));
  Turn turn(now);
  TRY_VOID(read_past_use(turn));
  turn.events = accounts_.update(TRY(ports_.owners()));
  TRY_VOID(read_site_events(turn));
  tell_node_budgets(turn);
  std::vector<Entry> left_alone;
  for (const auto& record : TRY(ports_.store.list(kWantedPrefix))) {
    const auto id = id_of_key(record.key, kWantedPrefix);
    if (!id) continue;
    highest_ = std::max(highest_.value_or(0), *id);
    if (over.contains(record.key.substr(kWantedPrefix.size()))) continue;
    Entry entry;
    entry.observed.id = *id;
    if (const auto known = live.find(*id); known != live.end()) entry.observed = known->second;
    auto wanted = parse_wanted(record.value);
    if (!wanted) leave_alone(*id, record.key, wanted.error());
    if (unreadable_.contains(*id)) {
      if (entry.observed.state != WorkState::kQueued) left_alone.push_back(std::move(entry));
      continue;
    }
    entry.wanted = *std::move(wanted);
    Entry& kept = entries_[*id] = std::move(entry);
    if (kept.observed.state == WorkState::kQueued) continue;
    restore(kept, turn);
    // Cancelled before anybody saw it: no later record will say so again.
    if (kept.wanted.cancelled_at && !kept.observed.stopping) turn.events.emplace_back(Cancelled{*id});
  }
  for (Entry& entry : left_alone) {
    entry.is_readable = false;
    stand_in(entry.observed, entry.wanted);
    restore(entries_[entry.observed.id] = std::move(entry), turn);
  }
  TRY_VOID(read_node_wishes(turn));  // a drain that nobody has seen yet is for what was restored
  // What runs takes its places before anything is decided about what waits: all events first, one decision after them.
  for (auto& [id, entry] : entries_) {
    if (entry.observed.state == WorkState::kQueued) TRY_VOID(submit(entry, turn, true));
  }
  apply(turn);
  TRY_VOID(make_durable(turn));
  TRY_VOID(meet_runs());
  // What was decided before a crash, and perhaps not carried out; and what was decided just now.
  turn.actions = outstanding(state_);
  carry_out(turn);
  const std::lock_guard lock(inbox_mutex_);
  inbox_.nodes = inbox_.events = inbox_.owners = inbox_.resync = false;
  return {};
}

Result<std::map<WorkloadId, ObservedWork>> WorkManager::read_live() {
  std::map<WorkloadId, ObservedWork> live;
  for (const auto& record : TRY(ports_.store.list(kLivePrefix))) {
    const auto id = id_of_key(record.key, kLivePrefix);
    auto observed = parse_observed(record.value);
    if (observed) {
      const WorkloadId its = observed->id;
      live.emplace(its, *std::move(observed));
    } else if (id) {
      leave_alone(*id, record.key, observed.error());
    }
  }
  return live;
}

// What it is about runs on if it runs, and does not start if it does not.
void WorkManager::leave_alone(WorkloadId id, const std::string& key, const Error& error) {
  unreadable_.emplace(id, key);
  tell_unreadable(key, error);
}

void WorkManager::tell_unreadable(const std::string& key, const Error& error) {
  std::string& told = told_unreadable_[key];
  if (std::exchange(told, error.message) == error.message || !ports_.report) return;
  ports_.report(
      {error.code, fmt::format("record {} cannot be read, and is left alone: {}", key, error.message)});
}

Result<void> WorkManager::read_past_use(Turn& turn) {
  std::map<std::string, scheduler::PastUse> known;
  for (const auto& record : TRY(ports_.store.list(kPastUsePrefix))) {
    // One that cannot be read is as one that never was: fairness starts anew for its account, and nothing stops.
    auto past = parse_past_use(record.value);
    const bool is_worth_something =
        past && scheduler::remaining(turn.now - past->as_of, options_.policies.half_life) >= kLeastPast;
    if (!is_worth_something) {
      turn.stale.insert(record.key);
      continue;
    }
    // A clock that was ahead when it was written must not keep it from decaying.
    past->as_of = std::min(past->as_of, turn.now);
    known.emplace(record.key.substr(kPastUsePrefix.size()), *past);
  }
  accounts_.remember(std::move(known));
  return {};
}

void WorkManager::restore(Entry& entry, Turn& turn) {
  const ObservedWork& seen = entry.observed;
  WorkloadRecord record = record_of(entry, turn);
  record.phase = phase_of(seen);
  record.places = indexed(seen.places);
  record.cap_milli = seen.cap_milli;
  if (seen.grace_ms) record.stop_grace = std::chrono::milliseconds(*seen.grace_ms);
  if (record.phase == WorkloadPhase::kPausing) record.workload.not_before = start_not_before(entry, turn.now);
  ask_next_hour(entry, turn.now);
  turn.events.emplace_back(Restored{.record = std::move(record),
                                    .started = std::min(seen.started_at.value_or(turn.now), turn.now)});
}

// Both sides are compared once: runs that no record knows are stopped, records whose run is gone are told so.
Result<void> WorkManager::meet_runs() {
  std::set<RunKey> there;
  for (const auto& run : TRY(ports_.runs.all())) {
    there.insert(run.key);
    if (unreadable_.contains(run.key.id)) continue;
    if (state_.find_run(run.key.id, run.key.run) != nullptr) {
      if (run.is_running && !run.end) early_.emplace_back(Started{.id = run.key.id, .run = run.key.run});
    } else if (run.end) {
      ports_.runs.forget(run.key);
    } else {
      stop_orphan(run.key);
    }
  }
  for (const auto& [id, entry] : entries_) {
    const WorkloadRecord* const record = state_.find(id);
    if (record == nullptr || !entry.is_readable || record->phase == WorkloadPhase::kQueued ||
        record->phase == WorkloadPhase::kStarting || there.contains({id, record->run}))
      continue;
    RunStatus gone{.key = {id, record->run}, .started_at = {}, .end = RunEnd{.why = {}, .exit_code = {}}};
    gone.end->exit = Exit::kLost;
    gone.end->started_at = gone.end->ended_at = entry.observed.started_at.value_or(TimePoint{});
    refused_.push_back(std::move(gone));
  }
  return {};
}

bool WorkManager::is_known(RunKey key) const {
  return unreadable_.contains(key.id) || state_.find_run(key.id, key.run) != nullptr;
}

/// Told again whenever all is looked at, for as long as it is there.
void WorkManager::stop_orphan(RunKey key) {
  WantedWork orphan;
  orphan.id = key.id;
  (void)ports_.runs.stop(orphan, StopRun{.id = key.id, .run = key.run, .reason = {}});
}

}  // namespace millrace::control
