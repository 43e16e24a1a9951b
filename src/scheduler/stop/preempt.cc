// Preemption: lower priority within an account, and reclaim of what others borrowed. The victims are those whose loss is
// least, and no more than are needed; nothing is stopped if the workload would still not fit.
#include "scheduler/stop/preempt.h"

#include <algorithm>
#include <tuple>

#include "scheduler/books/promises_aside.h"
#include "scheduler/books/run.h"
#include "scheduler/fit/place.h"
#include "scheduler/promise/promise.h"
#include "scheduler/stop/reclaim.h"

namespace millrace::scheduler {
namespace {

struct Victim {
  Job* job = nullptr;
  ReasonCode why = ReasonCode::kNone;
  std::int64_t loss = 0;
};

/// Whether its quota is too little even when all that was told to stop is gone.
bool quota_lacks_for_good(const State& state, const Job& job) {
  return state.accounts.lack(job.work.account, job.shape->request, &AccountTree::Entry::leaving).has_value();
}

/// Takes victims away, as a trial, and puts them back.
class Trial {
 public:
  Trial(State& state, Job& job, TimePoint now) : state_(state), job_(job), now_(now) {}

  void remove(Job& victim) { move(victim, -1); }
  void restore(Job& victim) { move(victim, 1); }

  bool may_start() {
    if (!job_.charged && quota_lacks_for_good(state_, job_)) return false;
    if (count_places(state_, job_, window_end(now_, job_.limit_s)) < job_.shape->key.tasks) return false;
    // Alike tasks fill a node one by one, so that only power can keep from placing what was counted.
    if (power_is_ample(state_, job_, now_)) return true;
    Promise ignored;
    return find(ignored);
  }

  /// Where it would start now.
  bool find(Promise& claim) {
    job_.end = end_of(job_.work, now_);
    Reason ignored;
    const bool power_blocked = job_.shape->power_blocked;
    auto found = find_places(state_, job_, now_, ignored);
    job_.shape->power_blocked = power_blocked;
    job_.end = kNever;
    if (!found) return false;
    undo(state_, job_, found->places);
    claim.places = std::move(found->places);
    claim.draws = std::move(found->draws);
    return true;
  }

 private:
  void move(Job& victim, int sign) {
    state_.accounts.shift(victim.work.account, victim.shape->request, sign);
    for (const TaskPlace& place : victim.places) {
      if (sign < 0) {
        state_.pool.undo(victim, place);
      } else {
        state_.pool.occupy(victim, place);
      }
    }
    if (sign < 0) {
      state_.power.release(victim);
    } else {
      state_.power.charge(victim);
    }
  }

