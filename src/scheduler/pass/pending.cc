#include "scheduler/pass/pending.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "scheduler/books/queueing.h"
#include "scheduler/books/run.h"
#include "scheduler/books/state.h"
#include "scheduler/fit/place.h"
#include "scheduler/fit/why.h"
#include "scheduler/pass/collect.h"
#include "scheduler/pass/kept_quota.h"
#include "scheduler/pass/tell.h"
#include "scheduler/pass/walk.h"
#include "scheduler/promise/give_way.h"
#include "scheduler/promise/promise.h"
#include "scheduler/stop/caps.h"
#include "scheduler/stop/preempt.h"
#include "scheduler/stop/reclaim.h"

namespace millrace::scheduler {
namespace {

/// A pass that did not settle in so many walks goes on in the next, at once.
constexpr int kWalksMax = 8;

class Pass {
 public:
  Pass(State& state, TimePoint now, Plan& plan) : state_(state), now_(now), plan_(plan) {}

  void run(bool full) {
    unsettled_ = true;
    // What is free for promises goes to all in order; between full passes fresh work alone asks for what was left.
    planning_ = full || !state_.released;
    for (; walks_ < kWalksMax && unsettled_ && !is_cut_; ++walks_) {
      unsettled_ = walk(full);
      full = false;
    }
  }
  /// There is more to start than one pass may.
  bool is_cut() const { return is_cut_; }
  int walks() const { return walks_; }
  bool unsettled() const { return unsettled_; }
  bool comes_back() const { return comes_back_; }

 private:
  bool is_full() const {
    const std::int32_t most = state_.policies.starts_per_pass;
    return most > 0 && std::ssize(plan_.starts) >= most;
  }

  // One walk and what follows it; whether another is due.
  bool walk(bool full) {
    full_ = full;
    drops_.clear();
    starts_promised_ = 0;
    preemptors_.clear();
    ++state_.walk;
    Walk order(state_.accounts, now_);
    order_ = &order;
    collect(state_, order, now_, full_);
    while (auto entry = order.next()) {
      if (is_full()) {
        is_cut_ = true;
        break;
      }
      Job& job = *entry->turn.job;
      visit(job);
      if (entry->follow != nullptr) follow(order, *entry->follow, entry->turn);
    }
    return settle();
  }

  void visit(Job& job) {
    if (job.seen_walk == state_.walk || job.phase != Phase::kPending) return;
    job.seen_walk = state_.walk;
    // What it was promised is another's, who comes before it, when this walk is over.
    if (std::ranges::find(drops_, &job) != drops_.end()) return;
    const bool consider = std::exchange(job.fresh, false) || full_;
    Reason reason;
    Reason of_promise;
    if (try_start(job, reason, of_promise, consider) || is_full()) return;
    const bool claims = job.promise && job.promise->claim;
    // What it is promised is free, but for power: what it lacks elsewhere is not the reason then.
    const bool for_power = of_promise.code == ReasonCode::kPower && reason.code != ReasonCode::kQuota;
    const bool stops_none = job.work.power_stopped && (for_power || reason.code == ReasonCode::kPower);
    if (!claims) plan_for(job, reason, consider, state_.policies.preempt && !stops_none);
    if (consider && !claims) give_up_late_promise(job, reason);
    if (for_power) reason = of_promise;
    if (consider) tell(state_, job, std::move(reason), now_, plan_);
  }

  // What it was promised is free, and it may not start for its quota: others need not wait for that.
  void give_up_late_promise(Job& job, const Reason& reason) {
    const bool by_quota = reason.code == ReasonCode::kQuota || reason.code == ReasonCode::kQuotaKept;
    if (!by_quota || !job.promise || job.promise->begin > now_) return;
    retire_promise(state_, job);
    order_->holdings_fell();
    state_.released = true;
  }

  void follow(Walk& order, Group& group, const Turn& turn) {
    const Job& job = *turn.job;
    if (job.phase == Phase::kRunning || job.promise) {
      order.add_after(group, turn);
      return;
    }
    if (full_) tell_group(state_, group, job, plan_);
  }

