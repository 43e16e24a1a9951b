// Promises: how capacity is kept for a blocked workload, and given back.
#include "scheduler/promise/promise.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "scheduler/books/queueing.h"

namespace millrace::scheduler {
namespace {

/// Claims are charged as used instead.
void count_promise(State& state, const Job& job, int change) {
  if (job.promise->claim) return;
  state.accounts.promise(job.work.account, job.shape->request, change);
  const auto it = state.promises_of_rank.try_emplace(job.rank, 0).first;
  it->second += change;
  if (it->second == 0) state.promises_of_rank.erase(it);
}

}  // namespace

void give_promise(State& state, Job& job, Promise promise, TimePoint now) {
  job.promise = std::make_unique<Promise>(std::move(promise));
  state.pool.promise(job, *job.promise);
  state.power.promise(*job.promise);
  state.promised[job.work.id] = &job;
  count_promise(state, job, 1);
  if (job.promise->claim && !job.charged) {
    state.accounts.use(job.work.account, job.shape->request, 1, now);
    state.accounts.claim(job.work.account, job.shape->request, 1);
    job.charged = true;
  }
}

void drop_promise(State& state, Job& job, TimePoint now) {
  state.pool.unpromise(job, *job.promise);
  state.power.unpromise(*job.promise);
  if (job.charged) {
    state.accounts.claim(job.work.account, job.shape->request, -1);
    state.accounts.use(job.work.account, job.shape->request, -1, now);
    job.charged = false;
  }
  state.power_eased = true;
  state.released = true;
  state.promised.erase(job.work.id);
  count_promise(state, job, -1);
  job.promise.reset();
}

void take_promise_away(State& state, Job& job, TimePoint now) {
  drop_promise(state, job, now);
  look_again(state, job);
}

void drop_overdrawn(State& state, TimePoint now) {
  // Of those that budgets are promised to, by the order of the budgets.
  std::map<std::uint32_t, std::pair<const Budgeted*, std::vector<Job*>>> promised;
  for (const auto& [id, job] : state.promised) {
    if (job->promise->claim) continue;
    for (const ScopeDraw& d : job->promise->draws) {
      auto& [budget, jobs] = promised[d.budget->order];
      budget = d.budget;
      jobs.push_back(job);
    }
  }
  for (const auto& [order, its] : promised) {
    if (!its.first->overdrawn(now)) continue;
    for (Job* job : its.second) {
      if (job->promise) drop_promise(state, *job, now);
    }
  }
}

void retire_promise(State& state, Job& job) {
  count_promise(state, job, -1);
  state.ghosts.push_back({&job, std::move(*job.promise)});
  state.promised.erase(job.work.id);
  job.promise.reset();
}

void lay_ghosts(State& state) {
  for (const Ghost& ghost : state.ghosts) {
    state.pool.unpromise(*ghost.job, ghost.promise);
    state.power.unpromise(ghost.promise);
    if (!ghost.promise.draws.empty()) state.power_eased = true;
  }
  state.ghosts.clear();
}

void set_rank(State& state, Job& job, std::int32_t rank) {
  if (job.promise) count_promise(state, job, -1);
  job.rank = rank;
  if (job.promise) count_promise(state, job, 1);
}

void sort_by_precedence(std::vector<Job*>& promised) {
  std::ranges::sort(promised, [](const Job* a, const Job* b) {
    return std::tuple(a->rank, b->promise->begin, b->work.id) <
           std::tuple(b->rank, a->promise->begin, a->work.id);
  });
}

bool has_lower_promises(const State& state, std::int32_t rank) {
  return !state.promises_of_rank.empty() && state.promises_of_rank.begin()->first < rank;
}

std::vector<Job*> lower_promises(const State& state, std::int32_t rank) {
  std::vector<Job*> lower;
  if (!has_lower_promises(state, rank)) return lower;
  for (const auto& [id, job] : state.promised) {
    if (job->rank < rank && !job->promise->claim) lower.push_back(job);
  }
  sort_by_precedence(lower);
  return lower;
}

}  // namespace millrace::scheduler
