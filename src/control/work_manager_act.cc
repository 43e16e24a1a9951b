// Writing: what was decided becomes records, is made durable, and is then carried out.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <iterator>

#include "control/past_use.h"
#include "control/work_manager.h"

namespace millrace::control {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kDependency = "dependency";
constexpr std::string_view kUnplaced = "unplaced";
constexpr std::size_t kNamed = 3;

/// "waits for 7, 9 and 2 more to succeed"; elements of an array are named by its number.
std::string waits_text(const std::set<WorkloadId>& others) {
  std::set<std::uint64_t> numbers;
  for (const WorkloadId other : others) numbers.insert(number_of(other));
  const std::vector<std::uint64_t> named(numbers.begin(),
                                         std::next(numbers.begin(), std::min(numbers.size(), kNamed)));
  const std::size_t more = numbers.size() - named.size();
  return fmt::format("waits for {}{} to succeed", fmt::join(named, ", "),
                     more == 0 ? "" : fmt::format(" and {} more", more));
}

/// "2 accelerators, 1.5 cores and 512 MiB of memory"
std::string needs_of(const WantedWork& wanted) {
  const auto& demand = wanted.demand;
  std::string text;
  if (demand.accelerators > 0) {
    const double count = demand.accelerators * demand.accelerator_milli / 1000.0;
    text =
        fmt::format("{} accelerator{}{}, ", count, count == 1 ? "" : "s",
                    wanted.kinds.empty() ? "" : fmt::format(" of kind {}", fmt::join(wanted.kinds, " or ")));
  }
  return text + fmt::format("{} cores and {} MiB of memory", static_cast<double>(demand.cpu_milli) / 1000.0,
                            demand.memory_mib);
}

std::string clean_hours_text(const WantedWork& wanted) {
  return fmt::format("waits for cleaner hours, until {} at the latest",
                     scheduler::minute_of(*wanted.deadline - *wanted.time_limit));
}

void explain(ObservedWork& work, std::string_view code, std::string reason, std::string full_reason = {}) {
  work.reason_code = code;
  work.full_reason = full_reason != reason ? std::move(full_reason) : std::string();
  work.reason = std::move(reason);
}

}  // namespace

void WorkManager::apply(Turn& turn) {
  std::vector<WorkloadAction> all;
  do {
    turn.actions.clear();
    // An event that names what is not there changes nothing; all others are applied.
    (void)step(state_, turn.events, turn.now, turn.actions);
    turn.events.clear();
    for (const WorkloadAction& action : turn.actions)
      std::visit([&](const auto& each) { apply(each, turn); }, action);
    std::ranges::move(turn.actions, std::back_inserter(all));
    // What others wait for may be over now, and what cannot succeed any more is over as well.
  } while (!turn.events.empty());
  turn.actions = std::move(all);
}

void WorkManager::cannot_go(Entry& entry) {
  explain(entry.observed, kDependency, "work that it comes after did not succeed");
}

void WorkManager::tell(const Entry& entry, const scheduler::Reason& reason, ObservedWork& work) const {
  if (!entry.waits_for.empty()) return explain(work, kDependency, waits_text(entry.waits_for));
  if (reason.code == scheduler::ReasonCode::kNone) return explain(work, "", "");
  if (reason.code == scheduler::ReasonCode::kNotBefore && entry.clean_start)
    return explain(work, name_of(reason.code), clean_hours_text(entry.wanted));
  scheduler::Reason full = reason;
  if (reason.other) full.other = number_of(*reason.other);  // as people know it
  scheduler::Reason told = full;
  const auto other = reason.other ? entries_.find(*reason.other) : entries_.end();
  // Callers of any tenant are told why an endpoint has no replica.
  const bool is_private = entry.wanted.kind != WorkKind::kService;
  if (!is_private || other == entries_.end() || other->second.wanted.tenant != entry.wanted.tenant) {
    told.other.reset();
    if (reason.code == scheduler::ReasonCode::kReclaim) told.subject.clear();  // the other's account
  }
  std::string more;
  if (reason.code == scheduler::ReasonCode::kNeverFits && reason.resource == "tasks")
    more = fmt::format(" (each needs {})", needs_of(entry.wanted));
  if (reason.code == scheduler::ReasonCode::kNotBefore) more = " to be tried again";
  explain(work, name_of(reason.code), told.text() + more, full.text() + more);
}

void WorkManager::set_reason(Entry& entry, const scheduler::Reason& reason) {
  tell(entry, reason, entry.observed);
}

void WorkManager::apply(const StartRun& start, Turn& turn) {
  Entry& entry = *find_entry(start.id);
  ObservedWork& seen = entry.observed;
  entry.clean_start.reset();
  seen.state = WorkState::kStarting;
  seen.run = start.run;
  seen.places = named(start.places);
  seen.cap_milli = start.cap_milli;
  seen.started_at = turn.now;
  seen.ended_at.reset();
  seen.exit_code.reset();
  seen.grace_ms.reset();
  set_reason(entry, start.reason);
  ask_next_hour(entry, turn.now);
  turn.changed.insert(start.id);
}

