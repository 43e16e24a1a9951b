// Work of a higher rank takes of lower ranks' promises what it needs: the lowest, latest ones first, and no more.
#include "scheduler/promise/give_way.h"

#include <algorithm>
#include <vector>

#include "scheduler/promise/plan_promise.h"
#include "scheduler/promise/promise.h"
#include "scheduler/spread.h"

namespace millrace::scheduler {
namespace {

/// Power of promises, given back for as long as this lives.
class PowerAside {
 public:
  explicit PowerAside(State& state) : state_(state) {}
  PowerAside(const PowerAside&) = delete;
  PowerAside& operator=(const PowerAside&) = delete;
  ~PowerAside() {
    for (const Promise* p : aside_) state_.power.put_back(*p);
  }
  void take(const Promise& promise) {
    state_.power.set_aside(promise);
    aside_.push_back(&promise);
  }
  void put_back(const Promise& promise) {
    state_.power.put_back(promise);
    std::erase(aside_, &promise);
  }

 private:
  State& state_;
  std::vector<const Promise*> aside_;
};

/// Which promises of lower ranks a new one leaves room for.
class Beside {
 public:
  Beside(State& state, const Job& job, const Promise& promise, TimePoint now)
      : state_(state), job_(job), promise_(promise), now_(now) {}

  /// Takes its places as well if there is room for both.
  bool fits(const Job& lower) {
    if (is_sibling(lower)) return false;
    const Promise& its = *lower.promise;
    if (its.begin >= promise_.end) return true;
    kept_.push_back(&lower);
    const bool room = std::ranges::all_of(its.places, [&](const TaskPlace& p) {
      return std::ranges::find(promise_.places, p.node, &TaskPlace::node) == promise_.places.end() ||
             fits_on(p.node);
    });
    if (!room) kept_.pop_back();
    return room;
  }

 private:
  // At its begin, and whenever another begins beside it.
  bool fits_on(NodeIndex node) const {
    if (!fits_at(node, promise_.begin)) return false;
    return std::ranges::all_of(state_.pool.node(node).promises, [&](const Promised& p) {
      return p.begin <= promise_.begin || p.begin >= promise_.end || fits_at(node, p.begin);
    });
  }

  bool fits_at(NodeIndex node, TimePoint at) const {
    const NodeRecord& record = state_.pool.node(node);
    NodeState free = record.now;
    for (const Tenant& t : record.running) {
      if (t.job->end <= at) give_back(free, t.job->work.demand, t.devices);
    }
    for (const TaskPlace& p : promise_.places) {
      if (p.node == node) take(free, job_.work.demand, p.devices);
    }
    const Heed heed{&job_, job_.rank};
    for (const Promised& p : record.promises) {
      const bool is_kept = std::ranges::find(kept_, p.job) != kept_.end();
      const bool is_there = p.begin <= std::max(at, now_) && p.leaves(now_) > at;
      if (is_there && (heed(p) || is_kept)) take(free, p.job->work.demand, p.devices);
    }
    const bool over = std::ranges::any_of(free.device_milli_free, [](std::int16_t m) { return m < 0; });
    return !over && free.cpu_milli_free >= 0 && free.memory_mib_free >= 0;
  }

  // Work that it is kept apart from, in a failure group of its own.
  bool is_sibling(const Job& lower) const {
    if (job_.shape->siblings == nullptr || lower.shape->siblings != job_.shape->siblings) return false;
    const auto group = [this](const TaskPlace& p) {
      return failure_group(state_.cluster, p.node, job_.shape->key.spread);
    };
    return std::ranges::any_of(lower.promise->places, [&](const TaskPlace& p) {
      return std::ranges::find(promise_.places, group(p), group) != promise_.places.end();
    });
  }

  State& state_;
  const Job& job_;
  const Promise& promise_;
  TimePoint now_;
  std::vector<const Job*> kept_;
};

std::optional<Arrangement> over_lower(State& state, const Job& job, TimePoint now, TimePoint cutoff) {
  std::vector<Job*> lower = lower_promises(state, job.rank);
  PowerAside aside(state);
  for (const Job* l : lower) aside.take(*l->promise);
  for (const Ghost& ghost : state.ghosts) {
    if (ghost.job->rank < job.rank && !ghost.promise.claim) aside.take(ghost.promise);
  }
  auto promise = plan_promise(state, job, now, job.rank, cutoff);
  if (!promise) return std::nullopt;
  Arrangement result{std::move(*promise), {}};
  Beside beside(state, job, result.promise, now);
  const auto lasts = std::chrono::ceil<std::chrono::seconds>(result.promise.end - result.promise.begin);
  const PowerLedger::Wish wish{.length_s = result.promise.end == kNever ? INT64_MAX : lasts.count(),
                               .yields_after = yields_after(job),
                               .behind = true};
  for (auto it = lower.rbegin(); it != lower.rend(); ++it) {
    Job& keeps = **it;
    if (beside.fits(keeps)) {
      aside.put_back(*keeps.promise);
      const auto& draws = result.promise.draws;
      if (keeps.promise->draws.empty() || draws.empty() ||
          state.power.earliest(draws, result.promise.begin, now, wish) == result.promise.begin)
        continue;
      aside.take(*keeps.promise);
    }
    result.displaced.push_back(&keeps);
  }
  return result;
}

}  // namespace

std::optional<Arrangement> arrange(State& state, const Job& job, TimePoint now, bool beside) {
  std::optional<Promise> promise;
  if (beside) promise = plan_promise(state, job, now);
  // One that it has was taken from lower ranks already, as far as that was worth it.
  const bool may_take = !job.promise && has_lower_promises(state, job.rank);
  if (may_take && (!promise || promise->begin > now)) {
    const TimePoint cutoff = promise ? sooner_than(state, promise->begin, now) : kNever;
    if (auto over = over_lower(state, job, now, cutoff)) return over;
  }
  if (!promise) return std::nullopt;
  return Arrangement{std::move(*promise), {}};
}

}  // namespace millrace::scheduler