  State& state_;
  Job& job_;
  TimePoint now_;
};

/// Of what it asks for: what is short now. All of it where its quota is, or no one thing alone.
Amount short_of(const State& state, const Job& job) {
  const Amount& request = job.shape->request;
  if (quota_lacks_for_good(state, job)) return request;
  const Demand& demand = job.shape->key.demand;
  const auto is_short = [&](const Demand& alone) {
    return count_now(state, job, alone) < job.shape->key.tasks;
  };
  Amount lacking;
  if (is_short({.accelerators = demand.accelerators, .accelerator_milli = demand.accelerator_milli}))
    lacking.accelerators_milli = request.accelerators_milli;
  if (is_short({.cpu_milli = demand.cpu_milli})) lacking.cpu_milli = request.cpu_milli;
  if (is_short({.memory_mib = demand.memory_mib})) lacking.memory_mib = request.memory_mib;
  return lacking == Amount{} ? request : lacking;
}

/// Whether the victim is of its own account, or has of what is `lacking` something that its account has borrowed.
bool is_own_or_borrowed(const State& state, const Job& job, const Job& victim, const Amount& lacking) {
  const AccountIndex holder = victim.work.account;
  return holder == job.work.account ||
         may_take_back(state, job, holder, in_both(victim.shape->request, lacking));
}

/// Of its own account, or of one that it may stop work of.
std::optional<ReasonCode> may_stop(const State& state, const Job& job, const Job& victim, TimePoint now) {
  // What has started in this very pass stays, and what had waited too long is not sent back for what has not.
  if (victim.stopping || !victim.work.preemptible || victim.started >= now) return std::nullopt;
  const bool lower = victim.work.priority < job.work.priority;
  if (victim.work.account == job.work.account) {
    if (lower && victim.rank != kStarvedRank) return ReasonCode::kPriority;
    return std::nullopt;
  }
  if (!reclaims_from(state, job, victim)) return std::nullopt;
  return ReasonCode::kReclaim;
}

/// Those it may stop as things are, the least loss first.
std::vector<Victim> candidates(State& state, const Job& job, const Amount& lacking, TimePoint now) {
  std::vector<Victim> result;
  for (AccountIndex a = 0; a < state.accounts.size(); ++a) {
    const auto& holder = state.accounts.at(a);
    const bool own = a == job.work.account;
    if (holder.preemptible.empty()) continue;
    if (own ? holder.preemptible.begin()->first >= job.work.priority : !may_take_back(state, job, a, lacking))
      continue;
    for (const auto& [id, victim] : holder.running) {
      const auto why = may_stop(state, job, *victim, now);
      if (why && is_own_or_borrowed(state, job, *victim, lacking))
        result.push_back({victim, *why, loss_of(*victim, now, victim->work.grace)});
    }
  }
  std::ranges::sort(result, [](const Victim& a, const Victim& b) {
    return std::tuple(a.job->work.priority, a.loss, a.job->work.id) <
           std::tuple(b.job->work.priority, b.loss, b.job->work.id);
  });
  return result;
}

/// The first of `from`, as few as suffice, taken away; empty, and nothing is, if all of them do not.
std::vector<Victim> take_away(State& state, const Job& job, const std::vector<Victim>& from,
                              const Amount& lacking, Trial& trial) {
  std::vector<Victim> chosen;
  std::size_t tried = 0;  // so many do not suffice
  bool enough = false;
  for (const Victim& v : from) {
    // An account may have come back to its nominal quota through the victims before.
    if (!is_own_or_borrowed(state, job, *v.job, lacking)) continue;
    trial.remove(*v.job);
    chosen.push_back(v);
    if (chosen.size() < 2 * tried) continue;
    enough = trial.may_start();
    if (enough) break;
    tried = chosen.size();
  }
  if (!enough && chosen.size() > tried) enough = trial.may_start();
  std::size_t removed = chosen.size();
  std::size_t suffice = enough ? removed : 0;
  while (enough && tried + 1 < suffice) {
    const std::size_t middle = (tried + suffice) / 2;
    while (removed > middle) trial.restore(*chosen[--removed].job);
    while (removed < middle) trial.remove(*chosen[removed++].job);
    (trial.may_start() ? suffice : tried) = middle;
  }
  while (removed > suffice) trial.restore(*chosen[--removed].job);
  while (removed < suffice) trial.remove(*chosen[removed++].job);
  chosen.resize(suffice);
  return chosen;
}

/// Victims without which the job may start, and none that is not needed; empty if there are none. Where it would: `claim`.
std::vector<Victim> choose(State& state, Job& job, const std::vector<Victim>& from, const Amount& lacking,
                           TimePoint now, Promise& claim) {
  Trial trial(state, job, now);
  const std::vector<Victim> chosen = take_away(state, job, from, lacking, trial);
  std::vector<Victim> needed;
  for (auto it = chosen.rbegin(); it != chosen.rend(); ++it) {
    trial.restore(*it->job);
    if (trial.may_start()) continue;
    trial.remove(*it->job);
    needed.push_back(*it);
  }
  if (!needed.empty() && !trial.find(claim)) {
    for (const Victim& v : needed) trial.restore(*v.job);
    return {};
  }
  for (const Victim& v : needed) trial.restore(*v.job);
  std::ranges::reverse(needed);
  return needed;
}

bool is_on_nodes_of(const Promise& promise, const Promise& claim) {
  return std::ranges::any_of(promise.places, [&](const TaskPlace& p) {
    return std::ranges::find(claim.places, p.node, &TaskPlace::node) != claim.places.end();
  });
}

/// Whether what it is promised is there no later than what they would leave.
bool comes_by_itself(const Job& job, const std::vector<Victim>& victims, TimePoint now) {
  if (!job.promise || job.promise->begin <= now) return false;
  return std::ranges::any_of(victims, [&](const Victim& v) {
    return std::min(v.job->end, now + v.job->work.grace) >= job.promise->begin;
  });
}

}  // namespace

bool preempt_for(State& state, Job& job, TimePoint now, Plan& plan) {
  const Amount lacking = short_of(state, job);
  const std::vector<Victim> from = candidates(state, job, lacking, now);
  if (from.empty()) return false;
  const std::vector<Job*> yielding = yielding_promises(state, job);
  Promise claim;
  std::vector<Victim> victims;
  {
    // Whose end its promise waits for may be the one whose loss is least.
    std::vector<const Job*> yield{&job};
    yield.insert(yield.end(), yielding.begin(), yielding.end());
    const PromisesAside aside(state, std::move(yield));
    victims = choose(state, job, from, lacking, now, claim);
  }
  if (victims.empty()) return false;
  if (comes_by_itself(job, victims, now)) return false;
  if (job.promise) {
    retire_promise(state, job);
    lay_ghosts(state);
  }
  for (const Victim& v : victims) {
    Preempt preempt;
    preempt.id = v.job->work.id;
    preempt.grace = v.job->work.grace;
    preempt.reason.code = v.why;
    preempt.reason.other = job.work.id;
    preempt.reason.subject = state.accounts.at(job.work.account).account.name;
    plan.preempts.push_back(std::move(preempt));
    stop_running(state, *v.job, now + v.job->work.grace);
    if (v.job->end < claim.begin) continue;
    claim.begin = v.job->end;
    claim.because = v.job->work.id;
  }
  for (Job* holder : yielding) {
    if (is_on_nodes_of(*holder->promise, claim)) take_promise_away(state, *holder, now);
  }
  // What is promised to others from a later time on waits for it, by the grace at most.
  claim.end = window_end(claim.begin, job.limit_s);
  claim.claim = true;
  give_promise(state, job, std::move(claim), now);
  return true;
}

}  // namespace millrace::scheduler
