// Reading: what is wanted, what ended, what the site may draw.
#include "control/work_manager.h"

#include <fmt/format.h>

#include <algorithm>

namespace millrace::control {
namespace {

using std::chrono::seconds;

/// How far below the highest id one may be that was committed late.
constexpr WorkloadId kLateIds = workload_id(1024);

constexpr seconds kTellAgain{1};
constexpr seconds kWaitedFor{2};  // of a clock that was set back

bool is_owners_record(std::string_view key) {
  return key.starts_with("tenant/") || key.starts_with("project/") || key.starts_with("quota/") ||
         key.starts_with("compute-quota/");
}

}  // namespace

void WorkManager::note_change(const store::Transaction& change) {
  const std::lock_guard lock(inbox_mutex_);
  const auto note = [&](std::string_view key) {
    if (key.starts_with(kNodeWishPrefix)) inbox_.nodes = true;
    if (key.starts_with(kSiteEventPrefix)) inbox_.events = true;
    if (is_owners_record(key)) inbox_.owners = true;
  };
  for (const auto& put : change.put) {
    note(put.key);
    if (put.key.starts_with(kWantedPrefix)) inbox_.wanted[put.key] = put.value;
  }
  for (const auto& key : change.erase) note(key);
}

void WorkManager::note_resync() {
  const std::lock_guard lock(inbox_mutex_);
  inbox_.nodes = inbox_.events = inbox_.owners = inbox_.resync = true;
}

/// As it was when it was stored; it is queued and has no places yet.
WorkloadRecord WorkManager::record_of(Entry& entry, Turn& turn) {
  WorkloadRecord record;
  record.workload = workload_of(entry.wanted, turn);
  entry.account = record.workload.account;
  record.run = entry.observed.run;
  record.failures = entry.observed.failures;
  record.retries = entry.wanted.retries;
  record.requeue = entry.wanted.requeue;
  return record;
}

Result<WorkManager::Next> WorkManager::pass(TimePoint at) {
  // What it believes was decided may be stored nowhere, and what it was told is gone.
  if (is_spent_) return failure(ErrorCode::kUnavailable, "a pass failed, and nothing was read anew since");
  auto next = look(at);
  is_spent_ = !next;
  return next;
}

Result<WorkManager::Next> WorkManager::look(TimePoint at) {
  // A clock that is set back must not take decisions back: a little is waited for, and more begins anew from the records.
  if (at < last_pass_ - kWaitedFor) {
    return failure(ErrorCode::kUnavailable, fmt::format("the clock was set back from {} to {}",
                                                        to_rfc3339(last_pass_), to_rfc3339(at)));
  }
  const TimePoint now = std::max(at, last_pass_);
  Turn turn(now);
  bool looks_at_all = false;
  {
    const std::lock_guard lock(mutex_);
    last_pass_ = now;
    turn.events = std::exchange(early_, {});
    looks_at_all = TRY(read_inbox(turn));
  }
  auto seen = TRY(looks_at_all ? ports_.runs.all() : ports_.runs.ended());
  {
    const std::lock_guard lock(mutex_);
    // Starts that failed first: what was begun of such a run ends as well, and must not be taken for its end.
    TRY_VOID(read_ends(std::exchange(refused_, {}), turn));
    TRY_VOID(read_ends(seen, turn));
    ask_deferred(turn);
    apply(turn);
  }
  TRY_VOID(make_durable(turn));
  for (const RunStatus& run : seen) {
    if (!run.end && !is_known(run.key)) stop_orphan(run.key);
  }
  tell_again(looks_at_all, turn);
  carry_out(turn);
  if (!unheard_.empty()) turn.wake = std::min(turn.wake.value_or(now + kTellAgain), now + kTellAgain);
  Next next{.wake = turn.wake, .again = !refused_.empty()};
  if (!ask_again_.empty()) {
    const TimePoint ask = ask_again_.begin()->first;
    next.wake = std::min(next.wake.value_or(ask), ask);
  }
  return next;
}

// A supervisor that did not answer is told again, for as long as its run is there: to stop at once, of a cap (which may
// never be possible) when all is looked at.
void WorkManager::tell_again(bool looks_at_all, Turn& turn) {
  for (StopRun& stop : std::exchange(unheard_, {})) {
    if (state_.find_run(stop.id, stop.run) != nullptr) turn.actions.emplace_back(std::move(stop));
  }
  if (!looks_at_all) return;
  for (const WorkloadId id : std::exchange(unheard_caps_, {})) {
    const WorkloadRecord* const record = state_.find(id);
    if (record == nullptr || record->phase == WorkloadPhase::kQueued) continue;
    turn.actions.emplace_back(
        CapRun{.id = id, .run = record->run, .cap_milli = record->cap_milli, .reason = record->reason});
  }
}

Result<bool> WorkManager::read_inbox(Turn& turn) {
  Inbox inbox;
  {
    const std::lock_guard lock(inbox_mutex_);
    inbox = std::exchange(inbox_,
                          {.wanted = {}, .nodes = false, .events = false, .owners = false, .resync = false});
  }
  if (inbox.owners) {
    auto events = accounts_.update(TRY(ports_.owners()));
    std::ranges::move(events, std::back_inserter(turn.events));
  }
  if (inbox.nodes) TRY_VOID(read_node_wishes(turn));
  if (inbox.events) TRY_VOID(read_site_events(turn));
  if (inbox.resync) {
    const WorkloadId after = std::max(highest_.value_or(0), kLateIds) - kLateIds;
    for (auto& record : TRY(ports_.store.list(kWantedPrefix, work_key(kWantedPrefix, after))))
      inbox.wanted.emplace(record.key, std::move(record.value));
    for (const auto& [id, entry] : entries_) {
      auto record = TRY(ports_.store.find(work_key(kWantedPrefix, id)));
      if (record) inbox.wanted.emplace(record->key, std::move(record->value));
    }
  }
  for (const auto& [key, value] : inbox.wanted) TRY_VOID(take_record(key, value, turn));
  return inbox.resync;
}

Result<void> WorkManager::take_record(const std::string& key, const std::string& value, Turn& turn) {
  auto wanted = parse_wanted(value);
  if (wanted) return take_wanted(*std::move(wanted), turn);
  // Of work that is known what was read before still holds.
  const auto id = id_of_key(key, kWantedPrefix);
  if (!id || unreadable_.contains(*id) || TRY(ports_.store.find(work_key(kEndedPrefix, *id)))) return {};
  if (find_entry(*id) == nullptr) {
    leave_alone(*id, key, wanted.error());
  } else {
    tell_unreadable(key, wanted.error());
  }
  return {};
}

Result<void> WorkManager::take_wanted(WantedWork wanted, Turn& turn) {
  const WorkloadId id = wanted.id;
  if (const auto left = unreadable_.find(id); left != unreadable_.end()) {
    if (!left->second.starts_with(kWantedPrefix)) return {};
    return failure(ErrorCode::kUnavailable,
                   fmt::format("record {} can be read again: all is read anew", left->second));
  }
  if (Entry* const known = find_entry(id)) {
    if (!known->wanted.cancelled_at && wanted.cancelled_at) turn.events.emplace_back(Cancelled{id});
    known->wanted.cancelled_at = wanted.cancelled_at;
    return {};
  }
  // Numbers are given in order and committed in any: one that comes late is over only if the store says so.
  const bool is_late = highest_ && id <= *highest_;
  if (is_late && TRY(ports_.store.find(work_key(kEndedPrefix, id)))) return {};
  // Both of its records go together: it may have been forgotten since this one was read.
  if (is_late && !TRY(ports_.store.find(work_key(kWantedPrefix, id)))) return {};
  highest_ = std::max(highest_.value_or(0), id);
  Entry& entry = entries_[id];
  entry.wanted = std::move(wanted);
  entry.observed.id = id;
  return submit(entry, turn, is_late);
}

Result<void> WorkManager::submit(Entry& entry, Turn& turn, bool is_restored) {
  const WorkloadId id = entry.wanted.id;
  turn.changed.insert(id);
  WorkloadRecord record = record_of(entry, turn);
  const bool can_succeed = TRY(hold_for_others(entry));
  record.workload.not_before = start_not_before(entry, turn.now);
  if (is_restored) {
    turn.events.emplace_back(Restored{.record = std::move(record)});
  } else {
    turn.events.emplace_back(Submitted{
        .workload = std::move(record.workload), .retries = record.retries, .requeue = record.requeue});
  }
  if (entry.wanted.cancelled_at || !can_succeed) turn.events.emplace_back(Cancelled{id});
  return {};
}

/// False: something that it needs did not succeed.
Result<bool> WorkManager::hold_for_others(Entry& entry) {
  for (const WorkloadId other : entry.wanted.after) {
    if (find_entry(other) != nullptr) {
      entry.waits_for.insert(other);
      dependents_[other].insert(entry.wanted.id);
      continue;
    }
    const auto record = TRY(ports_.store.find(work_key(kEndedPrefix, other)));
    const auto ended = record ? parse_observed(record->value) : Result<ObservedWork>{};
    if (!ended) tell_unreadable(record->key, ended.error());
    if (!ended || (!record && unreadable_.contains(other))) {
      entry.waits_for.insert(other);
      continue;
    }
    if (ended->state == WorkState::kSucceeded) continue;
    cannot_go(entry);
    return false;
  }
  return true;
}

scheduler::Workload WorkManager::workload_of(const WantedWork& wanted, Turn& turn) {
  scheduler::Workload workload;
  workload.id = wanted.id;
  workload.account = accounts_.account_of(wanted.tenant, wanted.project, wanted.user, turn.events);
  const auto priority = options_.priority_classes.find(wanted.priority_class);
  workload.priority = priority == options_.priority_classes.end() ? 0 : priority->second;
  workload.submitted = wanted.submitted_at;
  workload.demand = wanted.demand;
  workload.tasks = wanted.tasks;
  workload.tasks_per_node = wanted.tasks_per_node;
  bool has_kind = wanted.kinds.empty();
  for (const std::string& name : wanted.kinds) {
    const auto& kinds = options_.cluster.kinds;
    const auto found = std::ranges::find(kinds, name, &Capability::kind);
    if (found == kinds.end()) continue;
    workload.kinds.push_back(static_cast<scheduler::KindIndex>(found - kinds.begin()));
    has_kind = true;
  }
  if (!has_kind) workload.kinds = {scheduler::kNoKind};  // an empty set would mean every kind
  workload.zones = wanted.zones;
  workload.jurisdictions = wanted.jurisdictions;
  if (wanted.one_domain)
    workload.together = scheduler::Together::kOneDomain;
  else if (wanted.tasks > 1)
    workload.together = scheduler::Together::kPreferDomain;
  workload.spread = wanted.spread;
  workload.siblings = wanted.siblings;
  workload.limit = wanted.time_limit;
  workload.stretches = false;  // at its end the run is ended, whatever it was capped to
  if (wanted.deferrable) workload.deadline = wanted.deadline;
  workload.service = wanted.kind == WorkKind::kService;
  workload.preemptible = wanted.preemptible;
  workload.grace = wanted.grace;
  if (wanted.checkpoint_signal != 0 && wanted.requeue) workload.checkpoint_every = seconds(0);
  return workload;
}

Result<void> WorkManager::read_node_wishes(Turn& turn) {
  std::map<std::string, NodeWish, std::less<>> wishes;
  for (const auto& record : TRY(ports_.store.list(kNodeWishPrefix))) {
    const auto wish = parse_node_wish(record.value);
    if (!wish) tell_unreadable(record.key, wish.error());
    // Of one that cannot be read: nothing starts there, and what runs goes on.
    wishes.emplace(record.key.substr(kNodeWishPrefix.size()), wish.value_or(NodeWish{.cordoned = true}));
  }
  for (scheduler::NodeIndex node = 0; node < options_.cluster.nodes.size(); ++node) {
    const std::string& name = options_.cluster.nodes[node].name;
    const auto wish = wishes.find(name);
    const bool is_cordoned = wish != wishes.end() && wish->second.is_cordoned();
    turn.events.emplace_back(NodeHealth{
        .node = node, .health = is_cordoned ? scheduler::Health::kCordoned : scheduler::Health::kReady});
    if (wish != wishes.end() && wish->second.drain) drain(name, turn);
  }
  wishes_ = std::move(wishes);
  return {};
}

// What may run elsewhere is paused, so that it does; what may not ends by itself.
void WorkManager::drain(std::string_view node, Turn& turn) {
  for (const auto& [id, entry] : entries_) {
    if (!entry.wanted.requeue || entry.observed.state == WorkState::kQueued) continue;
    if (std::ranges::find(entry.observed.places, node, &NamedPlace::node) == entry.observed.places.end())
      continue;
    turn.events.emplace_back(
        Paused{.id = id, .run = entry.observed.run, .until = turn.now, .grace = entry.wanted.grace});
    turn.pauses[id] = {"drain", fmt::format("node {} is being drained", node)};
  }
}

Result<void> WorkManager::read_site_events(Turn& turn) {
  std::vector<SiteEvent> events;
  for (const auto& record : TRY(ports_.store.list(kSiteEventPrefix))) {
    auto event = parse_site_event(record.key.substr(kSiteEventPrefix.size()), record.value);
    if (event) {
      events.push_back(*std::move(event));
    } else {
      tell_unreadable(record.key, event.error());
    }
  }
  for (std::uint32_t site = 0; site < options_.cluster.sites.size(); ++site) {
    const auto here = [&](const std::vector<SiteEvent>& all) {
      std::vector<SiteEvent> those;
      std::ranges::copy_if(all, std::back_inserter(those), [&](const SiteEvent& event) {
        return event.site == options_.cluster.sites[site].name;
      });
      return those;
    };
    const SiteBudget budget = site < options_.budgets.size() ? options_.budgets[site] : SiteBudget{};
    for (const auto& change : budget_changes(here(events_), here(events), budget, site, turn.now))
      turn.events.emplace_back(change);
  }
  events_ = std::move(events);
  return {};
}

void WorkManager::tell_node_budgets(Turn& turn) const {
  for (scheduler::NodeIndex node = 0; node < options_.node_budgets_mw.size(); ++node) {
    const auto budget = options_.node_budgets_mw[node];
    if (!budget) continue;
    turn.events.emplace_back(
        scheduler::BudgetChange{.scope = {.kind = scheduler::ScopeKind::kNode, .index = node},
                                .from = turn.now,
                                .milliwatts = budget});
  }
}

Result<void> WorkManager::read_ends(const std::vector<RunStatus>& seen, Turn& turn) {
  for (const RunStatus& status : seen) {
    if (!status.end || turn.ends.contains(status.key) || unreadable_.contains(status.key.id)) continue;
    turn.forget.push_back(status.key);
    Entry* const entry = find_entry(status.key.id);
    const WorkloadRecord* const record = state_.find_run(status.key.id, status.key.run);
    if (entry == nullptr || record == nullptr) continue;
    const auto places = record->is_placed ? record->places : indexed(entry->observed.places);
    TRY_VOID(take_end(*entry, places, status, turn));
  }
  return {};
}

Result<void> WorkManager::take_end(Entry& entry, const std::vector<scheduler::TaskPlace>& places,
                                   const RunStatus& status, Turn& turn) {
  RunEnd end = *status.end;
  // Lost before it told of its start.
  if (end.started_at == TimePoint{})
    end.started_at = end.ended_at = entry.observed.started_at.value_or(turn.now);
  const RunUse use = use_of(entry.wanted, places, end, status.key, options_.cluster);
  const RunCharge charge = ports_.charge ? TRY(ports_.charge(use)) : RunCharge{};
  ObservedWork& seen = entry.observed;
  keep_run(seen.runs, ended_run(entry.wanted, seen, status.key.run, end));
  seen.started_at = end.started_at;
  seen.ended_at = end.ended_at;
  seen.exit_code = end.exit_code;
  seen.accelerator_ms += use.accelerator_ms();
  seen.cpu_us += use.cpu_us;
  if (charge.energy_uj) seen.energy_uj = seen.energy_uj.value_or(0) + *charge.energy_uj;
  if (charge.co2e_ug) seen.co2e_ug = seen.co2e_ug.value_or(0) + *charge.co2e_ug;
  seen.cost_microeur += charge.cost_microeur;
  seen.basis = charge.basis;
  // Requests that a service answered are metered one by one: its run would count them twice. A run that was never there
  // used nothing, and may yet be there: its start is tried again if this is not made durable.
  const bool was_there = end.ended_at > end.started_at;
  if (was_there && entry.wanted.kind != WorkKind::kService)
    turn.usage.push_back(usage_record(entry.wanted, use, charge, end.exit));
  turn.ends.emplace(status.key, end);
  turn.changed.insert(status.key.id);
  if (end.exit == Exit::kLost && !end.why.empty()) {
    turn.events.emplace_back(Deferred{.id = status.key.id, .not_before = turn.now + options_.start_again});
  }
  turn.events.emplace_back(
      Ended{.id = status.key.id, .run = status.key.run, .exit = end.exit, .left = std::nullopt});
  return {};
}

}  // namespace millrace::control
