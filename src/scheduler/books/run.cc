// Running work: begun, told to stop, capped, ended.
#include "scheduler/books/run.h"

#include <algorithm>
#include <utility>

namespace millrace::scheduler {
namespace {

/// Until now its limit was that of the slowest kind that it may run on.
void limit_by_kind(const State& state, Job& job) {
  Workload& work = job.work;
  if (!work.limit || work.kind_speed_milli.empty()) return;
  const auto kind = std::ranges::find(work.kinds, state.cluster.nodes[job.places.front().node].kind);
  const auto at = static_cast<std::size_t>(kind - work.kinds.begin());
  if (at >= work.kind_speed_milli.size()) return;
  const std::int64_t speed_milli = std::max(work.kind_speed_milli[at], 1000);
  work.limit = std::chrono::seconds((work.limit->count() * 1000 + speed_milli - 1) / speed_milli);
}

}  // namespace

void begin_running(State& state, Job& job, std::vector<TaskPlace> places, std::int32_t cap_milli,
                   const Budgeted* capped_by, TimePoint now) {
  job.phase = Phase::kRunning;
  job.started = now;
  job.places = std::move(places);
  job.cap_milli = job.cap_told = cap_milli;
  job.capped_by = capped_by;
  limit_by_kind(state, job);
  if (const TimePoint end = end_of(job.work, now, cap_milli); end != job.end) {
    job.end = end;
    state.pool.end_changed(job);
  }
  job.draws = state.power.draws_running(job);
  state.power.charge(job);
  if (job.charged) {
    state.accounts.claim(job.work.account, job.shape->request, -1);
  } else {
    state.accounts.use(job.work.account, job.shape->request, 1, now);
  }
  job.charged = true;
  state.accounts.add_running(job);
  if (cap_milli < 1000) state.capped.emplace(job.work.id, &job);
  add_to(state.usage.used, job.shape->request, 1);
  ++state.usage.running;
}

void stop_running(State& state, Job& job, TimePoint by) {
  state.power.release(job);
  job.end = std::min(job.end, by);
  if (!std::exchange(job.stopping, true)) state.accounts.leave(job.work.account, job.shape->request, 1);
  state.power.charge(job);
  state.pool.end_changed(job);
  for (const TaskPlace& place : job.places) state.pool.gain(place.node);
  state.power_eased = true;
}

void end_running(State& state, Job& job, TimePoint now) {
  state.power.release(job);
  for (const TaskPlace& place : job.places) state.pool.vacate(job, place);
  if (job.stopping) state.accounts.leave(job.work.account, job.shape->request, -1);
  state.accounts.use(job.work.account, job.shape->request, -1, now);
  state.accounts.remove_running(job);
  state.capped.erase(job.work.id);
  state.lost.erase(job.work.id);
  add_to(state.usage.used, job.shape->request, -1);
  --state.usage.running;
  state.released = true;
  state.power_eased = true;
}

void set_cap(State& state, Job& job, std::int32_t cap_milli, const Budgeted* capped_by, TimePoint now) {
  TimePoint end = job.end;
  if (job.work.limit && !job.stopping && end > now) {
    const double longer = stretch_of(job.work, cap_milli) / stretch_of(job.work, job.cap_milli);
    const auto left = static_cast<double>((end - now).count()) * longer;
    end = now + std::chrono::microseconds(static_cast<std::int64_t>(left) + 1);
  }
  restore_cap(state, job, {cap_milli, capped_by, end});
}

void restore_cap(State& state, Job& job, const CapState& as) {
  state.power.release(job);
  if (as.cap_milli < job.cap_milli) state.power_eased = true;
  job.cap_milli = as.cap_milli;
  job.capped_by = as.capped_by;
  job.draws = state.power.draws_running(job);
  const bool moved = std::exchange(job.end, as.end) != as.end;
  state.power.charge(job);
  if (moved) state.pool.end_changed(job);
  if (as.cap_milli < 1000) {
    state.capped.emplace(job.work.id, &job);
  } else {
    state.capped.erase(job.work.id);
  }
}

std::vector<Job*> all_running(State& state) {
  std::vector<Job*> result;
  for (AccountIndex a = 0; a < state.accounts.size(); ++a) {
    for (const auto& [id, job] : state.accounts.at(a).running) result.push_back(job);
  }
  return result;
}

}  // namespace millrace::scheduler