  bool try_start(Job& job, Reason& reason, Reason& of_promise, bool consider) {
    if (job.shape->holds_most < job.shape->key.tasks) {
      reason = never_fits(state_, *job.shape);
      return false;
    }
    std::optional<Found> found;
    for (;;) {
      const Keeping keeping = consider ? Keeping::kAtOnce : Keeping::kNext;
      if (blocked_by_quota(state_, job, now_, keeping, reason)) return false;
      job.end = end_of(job.work, now_);
      if (job.promise) found = find_promised(state_, job, now_, of_promise);
      if (found) gather(state_, job, now_, *found);
      if (!found) found = find(job, reason);
      if (!found || !start_owner_instead(job, *found)) break;
      found.reset();
      look_again(state_, job);
      due_ = true;
      reason = of_promise = {};
      if (is_full()) return false;
    }
    std::optional<CapsForStart> caps;
    bool more_later = false;
    if (!found) found = find_with_others_capped(state_, job, now_, of_promise, reason, caps, more_later);
    if (!found) {
      job.end = kNever;
      if (more_later) come_back_for(job);
      return false;
    }
    start(job, std::move(*found));
    if (caps) caps->settle(now_, plan_);
    if (job.cap_milli < 1000) draw_more(job);
    return true;
  }

  // Where an owner waits that would stop the job for it at once, the owner starts.
  bool start_owner_instead(Job& job, const Found& found) {
    const std::vector<Job*> owners = owners_waiting(state_, job);
    if (owners.empty()) return false;
    const bool eased = state_.power_eased;
    const bool released = state_.released;
    std::optional<Promise> promise;
    undo(state_, job, found.places);
    if (job.promise) {
      promise = *job.promise;
      drop_promise(state_, job, now_);
    }
    for (Job* owner : owners) {
      const bool fits_there = std::ranges::any_of(found.places, [&](const TaskPlace& p) {
        const NodeRecord& record = state_.pool.node(p.node);
        return fits(record.now, owner->shape->key.demand) &&
               std::ranges::binary_search(owner->shape->classes, record.node_class);
      });
      if (!fits_there) continue;
      Reason reason;
      Reason of_promise;
      owner->shape->failed_walk = 0;  // what was in the way may be the job's promise
      // Or one that would stop the owner.
      const auto before = plan_.starts.size();
      if (!try_start(*owner, reason, of_promise, false) && plan_.starts.size() == before) continue;
      if (promise) order_->holdings_fell();
      return true;
    }
    if (promise) give_promise(state_, job, std::move(*promise), now_);
    for (const TaskPlace& place : found.places) state_.pool.occupy(job, place);
    state_.power_eased = eased;
    state_.released = released;
    return false;
  }

  void come_back_for(Job& job) {
    look_again(state_, job);
    comes_back_ = true;
  }

  // It is under a cap only as far as one of lower classes does not do instead.
  void draw_more(Job& job) {
    cap_lower_for(state_, job, now_, plan_);
    Start& start = plan_.starts.back();
    start.cap_milli = job.cap_told = job.cap_milli;
    if (job.cap_milli == 1000) start.reason = {};
  }

  std::optional<Found> find(Job& job, Reason& reason) {
    Shape& shape = *job.shape;
    if (shape.failed_walk == state_.walk && job.limit_s >= shape.failed_limit_s) {
      reason = shape.failure;
      return std::nullopt;
    }
    auto found = find_places_beside_promise(state_, job, now_, reason);
    if (found) return found;
    shape.failed_walk = state_.walk;
    shape.failed_limit_s = job.limit_s;
    shape.failure = reason;
    return std::nullopt;
  }

  void start(Job& job, Found found) {
    std::ranges::copy(take_of_kept_quota(state_, job, now_), std::back_inserter(unkept_));
    if (job.promise) {
      ++starts_promised_;
      if (job.promise->begin > now_) state_.released = true;  // those behind it may be brought forward
      retire_promise(state_, job);
    }
    if (yielded_to_ == job.work.id) {
      for (Job* l : std::exchange(yielded_, {})) {
        l->yielded_pass = 0;
        due_ = true;
        look_again(state_, *l);
      }
    }
    unqueue(state_, job);
    std::ranges::sort(found.places, {}, [](const TaskPlace& p) { return std::pair(p.node, p.devices); });
    Start decision{.id = job.work.id, .places = found.places, .cap_milli = found.cap_milli, .reason = {}};
    if (found.cap_milli < 1000) {
      decision.reason.code = ReasonCode::kBudgetStart;
      decision.reason.subject = state_.power.name_of(found.capped_by->scope);
    }
    plan_.starts.push_back(std::move(decision));
    begin_running(state_, job, std::move(found.places), found.cap_milli, found.capped_by, now_);
    job.reason.reset();
  }

