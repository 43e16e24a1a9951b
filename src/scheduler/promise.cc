// Promises: how capacity is kept for a blocked workload, and given back.
#include <utility>

#include "scheduler/state.h"

namespace millrace::scheduler {

void give_promise(State& state, Job& job, Promise promise, TimePoint now) {
  job.promise = std::make_unique<Promise>(std::move(promise));
  state.pool.promise(job, *job.promise);
  state.power.promise(*job.promise);
  state.promised[job.work.id] = &job;
  if (job.promise->claim && !job.charged) {
    state.accounts.use(job.work.account, job.shape->request, 1, now);
    job.charged = true;
  }
}

void drop_promise(State& state, Job& job, TimePoint now) {
  state.pool.unpromise(job, *job.promise);
  state.power.unpromise(*job.promise);
  if (job.charged) {
    state.accounts.use(job.work.account, job.shape->request, -1, now);
    job.charged = false;
  }
  state.power_eased = true;
  state.released = true;
  state.promised.erase(job.work.id);
  job.promise.reset();
}

void retire_promise(State& state, Job& job) {
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

}  // namespace millrace::scheduler
