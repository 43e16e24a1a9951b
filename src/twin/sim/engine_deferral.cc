#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "twin/sim/decision_text.h"
#include "twin/sim/engine.h"

namespace millrace::twin {
namespace {

constexpr VirtualTime kHourUs = 3'600'000'000;

VirtualTime deadline_of(const Job& job) {
  return job.arrival + (job.trace.deadline - job.trace.arrival).count();
}

scheduler::Amount request_of(const TraceJob& trace) {
  return scheduler::amount_of(trace.demand, trace.tasks);
}

}  // namespace

// As an hour begins everything that may wait is asked again: what waits may go, what runs and can be paused may wait.
void Engine::hour_begins() {
  queue_.put(now_ / kHourUs * kHourUs + kHourUs, EventKind::kHour, 0);
  outlooks_.begin(now_ / kHourUs * kHourUs);
  deferrals_.clear();
  events_.emplace_back(control::SitesCost{outlooks_.site_costs()});
  std::erase_if(deferrable_, [&](scheduler::WorkloadId id) { return jobs_.slot_of(id) == kNoSlot; });
  count_crowd();
  for (const scheduler::WorkloadId id : deferrable_) {
    Job& job = jobs_[jobs_.slot_of(id)];
    if (job.ended) continue;
    if (job.run == 0) {
      const auto until = defer(job);
      events_.emplace_back(
          control::Deferred{.id = id, .not_before = until ? std::optional(to_time(*until)) : std::nullopt});
      if (until && job.held == scheduler::ReasonCode::kNotBefore && job.planned <= now_) tell_new_plan(job);
    } else if (can_pause(job) && !job.broken && !job.stopping) {
      count_up(job);
      if (const auto until = defer(job)) {
        events_.emplace_back(
            control::Paused{.id = id, .run = job.run, .until = to_time(*until), .grace = grace_of(job)});
      }
    }
  }
}

// What runs stays where it is. What waits goes to the best site that has room; where none has, nobody knows to which.
control::Deferral& Engine::deferral_of(const Job& job) {
  std::vector<scheduler::SiteIndex> sites = {job.site};
  bool has_room = true;
  if (job.run == 0) {
    const auto able = sites_.able(job.trace, source_.needs()[job.trace.needs]);
    sites = sites_.with_room(able, job.trace);
    has_room = !sites.empty();
    if (!has_room) sites = able;
  }
  const auto [at, is_new] = deferrals_.try_emplace(std::pair(has_room, std::move(sites)));
  if (is_new) {
    const auto& its = at->first.second;
    at->second.set_outlook(has_room ? outlooks_.best_of(its) : outlooks_.mean_of(its, sites_.shares(its)));
  }
  return at->second;
}

void Engine::count_crowd() {
  std::vector<control::CrowdMember> members;
  for (const scheduler::WorkloadId id : deferrable_) {
    Job& job = jobs_[jobs_.slot_of(id)];
    if (job.ended) continue;
    if (job.run != 0) count_up(job);
    members.push_back({.request = request_of(job.trace),
                       .runs = job.run != 0,
                       .left = work_left(job),
                       .deadline = to_time(deadline_of(job))});
  }
  crowd_.set(to_time(now_), members, control_.scheduler().usage().used, capacity_);
}

// It was expected to go by now, and other hours look better since.
void Engine::tell_new_plan(Job& job) {
  scheduler::Reason reason;
  reason.code = scheduler::ReasonCode::kNotBefore;
  log_id(job.id);
  log_.add(now_, about_, "hold", hold_text(job, reason));
}

// Why it waits, for a person. The scheduler knows of work that waits for clean hours only when it is to be asked again.
std::string Engine::hold_text(Job& job, const scheduler::Reason& reason) {
  if (reason.code != scheduler::ReasonCode::kNotBefore || !may_wait(job.trace)) return text_of(reason);
  const VirtualTime deadline = deadline_of(job);
  const VirtualTime work_us = work_left(job).count();
  job.planned = to_virtual(deferral_of(job).expected_start(to_time(now_), std::chrono::microseconds(work_us),
                                                           to_time(deadline), can_pause(job)));
  return fmt::format(
      "waits for {} hours; expected to start at {}, and at {} at the latest to meet its deadline",
      config_.policy.shift_by == "price" ? "cheap" : "clean", second_of(to_time(job.planned)),
      second_of(to_time(std::max(deadline - work_us, now_))));
}

std::chrono::seconds Engine::grace_of(const Job& job) const {
  return config_.priority_classes[job.trace.priority_class].grace;
}

// Without any grace there is no time to write a checkpoint.
bool Engine::can_pause(const Job& job) const { return job.trace.interruptible && grace_of(job).count() > 0; }

/// On the slowest kind that it may run on.
std::chrono::microseconds Engine::work_left(const Job& job) const {
  return std::chrono::microseconds(static_cast<std::int64_t>(job.left_us / speeds_.slowest(job.trace)));
}

std::optional<VirtualTime> Engine::defer(const Job& job) {
  const TimePoint deadline = to_time(deadline_of(job));
  if (crowd_.must_go(request_of(job.trace), deadline)) return std::nullopt;
  const auto until = deferral_of(job).wait_until(to_time(now_), work_left(job), deadline, can_pause(job));
  if (!until) return std::nullopt;
  quiet_since_ = std::max(quiet_since_, now_);
  return to_virtual(*until);
}

// Against what the same energy would have caused, at the sites where it was used, had the work run when it came, and in the
// best hours before its deadline.
void Engine::count_deferrable(const Job& job) {
  DeferrableTally& tally = tally_.deferrable;
  const VirtualTime deadline = deadline_of(job);
  const VirtualTime work_us = job.ran_us;  // on the kinds and under the caps that it had
  ++tally.jobs;
  if (now_ > deadline) ++tally.late;
  tally.co2e_ug += job.co2e_meter_ug;
  tally_.co2e_ug.set(now_, tally.co2e_ug);
  for (std::size_t i = 0; i < job.energy_by_site.size(); ++i) {
    if (job.energy_by_site[i] == 0) continue;
    const energy::HourlySeries& carbon = config_.sites[i].carbon;
    const double meter_kwh = joules(job.energy_by_site[i]) * config_.cluster.sites[i].pue / 3.6e6;
    // A thousandth of the series is a milligram for each kWh.
    tally.co2e_at_once_ug += meter_kwh * 1e3 * mean_value(carbon, job.arrival, job.arrival + work_us);
    tally.co2e_oracle_ug += meter_kwh * 1e3 *
                            least_mean_value(carbon, job.arrival, std::max(deadline, job.arrival + work_us),
                                             work_us, can_pause(job));
  }
  tally_.co2e_at_once_ug.set(now_, tally.co2e_at_once_ug);
  tally_.co2e_oracle_ug.set(now_, tally.co2e_oracle_ug);
}

}  // namespace millrace::twin