  // What is done for work that could not start: a promise, or what clears the way for it after the walk.
  void plan_for(Job& job, const Reason& reason, bool consider, bool may_stop) {
    const bool room = reason.code == ReasonCode::kCapacity || reason.code == ReasonCode::kDomain ||
                      reason.code == ReasonCode::kSpread || reason.code == ReasonCode::kPromised ||
                      reason.code == ReasonCode::kPower;
    if (reason.code == ReasonCode::kPromised && ask_for_room(job)) return;
    if (!consider) return;
    if (may_stop && (room || reason.code == ReasonCode::kQuota)) preemptors_.push_back(&job);
    if (!room) return;
    if (job.promise) {
      if (full_) promise(job, true);
      return;
    }
    // What a start in this walk leaves is given in order by the next full pass, not to whoever comes next in this one.
    const bool depth = has_depth(job.rank);
    if (!depth && !has_lower_promises(state_, job.rank)) return;
    if (planning_ && (full_ || is_first_without(job))) {
      promise(job, depth);
    } else {
      state_.released = true;
    }
  }

  /// Whether all that came before it, and are like it, are promised something.
  static bool is_first_without(const Job& job) {
    const auto first =
        std::ranges::find_if(job.group->members, [](const Turn& t) { return t.job->promise == nullptr; });
    return first != job.group->members.end() && first->job == &job;
  }

  // What was taken from lower ranks in this walk is given back to them, as far as none of a higher rank needs it.
  bool has_depth(std::int32_t rank) const {
    const auto displaced =
        std::ranges::count_if(displaced_, [rank](const Job* j) { return j->rank >= rank; });
    return std::ssize(state_.promised) + starts_promised_ + displaced < state_.policies.reservations;
  }

  /// Gives it a promise, or a better one. `beside`: without one that a lower rank has, there is depth for it.
  void promise(Job& job, bool beside) {
    Shape& shape = *job.shape;
    if (job.displaced_walk == state_.walk || job.yielded_pass == state_.counters.passes) return;
    if (!job.promise && shape.unplannable_walk == state_.walk && job.limit_s >= shape.unplannable_limit_s)
      return;
    auto arranged = arrange(state_, job, now_, beside);
    if (!arranged) {
      if (job.promise) return;
      shape.unplannable_walk = state_.walk;
      shape.unplannable_limit_s = job.limit_s;
      return;
    }
    // Those in its way are given others, in order, so that the last is left without.
    if (!beside) displace(*lower_promises(state_, job.rank).front());
    for (Job* lower : arranged->displaced) {
      if (lower->promise) displace(*lower);
    }
    if (job.promise) {
      retire_promise(state_, job);
    } else if (!make_depth(job)) {
      return;
    }
    keep(job, std::move(arranged->promise));
  }

  bool make_depth(const Job& job) {
    std::vector<Job*> lower = lower_promises(state_, job.rank);
    for (auto it = lower.begin(); it != lower.end() && !has_depth(job.rank); ++it) displace(**it);
    return has_depth(job.rank);
  }

  // Planned anew in the next walk.
  void displace(Job& job) {
    retire_promise(state_, job);
    order_->holdings_fell();
    job.displaced_walk = state_.walk;
    displaced_.push_back(&job);
    state_.released = true;
  }

  void keep(Job& job, Promise promise) {
    const bool now = promise.begin <= now_;
    give_promise(state_, job, std::move(promise), now_);
    if (!now) return;
    // What it was promised is free already: it starts in the next walk.
    due_ = true;
    look_again(state_, job);
  }

  // Of alike workloads one asks in a walk, and one in all is heard; the others ask again in the next.
  void ask(Job& job, std::vector<Job*> drops) {
    if (drops_.empty()) yield(job, std::move(drops));
    job.group->asked_walk = state_.walk;
    look_again(state_, job);
  }

  // Those that may come first in order must not get the same again before it has started.
  void yield(const Job& job, std::vector<Job*> drops) {
    drops_ = std::move(drops);
    for (Job* l : drops_) {
      if (l->rank < job.rank) continue;
      l->yielded_pass = state_.counters.passes;
      if (yielded_to_ != job.work.id) yielded_.clear();
      yielded_to_ = job.work.id;
      yielded_.push_back(l);
    }
  }

  /// Whether what is promised to it would serve the other now.
  bool holds_room(const Job& holder, const Job& other) const {
    const Shape& shape = *other.shape;
    if (shape.siblings != nullptr && shape.siblings == holder.shape->siblings) return true;
    return std::ranges::any_of(holder.promise->places, [&](const TaskPlace& p) {
      const NodeRecord& record = state_.pool.node(p.node);
      return record.listed && fits(record.now, shape.key.demand) &&
             std::ranges::binary_search(shape.classes, record.node_class);
    });
  }

