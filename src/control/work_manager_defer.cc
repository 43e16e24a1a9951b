// Waiting: deferrable work that goes, waits or is paused for cleaner hours.
#include <algorithm>
#include <chrono>

#include "control/work_manager.h"

namespace millrace::control {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// "Not while others must end first": later than anything that is scheduled.
constexpr TimePoint kHeld = std::chrono::sys_days{std::chrono::year{2999} / 1 / 1};

/// What a start takes before work goes on where it was: image, model and data are read anew. An assumption.
constexpr minutes kStartUp{5};
/// At least so much is taken to be left of what has not ended.
constexpr minutes kLeastLeft{1};
constexpr seconds kWhilePausing{10};

bool may_wait(const WantedWork& wanted) { return wanted.deferrable && wanted.deadline && wanted.time_limit; }

/// It saves its state when it is told to stop, and goes on from there.
bool is_interruptible(const WantedWork& wanted) {
  return wanted.checkpoint_signal != 0 && wanted.requeue && wanted.preemptible;
}

scheduler::Amount request_of(const WantedWork& wanted) {
  return scheduler::amount_of(wanted.demand, wanted.tasks);
}

TimePoint next_hour(TimePoint now) { return std::chrono::floor<hours>(now) + hours(1); }

/// At most what is left of its time limit: what it ran before it was paused is saved, but for the grace.
microseconds left_of(const WantedWork& wanted, const ObservedWork& seen, TimePoint now) {
  microseconds left = *wanted.time_limit;
  if (!is_interruptible(wanted)) return left;
  for (const EndedRun& run : seen.runs) {
    const microseconds saved = run.ended_at - run.started_at - wanted.grace;
    if (run.outcome == "paused") left -= std::max(saved, microseconds(0));
  }
  if (seen.state != WorkState::kQueued)
    left -= std::max(now - seen.started_at.value_or(now), microseconds(0));
  return std::max<microseconds>(left, kLeastLeft);
}

}  // namespace

bool WorkManager::know_outlook(TimePoint now) {
  if (!ports_.outlook) return false;
  if (!outlook_until_ || now >= *outlook_until_) {
    auto outlook = ports_.outlook(now);
    has_outlook_ = outlook.has_value();
    if (outlook) deferral_.set_outlook(*std::move(outlook));
    count_crowd(now);
    outlook_until_ = next_hour(now);
  }
  return has_outlook_;
}

void WorkManager::count_crowd(TimePoint now) {
  std::vector<CrowdMember> members;
  for (const auto& [id, entry] : entries_) {
    if (!may_wait(entry.wanted)) continue;
    members.push_back({.request = request_of(entry.wanted),
                       .runs = entry.observed.state != WorkState::kQueued,
                       .left = left_of(entry.wanted, entry.observed, now),
                       .deadline = *entry.wanted.deadline});
  }
  crowd_.set(now, members, state_.scheduler().usage().used, scheduler::capacity_of(options_.cluster));
}

std::optional<TimePoint> WorkManager::start_not_before(Entry& entry, TimePoint now) {
  entry.clean_start.reset();
  if (!entry.waits_for.empty()) return kHeld;
  const WantedWork& wanted = entry.wanted;
  if (!may_wait(wanted) || !know_outlook(now)) return std::nullopt;
  // Whatever it saved: if it has to begin again, it still ends in time.
  const TimePoint latest = *wanted.deadline - *wanted.time_limit;
  if (latest <= now) return std::nullopt;
  if (crowd_.must_go(request_of(wanted), *wanted.deadline)) return std::nullopt;
  const microseconds left = left_of(wanted, entry.observed, now);
  const bool interruptible = is_interruptible(wanted);
  const auto until = deferral_.wait_until(now, left, *wanted.deadline, interruptible);
  if (!until) return std::nullopt;
  const TimePoint ask = std::min(*until, latest);
  ask_again_.emplace(ask, wanted.id);
  entry.clean_start = std::min(deferral_.expected_start(now, left, *wanted.deadline, interruptible), latest);
  return ask;
}

void WorkManager::ask_deferred(Turn& turn) {
  while (!ask_again_.empty() && ask_again_.begin()->first <= turn.now) {
    const WorkloadId id = ask_again_.begin()->second;
    ask_again_.erase(ask_again_.begin());
    Entry* const entry = find_entry(id);
    if (entry == nullptr) continue;
    switch (entry->observed.state) {
      case WorkState::kQueued:
        turn.events.emplace_back(Deferred{.id = id, .not_before = start_not_before(*entry, turn.now)});
        break;
      case WorkState::kStarting:
      case WorkState::kRunning:
        ask_running(*entry, turn);
        break;
      case WorkState::kPausing:
        ask_again_.emplace(turn.now + kWhilePausing, id);
        break;
      default:
        break;
    }
  }
}

void WorkManager::ask_running(Entry& entry, Turn& turn) {
  const WantedWork& wanted = entry.wanted;
  const ObservedWork& seen = entry.observed;
  // Also work that cannot be paused is asked once, if it waited before it started.
  if (!may_wait(wanted) || !is_interruptible(wanted) || seen.stopping) return;
  ask_next_hour(entry, turn.now);
  const TimePoint latest = *wanted.deadline - *wanted.time_limit;
  if (latest <= turn.now + wanted.grace || !know_outlook(turn.now)) return;
  if (crowd_.must_go(request_of(wanted), *wanted.deadline)) return;
  const microseconds left = left_of(wanted, seen, turn.now);
  const auto until = deferral_.pause_until(turn.now, left, *wanted.deadline, wanted.grace + kStartUp);
  if (!until) return;
  const TimePoint ask = std::min(*until, latest);
  entry.clean_start = std::min(deferral_.expected_start(turn.now, left, *wanted.deadline, true), latest);
  turn.events.emplace_back(Paused{.id = wanted.id, .run = seen.run, .until = ask, .grace = wanted.grace});
  turn.pauses[wanted.id] = {"cleaner_hours", "is paused for cleaner hours"};
  ask_again_.emplace(ask, wanted.id);
}

/// What runs is asked only as an hour begins, so it is paused at most once an hour.
void WorkManager::ask_next_hour(const Entry& entry, TimePoint now) {
  if (ports_.outlook && may_wait(entry.wanted) && is_interruptible(entry.wanted))
    ask_again_.emplace(next_hour(now), entry.wanted.id);
}

}  // namespace millrace::control