void WorkManager::apply(const StopRun& stop, Turn& turn) {
  Entry& entry = *find_entry(stop.id);
  if (stop.again) entry.observed.state = WorkState::kPausing;
  entry.observed.stopping = !stop.again;
  entry.observed.grace_ms = std::chrono::ceil<milliseconds>(stop.grace).count();
  set_reason(entry, stop.reason);
  if (const auto pause = turn.pauses.find(stop.id); pause != turn.pauses.end() && stop.again) {
    explain(entry.observed, pause->second.code, pause->second.text);
  }
  const WorkloadRecord* const record = state_.find_run(stop.id, stop.run);
  if (stop.again && record != nullptr && !record->is_placed)
    explain(entry.observed, kUnplaced, "the nodes of its run are not there any more as they were");
  if (!stop.again && stop.reason.code == scheduler::ReasonCode::kNone) {
    explain(entry.observed, "cancelled", "is being cancelled");
  }
  turn.changed.insert(stop.id);
}

void WorkManager::apply(const CapRun& cap, Turn& turn) {
  Entry& entry = *find_entry(cap.id);
  entry.observed.cap_milli = cap.cap_milli;
  set_reason(entry, cap.reason);
  turn.changed.insert(cap.id);
}

void WorkManager::apply(const StoreReason& reason, Turn& turn) {
  set_reason(*find_entry(reason.id), reason.reason);
  turn.changed.insert(reason.id);
}

void WorkManager::apply(const Requeued& requeued, Turn& turn) {
  Entry& entry = *find_entry(requeued.id);
  entry.observed.state = WorkState::kQueued;
  entry.observed.grace_ms.reset();
  entry.observed.cap_milli = 1000;
  if (requeued.exit == Exit::kFailed) ++entry.observed.failures;
  turn.changed.insert(requeued.id);
}

void WorkManager::apply(const Settled& settled, Turn& turn) {
  auto node = entries_.extract(settled.id);
  Entry& entry = node.mapped();
  ObservedWork& seen = entry.observed;
  const auto end = turn.ends.find({settled.id, settled.run});
  const bool never_could = seen.reason_code == kDependency && settled.run == 0 && entry.waits_for.empty();
  seen.state = state_after(settled.exit);
  seen.stopping = false;
  seen.grace_ms.reset();
  if (!seen.ended_at) seen.ended_at = turn.now;
  if (settled.exit == Exit::kFailed) ++seen.failures;
  if (!never_could) {
    explain(seen, settled.exit == Exit::kDone ? "" : name_of(settled.exit),
            !settled.why.empty() ? settled.why
                                 : reason_of(settled.exit, end == turn.ends.end() ? nullptr : &end->second));
  }
  turn.changed.erase(settled.id);
  for (const WorkloadId other : entry.waits_for) {
    if (const auto waiting = dependents_.find(other); waiting != dependents_.end())
      waiting->second.erase(settled.id);
  }
  turn.over.push_back(std::move(entry));
  release_dependents(settled.id, settled.exit == Exit::kDone, turn);
}

void WorkManager::release_dependents(WorkloadId id, bool succeeded, Turn& turn) {
  const auto waiting = dependents_.extract(id);
  if (waiting.empty()) return;
  for (const WorkloadId dependent : waiting.mapped()) {
    Entry* const entry = find_entry(dependent);
    if (entry == nullptr) continue;
    if (!succeeded) {
      entry->waits_for.clear();
      cannot_go(*entry);
      turn.events.emplace_back(Cancelled{dependent});
      continue;
    }
    entry->waits_for.erase(id);
    if (entry->waits_for.empty())
      turn.events.emplace_back(Deferred{.id = dependent, .not_before = start_not_before(*entry, turn.now)});
  }
}

void WorkManager::apply(const WarnInfeasible& warning, Turn& /*turn*/) {
  if (warning.scope.kind == scheduler::ScopeKind::kSite) infeasible_[warning.scope.index] = warning;
}

void WorkManager::apply(const WakeAt& wake, Turn& turn) { turn.wake = wake.at; }

// The ledger first: a record that is there already is not added again, so a crash in between counts nothing twice, and
// what is settled in the store is in the ledger.
Result<void> WorkManager::make_durable(const Turn& turn) {
  if (!turn.usage.empty()) (void)TRY(ports_.usage.append(turn.usage));
  store::Transaction change;
  for (const WorkloadId id : turn.changed) {
    if (const Entry* const entry = find_entry(id))
      change.put.push_back({work_key(kLivePrefix, id), to_json(entry->observed)});
  }
  for (const Entry& entry : turn.over) {
    change.erase.push_back(work_key(kLivePrefix, entry.wanted.id));
    change.put.push_back({work_key(kEndedPrefix, entry.wanted.id), to_json(entry.observed)});
  }
  keep_past_use(turn, change);
  if (change.put.empty() && change.erase.empty()) return {};
  (void)TRY(ports_.store.commit(std::move(change)));
  return {};
}