  /// Whether it has room now if the last promises that yield to it are dropped: as few as that takes.
  bool ask_for_room(Job& job) {
    if (job.group->asked_walk == state_.walk) return false;
    std::vector<Job*> lower = yielding_promises(state_, job);
    if (lower.empty()) return false;
    if (!drops_.empty()) {
      ask(job, {});
      return true;
    }
    Shape& shape = *job.shape;
    if (shape.roomless_walk == state_.walk && job.limit_s >= shape.roomless_limit_s &&
        shape.roomless_without == lower)
      return false;
    const std::vector<Job*> all = lower;
    std::erase_if(lower, [&](const Job* l) { return !holds_room(*l, job); });
    std::size_t dropped = 0;
    bool enough = false;
    while (!enough && dropped < lower.size()) {
      state_.pool.unpromise(*lower[dropped], *lower[dropped]->promise);
      ++dropped;
      enough = count_places(state_, job, window_end(now_, job.limit_s)) >= job.shape->key.tasks;
    }
    for (std::size_t i = 0; i < dropped; ++i) state_.pool.promise(*lower[i], *lower[i]->promise);
    lower.resize(dropped);
    if (enough) {
      ask(job, std::move(lower));
    } else {
      shape.roomless_walk = state_.walk;
      shape.roomless_limit_s = job.limit_s;
      shape.roomless_without = all;
    }
    return enough;
  }

  // After the walk: what was given back is free again, and may let others start.
  bool settle() {
    bool again = std::exchange(due_, false) || !state_.ghosts.empty();
    lay_ghosts(state_);
    for (Job* job : std::exchange(displaced_, {})) look_again(state_, *job);
    for (const AccountIndex a : std::exchange(unkept_, {})) {
      unkeep_quota(state_, a, state_.counters.passes);
      again = true;
    }
    again = drop() || again;
    again = preempt() || again;
    return again;
  }

  bool drop() {
    bool any = false;
    for (Job* job : drops_) {
      if (!job->promise) continue;  // it has started
      take_promise_away(state_, *job, now_);
      any = true;
    }
    return any;
  }

  bool preempt() {
    bool any = false;
    std::int32_t left = state_.policies.preemptors_per_pass;
    // Alike workloads could stop the same, so where one finds too little the next would too, until something is stopped.
    std::set<const Group*> in_vain;
    for (auto it = preemptors_.begin(); it != preemptors_.end(); ++it) {
      Job* job = *it;
      if (job->phase != Phase::kPending || (job->promise && job->promise->claim)) continue;
      if (!job->charged && in_vain.contains(job->group)) continue;
      if (left-- <= 0) {
        if (any) std::for_each(it, preemptors_.end(), [&](Job* later) { look_again(state_, *later); });
        break;
      }
      if (!preempt_for(state_, *job, now_, plan_)) {
        if (!job->charged) in_vain.insert(job->group);
        continue;
      }
      Reason reason;
      reason.code = ReasonCode::kPreempting;
      tell(state_, *job, std::move(reason), now_, plan_);
      in_vain.clear();
      look_again_at_next(*job);
      any = true;
    }
    return any;
  }

  // Of alike workloads a full walk looks at one. What is stopped for it is no longer in the way of the next.
  void look_again_at_next(Job& job) {
    const auto& members = job.group->members;
    const auto next = std::find_if(members.upper_bound(turn_of(job)), members.end(),
                                   [](const Turn& turn) { return turn.job->promise == nullptr; });
    if (next != members.end()) look_again(state_, *next->job);
  }

  State& state_;
  TimePoint now_;
  Plan& plan_;
  Walk* order_ = nullptr;  // of the walk at hand
  bool full_ = false;
  bool planning_ = false;  // promises are given
  std::int64_t starts_promised_ = 0;
  bool due_ = false;
  bool unsettled_ = false;
  bool comes_back_ = false;  // to work that the next pass may have room for
  bool is_cut_ = false;
  int walks_ = 0;
  std::vector<Job*> drops_;
  std::vector<Job*> displaced_;
  std::vector<Job*> yielded_;  // to it, and not promised anything since
  WorkloadId yielded_to_ = 0;
  std::vector<Job*> preemptors_;
  std::vector<AccountIndex> unkept_;
};

}  // namespace

Looked look_at_pending(State& state, TimePoint now, bool full, Plan& plan) {
  Pass pass(state, now, plan);
  pass.run(full);
  return {.walks = pass.walks(),
          .is_unsettled = pass.unsettled() || pass.is_cut(),
          .is_cut = pass.is_cut(),
          .comes_back = pass.comes_back()};
}

}  // namespace millrace::scheduler
