// Pending work: queued, waiting for its time, starving.
#include "scheduler/books/queueing.h"

#include <algorithm>

#include "scheduler/books/shapes.h"

namespace millrace::scheduler {

TimePoint starves_at(const State& state, const Job& job) {
  if (!state.policies.starvation) return kNever;
  const TimePoint since = std::max(job.work.submitted, job.work.not_before.value_or(job.work.submitted));
  return since + *state.policies.starvation;
}

void look_again(State& state, Job& job) {
  job.fresh = true;
  state.fresh.push_back(job.work.id);
}

void enqueue(State& state, Job& job) {
  job.phase = Phase::kPending;
  look_again(state, job);
  state.queue.add(job);
  if (state.policies.starvation && job.rank != kStarvedRank)
    state.starving.emplace(starves_at(state, job), job.work.id);
}

void unqueue(State& state, Job& job) {
  if (job.phase == Phase::kWaiting) {
    state.waiting.erase({*job.work.not_before, job.work.id});
    return;
  }
  state.queue.remove(job);
  if (state.policies.starvation && job.rank != kStarvedRank)
    state.starving.erase({starves_at(state, job), job.work.id});
}

void change_not_before(State& state, Job& job, std::optional<TimePoint> not_before) {
  const bool may_starve = state.policies.starvation && job.rank != kStarvedRank;
  if (may_starve) state.starving.erase({starves_at(state, job), job.work.id});
  job.work.not_before = not_before;
  if (may_starve) state.starving.emplace(starves_at(state, job), job.work.id);
}

void unkeep_quota(State& state, AccountIndex account, std::uint64_t pass) {
  auto& waiting = state.accounts.at(account).blocked_groups;
  for (AccountIndex a = account; a < state.accounts.size(); ++a) {
    if (state.accounts.is_below(a, account))
      state.queue.each_group_of(a, [&](Group& group) { waiting.insert(&group); });
  }
  state.accounts.unkeep(account, pass);
}

void forget(State& state, Job& job) {
  Shape& shape = *job.shape;
  const WorkloadId id = job.work.id;
  state.queue.sweep([&](Group& group) {
    for (AccountIndex a = group.key.account; a != kNoAccount; a = state.accounts.at(a).account.parent) {
      state.accounts.at(a).blocked_groups.erase(&group);
    }
  });
  state.jobs.erase(id);
  drop_shape(state, shape);
}

}  // namespace millrace::scheduler
