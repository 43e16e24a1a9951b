#include "scheduler/books/promises_aside.h"

#include <utility>

namespace millrace::scheduler {

PromisesAside::PromisesAside(State& state, std::vector<const Job*> jobs)
    : state_(state), jobs_(std::move(jobs)) {
  std::erase_if(jobs_, [](const Job* job) { return job->promise == nullptr; });
  for (const Job* job : jobs_) {
    state.pool.unpromise(*job, *job->promise);
    state.power.set_aside(*job->promise);
  }
}

PromisesAside::~PromisesAside() {
  for (const Job* job : jobs_) {
    state_.power.put_back(*job->promise);
    state_.pool.promise(*job, *job->promise);
  }
}

}  // namespace millrace::scheduler