// With what changed it, so that after a crash it covers exactly what is not live any more, and what is live until then.
void WorkManager::keep_past_use(const Turn& turn, store::Transaction& change) {
  std::set<scheduler::AccountIndex> accounts;
  const auto touch = [&](const Entry& entry) {
    for (const auto account : accounts_.path_of(entry.account)) accounts.insert(account);
  };
  for (const WorkloadId id : turn.changed) {
    if (const Entry* const entry = find_entry(id)) touch(*entry);
  }
  for (const Entry& entry : turn.over) touch(entry);
  std::set<std::string> stale = turn.stale;
  for (const auto account : accounts) {
    const scheduler::PastUse past = state_.scheduler().past_use(account);
    TimePoint& kept = past_kept_[account];
    if (past.as_of == kept) continue;
    kept = past.as_of;
    std::string key = fmt::format("{}{}", kPastUsePrefix, accounts_.name_of(account));
    stale.erase(key);
    change.put.push_back({std::move(key), to_json(past)});
  }
  change.erase.insert(change.erase.end(), stale.begin(), stale.end());
}

// What stops or is capped does not wait for what starts, but for its own start.
void WorkManager::carry_out(const Turn& turn) {
  std::vector<Begin> begins;
  const auto begin = [&] {
    const auto started = ports_.runs.start_all(begins);
    for (std::size_t i = 0; i < begins.size(); ++i) take_start(*begins[i].run, started[i], turn.now);
    begins.clear();
  };
  const auto wanted_of = [&](WorkloadId id) -> const WantedWork* {
    if (std::ranges::any_of(begins, [id](const Begin& each) { return each.run->id == id; })) begin();
    const Entry* const entry = find_entry(id);
    return entry != nullptr && entry->is_readable ? &entry->wanted : nullptr;
  };
  for (const WorkloadAction& action : turn.actions) {
    if (const auto* const run = std::get_if<StartRun>(&action)) {
      if (const WantedWork* const wanted = wanted_of(run->id))
        begins.push_back({wanted, run, named(run->places)});
    } else if (const auto* const stop = std::get_if<StopRun>(&action)) {
      const WantedWork* const wanted = wanted_of(stop->id);
      if (wanted != nullptr && !ports_.runs.stop(*wanted, *stop)) unheard_.push_back(*stop);
    } else if (const auto* const cap = std::get_if<CapRun>(&action)) {
      const WantedWork* const wanted = wanted_of(cap->id);
      if (wanted != nullptr && !ports_.runs.cap(*wanted, *cap)) unheard_caps_.insert(cap->id);
    }
  }
  begin();
  for (const RunKey& key : turn.forget) ports_.runs.forget(key);
}

void WorkManager::take_start(const StartRun& run, const Result<void>& started, TimePoint now) {
  if (started) {
    early_.emplace_back(Started{.id = run.id, .run = run.run});
    const std::lock_guard lock(mutex_);
    if (Entry* const entry = find_entry(run.id);
        entry != nullptr && entry->observed.run == run.run && entry->observed.state == WorkState::kStarting)
      entry->observed.state = WorkState::kRunning;
    return;
  }
  const Error& error = started.error();
  const bool is_own_fault = error.code == ErrorCode::kInvalidArgument || error.code == ErrorCode::kNotFound;
  RunStatus status{.key = {run.id, run.run}, .started_at = now, .end = RunEnd{.why = {}, .exit_code = {}}};
  status.end->exit = is_own_fault ? Exit::kFailed : Exit::kLost;
  status.end->why = error.message;
  status.end->started_at = status.end->ended_at = now;
  refused_.push_back(std::move(status));
}

std::vector<NamedPlace> WorkManager::named(const std::vector<scheduler::TaskPlace>& places) const {
  std::vector<NamedPlace> out;
  out.reserve(places.size());
  for (const auto& place : places) out.push_back({options_.cluster.nodes[place.node].name, place.devices});
  return out;
}

/// kNoIndex stands for a node that is not there any more.
std::vector<scheduler::TaskPlace> WorkManager::indexed(const std::vector<NamedPlace>& places) const {
  const auto& nodes = options_.cluster.nodes;
  std::vector<scheduler::TaskPlace> out;
  out.reserve(places.size());
  for (const NamedPlace& place : places) {
    const auto found = std::ranges::find(nodes, place.node, &scheduler::Node::name);
    const bool is_there = found != nodes.end();
    out.push_back(
        {.node = is_there ? static_cast<scheduler::NodeIndex>(found - nodes.begin()) : scheduler::kNoIndex,
         .devices = place.devices});
  }
  return out;
}

WorkManager::Entry* WorkManager::find_entry(WorkloadId id) {
  const auto at = entries_.find(id);
  return at == entries_.end() ? nullptr : &at->second;
}

}  // namespace millrace::control
