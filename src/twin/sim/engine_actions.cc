#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "scheduler/speed.h"
#include "twin/sim/decision_text.h"
#include "twin/sim/engine.h"

namespace millrace::twin {
namespace {

using std::chrono::microseconds;

/// What work that can be paused takes of its grace to write its checkpoint.
constexpr VirtualTime kCheckpointUs = 30 * std::int64_t{1'000'000};

}  // namespace

void Engine::log_id(scheduler::WorkloadId id) {
  about_.clear();
  fmt::format_to(std::back_inserter(about_), "job-{}", id);
}

void Engine::carry_out(const control::StartRun& start) {
  const std::uint32_t slot = jobs_.slot_of(start.id);
  Job& job = jobs_[slot];
  if (job.run != 0) return;
  if (std::cmp_not_equal(start.places.size(), job.trace.tasks))
    fault_ = fmt::format("job-{}: a gang started in part", job.id);
  job.run = start.run;
  job.broken = job.ended = job.stopping = false;
  job.site = config_.cluster.nodes[start.places.front().node].site;
  job.places.assign(start.places.begin(), start.places.end());
  job.cap_milli = start.cap_milli;
  job.run_work_us = 0.0;
  job.kind_speed = 0.0;
  job.since = now_;
  ++jobs_.versions(slot).run;
  for (const scheduler::TaskPlace& place : job.places) {
    const scheduler::KindIndex kind = config_.cluster.nodes[place.node].kind;
    const double its = job.trace.demand.accelerators > 0 ? speeds_.speed(job.trace, kind) : 1.0;
    job.kind_speed = job.kind_speed == 0.0 ? its : std::min(job.kind_speed, its);
    if (down_[place.node] != 0) fault_ = fmt::format("job-{}: placed on a node that is down", job.id);
    if (!rooms_[place.node].take(job.trace.demand, place.devices))
      fault_ = fmt::format("job-{}: over-allocates a node", job.id);
    if (runs_on_[place.node].empty() || runs_on_[place.node].back() != slot)
      runs_on_[place.node].push_back(slot);
  }
  for (const scheduler::TaskPlace& place : job.places)
    sites_.took(place.node, scheduler::amount_of(job.trace.demand, 1));
  set_draw(job);
  plan_finish(slot);
  const std::string why = start_text(job, now_ - job.queued, start.reason);
  set_hold(job, {});
  --waiting_;
  ++running_;
  ++tally_.starts;
  quiet_since_ = now_;
  allocated_milli_ += job.accelerators_milli();
  if (job.first_start == kNoTime) {
    job.first_start = now_;
    const double wait_s = static_cast<double>(now_ - job.arrival) * 1e-6;
    tally_.wait_s.add(wait_s);
    tally_.classes[job.trace.priority_class].wait_s.add(wait_s);
    tally_.accounts[job.trace.account].wait_sum_s += wait_s;
    ++tally_.accounts[job.trace.account].started;
  }
  tally_.gantt.begin(job, now_);
  log_id(job.id);
  text_.clear();
  fmt::format_to(std::back_inserter(text_), "run {} on ", start.run);
  append_places(text_, config_.cluster, job.places);
  if (start.cap_milli < 1000) text_ += "; " + cap_text(start.cap_milli);
  text_ += "; " + why;
  log_.add(now_, about_, "start", text_);
  events_.emplace_back(control::Started{.id = start.id, .run = start.run});
}

void Engine::carry_out(const control::StopRun& stop) {
  const std::uint32_t slot = jobs_.slot_of(stop.id);
  if (slot == kNoSlot || jobs_[slot].run != stop.run) return;
  if (stop.run == 0) fault_ = fmt::format("job-{}: told to stop before it was started", stop.id);
  Job& job = jobs_[slot];
  // A second time only shortens the grace.
  switch (job.stopping ? scheduler::ReasonCode::kNone : stop.reason.code) {
    case scheduler::ReasonCode::kPriority:
    case scheduler::ReasonCode::kReclaim:
      ++tally_.preempted;
      break;
    case scheduler::ReasonCode::kBudgetFall:
      ++tally_.power_stops;
      if (job.trace.interruptible && stop.grace.count() > 0) ++tally_.pauses;
      break;
    case scheduler::ReasonCode::kNotBefore:
      ++tally_.pauses;
      break;
    default:
      break;
  }
  log_id(job.id);
  text_.clear();
  fmt::format_to(std::back_inserter(text_), "run {}, grace {:.6g} s; {}", stop.run,
                 static_cast<double>(stop.grace.count()) * 1e-6, hold_text(job, stop.reason));
  log_.add(now_, about_, "stop", text_);
  if (job.broken) {
    end_run(slot, control::Exit::kLost);
    return;
  }
  const VirtualTime grace =
      job.trace.interruptible ? std::min<VirtualTime>(stop.grace.count(), kCheckpointUs) : stop.grace.count();
  if (grace <= 0) {
    job.no_grace = true;
    end_run(slot, control::Exit::kStopped);
    return;
  }
  job.stopping = true;
  queue_.put(now_ + grace, EventKind::kStopped, slot, jobs_.versions(slot).run);
}

void Engine::carry_out(const control::CapRun& cap) {
  const std::uint32_t slot = jobs_.slot_of(cap.id);
  if (slot == kNoSlot || jobs_[slot].run != cap.run || jobs_[slot].broken) return;
  Job& job = jobs_[slot];
  ++tally_.caps;
  count_up(job);
  clear_draw(job);
  job.cap_milli = cap.cap_milli;
  set_draw(job);
  plan_finish(slot);
  tally_.gantt.cap(job, now_);
  log_id(job.id);
  text_.clear();
  text_ += cap_text(cap.cap_milli) + "; " + text_of(cap.reason);
  log_.add(now_, about_, "cap", text_);
}

void Engine::carry_out(const control::StoreReason& store) {
  Job& job = jobs_[jobs_.slot_of(store.id)];
  set_hold(job, store.reason);
  log_id(store.id);
  log_.add(now_, about_, "hold", hold_text(job, store.reason));
}

void Engine::set_hold(Job& job, const scheduler::Reason& reason) {
  using enum scheduler::ReasonCode;
  if (job.held_site) --power_waiting_[*job.held_site];
  job.held_site.reset();
  power_held_ += (reason.code == kPower ? 1 : 0) - (job.held == kPower ? 1 : 0);
  never_fit_ += (reason.code == kNeverFits ? 1 : 0) - (job.held == kNeverFits ? 1 : 0);
  job.held = reason.code;
  if (reason.code == kNone) job.planned = kNoTime;
  // Budgets of nodes, racks and feeds bind though their site has power left.
  if (reason.code != kPower || !reason.scope || reason.scope->kind != scheduler::ScopeKind::kSite) return;
  job.held_site = static_cast<scheduler::SiteIndex>(reason.scope->index);
  ++power_waiting_[*job.held_site];
}

void Engine::carry_out(const control::Requeued& requeued) {
  const std::uint32_t slot = jobs_.slot_of(requeued.id);
  jobs_[slot].ended = false;
  jobs_[slot].queued = now_;
  ++waiting_;
  log_id(requeued.id);
  log_.add(now_, about_, "queued", control::name_of(requeued.exit));
}

void Engine::carry_out(const control::Settled& settled) {
  const std::uint32_t slot = jobs_.slot_of(settled.id);
  Job& job = jobs_[slot];
  if (!job.ended) --waiting_;
  set_hold(job, {});
  switch (settled.exit) {
    case control::Exit::kDone:
      ++tally_.done;
      break;
    case control::Exit::kRefused:
      ++tally_.refused;
      break;
    case control::Exit::kCancelled:
      ++tally_.unplaceable;
      break;
    default:
      ++tally_.failed;
      break;
  }
  close_books(job, settled.exit);
  log_id(settled.id);
  log_.add(now_, about_, control::name_of(settled.exit), settled.why);
  jobs_.remove(slot);
}

void Engine::carry_out(const control::WarnInfeasible& infeasible) {
  text_.clear();
  text_ += "the budget of ";
  append_kilowatts(text_, infeasible.budget_mw);
  fmt::format_to(std::back_inserter(text_), " from {} on is below the idle draw of ",
                 second_of(infeasible.from));
  append_kilowatts(text_, infeasible.idle_mw);
  fmt::format_to(std::back_inserter(text_), "; power off {} {}", infeasible.nodes.size(),
                 infeasible.nodes.size() == 1 ? "node" : "nodes");
  log_.add(now_, scope_name(infeasible.scope), "infeasible", text_);
}

void Engine::carry_out(const control::WakeAt& wake) { wake_ = std::max(to_virtual(wake.at), now_ + 1); }

// Energy, carbon, money, time held and work done, up to now.
void Engine::count_up(Job& job) {
  const VirtualTime lasts = now_ - job.since;
  if (lasts <= 0) return;
  const double work_us = static_cast<double>(lasts) * job.speed;
  job.left_us = std::max(job.left_us - work_us, 0.0);
  job.run_work_us += work_us;
  job.ran_us += lasts;
  count_tokens(job, work_us);
  AccountTally& account = tally_.accounts[job.trace.account];
  NanoJoule all_energy = 0;
  for (const SiteDraw& draw : job.draws) {
    const NanoJoule energy = static_cast<NanoJoule>(draw.milliwatts) * lasts;
    all_energy += energy;
    tally_.sites[draw.site].attributed += energy;
    const SiteInfo& site = config_.sites[draw.site];
    const std::int64_t co2e_ug =
        energy::co2e_ug(site.carbon, draw.milliwatts, to_time(job.since), to_time(now_)).value_or(0);
    account.co2e_ug += co2e_ug;
    if (may_wait(job.trace)) {
      job.energy_by_site.resize(config_.sites.size());
      job.energy_by_site[draw.site] += energy;
      job.co2e_meter_ug += static_cast<double>(co2e_ug) * config_.cluster.sites[draw.site].pue;
    }
  }
  account.energy += all_energy;
  (job.trace.deferrable ? tally_.cpu_core_deferrable_us : tally_.cpu_core_us) +=
      static_cast<double>(job.trace.demand.cpu_milli * job.trace.tasks) * 1e-3 * static_cast<double>(lasts);
  const double held_us = static_cast<double>(job.accelerators_milli()) * 1e-3 * static_cast<double>(lasts);
  if (job.trace.input_tokens + job.trace.output_tokens > 0) tally_.held_for_tokens_us += held_us;
  account.held_us += held_us;
  if (job.trace.demand.accelerators > 0) {
    const scheduler::Node& node = config_.cluster.nodes[job.places.front().node];
    KindTally& kind = tally_.kinds[node.kind];
    (job.trace.deferrable ? kind.held_deferrable_us : kind.held_us) += held_us;
    kind.attributed += all_energy;
    tally_.sites[node.site].held_us += held_us;
    const double pace = job.kind_speed > 0.0 ? job.speed / job.kind_speed : 0.0;
    tally_.useful_us += held_us * pace * static_cast<double>(job.trace.utilisation_milli) * 1e-3;
  }
  job.since = now_;
}

// Requests are answered as the work goes on. What is lost of it is taken back: it is answered again.
void Engine::count_tokens(const Job& job, double work_us) {
  if (job.trace.work.count() <= 0) return;
  const double part = work_us / static_cast<double>(job.trace.work.count());
  const double input = part * static_cast<double>(job.trace.input_tokens);
  const double output = part * static_cast<double>(job.trace.output_tokens);
  tally_.input_tokens += input;
  tally_.output_tokens += output;
  if (!job.trace.deferrable) return;
  tally_.input_tokens_deferrable += input;
  tally_.output_tokens_deferrable += output;
}

void Engine::set_draw(Job& job) {
  const scheduler::Workload& workload = control_.find(job.id)->workload;
  job.draws.clear();
  scheduler::NodeIndex last = scheduler::kNoIndex;
  std::int64_t milliwatts = 0;
  for (const scheduler::TaskPlace& place : job.places) {
    const scheduler::Node& node = config_.cluster.nodes[place.node];
    if (last == scheduler::kNoIndex || config_.node_type[last] != config_.node_type[place.node]) {
      milliwatts = scheduler::predicted_draw_mw(config_.cluster, place.node, workload, job.cap_milli);
    }
    last = place.node;
    power_.add(place.node, milliwatts);
    const auto its = std::ranges::find(job.draws, node.site, &SiteDraw::site);
    if (its == job.draws.end()) {
      job.draws.push_back({.site = node.site, .milliwatts = milliwatts});
    } else {
      its->milliwatts += milliwatts;
    }
  }
  const double wanted = static_cast<double>(std::max(job.trace.utilisation_milli, 1));
  const double pace = job.trace.demand.accelerators > 0
                          ? scheduler::speed_under_cap(static_cast<double>(job.cap_milli) / wanted)
                          : 1.0;
  job.speed = job.trace.kind == TraceJobKind::kJob ? job.kind_speed * pace : 1.0;
}

void Engine::clear_draw(Job& job) {
  if (job.draws.empty()) return;
  const scheduler::Workload& workload = control_.find(job.id)->workload;
  scheduler::NodeIndex last = scheduler::kNoIndex;
  std::int64_t milliwatts = 0;
  for (const scheduler::TaskPlace& place : job.places) {
    if (last == scheduler::kNoIndex || config_.node_type[last] != config_.node_type[place.node]) {
      milliwatts = scheduler::predicted_draw_mw(config_.cluster, place.node, workload, job.cap_milli);
    }
    last = place.node;
    power_.add(place.node, -milliwatts);
  }
  job.draws.clear();
}

void Engine::plan_finish(std::uint32_t slot) {
  const Job& job = jobs_[slot];
  const double lasts_us = std::min(std::ceil(job.left_us / job.speed), 1e17);
  queue_.put(now_ + static_cast<VirtualTime>(lasts_us), EventKind::kFinished, slot,
             ++jobs_.versions(slot).plan);
}

void Engine::end_run(std::uint32_t slot, control::Exit exit) {
  Job& job = jobs_[slot];
  count_up(job);
  clear_draw(job);
  ++jobs_.versions(slot).plan;
  for (const scheduler::TaskPlace& place : job.places) {
    rooms_[place.node].give_back(job.trace.demand, place.devices);
    std::vector<std::uint32_t>& runs = runs_on_[place.node];
    const auto at = std::ranges::find(runs, slot);
    if (at == runs.end()) continue;
    *at = runs.back();
    runs.pop_back();
  }
  for (const scheduler::TaskPlace& place : job.places)
    sites_.gave_back(place.node, scheduler::amount_of(job.trace.demand, 1));
  if (exit != control::Exit::kDone) lose_work(job, exit);
  tally_.gantt.end(job, now_);
  --running_;
  allocated_milli_ -= job.accelerators_milli();
  quiet_since_ = now_;
  const double left_s = job.left_us / speeds_.slowest(job.trace) * 1e-6;
  events_.emplace_back(control::Ended{.id = job.id,
                                      .run = job.run,
                                      .exit = exit,
                                      .left = std::chrono::seconds(static_cast<std::int64_t>(left_s) + 1)});
  job.run = 0;
  job.ended = true;
  job.no_grace = false;
  job.places.clear();
}

// What was done since the last checkpoint is done again. Services and environments hold what they have for a time and
// have nothing to lose.
void Engine::lose_work(Job& job, control::Exit exit) {
  ++job.stops;
  if (exit == control::Exit::kLost) ++tally_.lost_runs;
  if (job.trace.kind != TraceJobKind::kJob) return;
  if (job.trace.interruptible && exit == control::Exit::kStopped && !job.no_grace) return;
  const auto between_us =
      static_cast<double>(microseconds(config_.policy.checkpoint).count()) * job.kind_speed;
  const double lost_us = between_us > 0.0 ? std::fmod(job.run_work_us, between_us) : job.run_work_us;
  job.left_us += lost_us;
  count_tokens(job, -lost_us);
  const double accelerators = static_cast<double>(job.accelerators_milli()) * 1e-3;
  const double lost_held_us = lost_us / job.kind_speed * accelerators;
  tally_.lost_us += lost_held_us;
  tally_.useful_us -= lost_held_us * static_cast<double>(job.trace.utilisation_milli) * 1e-3;
}

void Engine::close_books(const Job& job, control::Exit exit) {
  if (exit != control::Exit::kCancelled) {
    ++tally_.accounts[job.trace.account].jobs;
    tally_.last_end = now_;
  }
  if (exit != control::Exit::kDone) return;
  const double jct_s = static_cast<double>(now_ - job.arrival) * 1e-6;
  tally_.jct_s.add(jct_s);
  if (may_wait(job.trace)) count_deferrable(job);
  tally_.slowdown.add(jct_s * 1e6 / std::max(static_cast<double>(job.trace.work.count()), 1e6));
}

}  // namespace millrace::twin
