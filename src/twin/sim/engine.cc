#include "twin/sim/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "scheduler/placement_policies.h"
#include "twin/sim/decision_text.h"
#include "twin/sim/draws.h"

namespace millrace::twin {
namespace {

constexpr VirtualTime kNoMoment = std::numeric_limits<VirtualTime>::max();
constexpr VirtualTime kDayUs = 24 * 3600 * std::int64_t{1'000'000};
/// With nothing running, arriving or changing for so long, what waits will wait for ever.
constexpr VirtualTime kHopelessUs = 7 * kDayUs;
/// So long it may wait for nodes that are being mended. Of many nodes one always is, and all of them may never be up at once.
constexpr VirtualTime kHopelessMendsUs = 365 * kDayUs;
constexpr VirtualTime kSampleUs = 3600 * std::int64_t{1'000'000};
constexpr std::size_t kTypicalDemands = 32;
constexpr std::int64_t kProgressSteps = 4096;

std::vector<SeededRng> streams(std::uint64_t seed, std::uint64_t salt, std::size_t count) {
  std::vector<SeededRng> all;
  all.reserve(count);
  SeededRng seeds(seed ^ salt);
  for (std::size_t i = 0; i < count; ++i) all.emplace_back(seeds.next());
  return all;
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::create(const SiteConfig& config, JobSource& source, DecisionLog& log,
                                               const EngineOptions& options) {
  auto policy =
      scheduler::make_placement(TRY(scheduler::parse_placement(config.policy.placement)), options.seed);
  control::WorkloadState control = TRY(control::WorkloadState::create(
      config.cluster, config.accounts, config.policy.scheduler, std::move(policy)));
  return std::unique_ptr<Engine>(new Engine(config, source, log, options, std::move(control)));
}

Engine::Engine(const SiteConfig& config, JobSource& source, DecisionLog& log, const EngineOptions& options,
               control::WorkloadState control)
    : config_(config),
      source_(source),
      log_(log),
      options_(options),
      control_(std::move(control)),
      speeds_(config),
      kind_choice_(config, speeds_),
      power_(config.cluster, options.start),
      outlooks_(config, options.start),
      sites_(config.cluster),
      tally_(config, options.start),
      now_(options.start),
      runs_on_(config.cluster.nodes.size()),
      down_(config.cluster.nodes.size(), 0),
      node_rng_(streams(options.seed, 0x6E6F6465, config.cluster.nodes.size())),
      feed_rng_(streams(options.seed, 0x66656564, config.cluster.feeds.size())),
      next_sample_(options.start + kSampleUs),
      quiet_since_(options.start),
      mended_at_(options.start) {
  prepare();
}

void Engine::prepare() {
  power_waiting_.resize(config_.sites.size(), 0);
  capacity_ = scheduler::capacity_of(config_.cluster);
  for (const scheduler::Node& node : config_.cluster.nodes) {
    accelerators_ += node.accelerators;
    NodeRoom room{.cpu_milli = node.cpu_milli, .memory_mib = node.memory_mib, .device_milli = {}};
    for (std::int32_t i = 0; i < node.accelerators; ++i)
      room.device_milli[static_cast<std::size_t>(i)] = 1000;
    rooms_.push_back(room);
  }
  budgets_ = budget_facts(config_, options_.start);
  for (std::uint32_t i = 0; i < budgets_.size(); ++i) {
    const BudgetFact& fact = budgets_[i];
    const VirtualTime from = std::max(fact.known, to_virtual(fact.change.from));
    queue_.put(std::max(fact.known, options_.start), EventKind::kBudgetKnown, i);
    queue_.put(std::max(from, options_.start), EventKind::kBudgetHolds, i);
    facts_to_come_ += 2;
  }
  for (std::uint32_t i = 0; i < config_.cluster.nodes.size(); ++i) {
    plan_failure(EventKind::kNodeDown, i, config_.node_types[config_.node_type[i]].failures);
  }
  for (std::uint32_t i = 0; i < config_.feeds.size(); ++i)
    plan_failure(EventKind::kFeedDown, i, config_.feeds[i].failures);
  if (outlooks_.any()) queue_.put(options_.start, EventKind::kHour, 0);
  next_job_ = source_.next();
}

VirtualTime Engine::next_time() const {
  VirtualTime next = kNoMoment;
  if (!queue_.empty()) next = queue_.next().at;
  if (next_job_) next = std::min(next, options_.start + next_job_->arrival.count());
  if (wake_) next = std::min(next, *wake_);
  return std::max(next, now_);
}

// What the lines of the report have from now on.
void Engine::draw_power_lines() {
  std::int64_t idle_mw = 0;
  std::int64_t budget_mw = 0;
  std::size_t limited = 0;
  const auto put = [this](PowerLines& lines, std::int64_t draw, std::int64_t idle, std::int64_t budget) {
    lines.draw_mw.set(now_, static_cast<double>(draw));
    lines.idle_mw.set(now_, static_cast<double>(idle));
    lines.budget_mw.set(now_, static_cast<double>(budget));
  };
  for (std::uint32_t i = 0; i < config_.sites.size(); ++i) {
    constexpr auto kSite = PowerBook::Level::kSite;
    const double pue = config_.cluster.sites[i].pue;
    const std::int64_t idle = at_meter(power_.idle_mw(kSite, i), pue);
    const bool is_limited = power_.budget(kSite, i) != kNoBudget;
    const std::int64_t budget = is_limited ? power_.budget(kSite, i) : at_meter(power_.max_mw(kSite, i), pue);
    limited += is_limited ? 1 : 0;
    idle_mw += idle;
    budget_mw += budget;
    if (tally_.power_of_site.empty()) continue;
    PowerLines& its = tally_.power_of_site[i];
    its.limited = its.limited || is_limited;
    put(its, at_meter(power_.draw_mw(kSite, i), pue), idle, budget);
  }
  tally_.power.limited = tally_.power.limited || limited == config_.sites.size();
  put(tally_.power, power_.meter_mw(), idle_mw, budget_mw);
}

// What holds at `now_` holds until `to`.
void Engine::advance_clock(VirtualTime to) {
  for (std::uint32_t i = 0; i < config_.sites.size(); ++i)
    power_.set_backlog(static_cast<scheduler::SiteIndex>(i), power_waiting_[i] > 0);
  power_.settle(now_);
  for (std::uint32_t i = 0; i < config_.sites.size(); ++i) {
    const std::int64_t draw = power_.draw_mw(PowerBook::Level::kSite, i);
    const SiteInfo& site = config_.sites[i];
    SiteTally& its = tally_.sites[i];
    its.co2e_ug +=
        static_cast<double>(energy::co2e_ug(site.carbon, draw, to_time(now_), to_time(to)).value_or(0));
    its.energy_microeur += static_cast<double>(
        energy::energy_cost_microeur(site.price, draw, to_time(now_), to_time(to)).value_or(0));
  }
  draw_power_lines();
  if (to >= next_sample_) {
    const std::int64_t hours = (to - next_sample_) / kSampleUs + 1;
    sample_fragmentation(static_cast<double>(hours));
    next_sample_ += hours * kSampleUs;
  }
  tally_.queue.set(now_, static_cast<double>(waiting_));
  tally_.running.set(now_, static_cast<double>(running_));
  tally_.allocated.set(now_, static_cast<double>(allocated_milli_));
  now_ = to;
}

void Engine::collect_arrivals() {
  while (next_job_ && options_.start + next_job_->arrival.count() <= now_) {
    arrive(*next_job_);
    next_job_ = source_.next();
  }
}

void Engine::arrive(const TraceJob& trace) {
  const std::uint32_t slot = jobs_.add();
  Job& job = jobs_[slot];
  job.trace = trace;
  job.trace.kinds = kind_choice_.worth(trace, source_.needs()[trace.needs]);
  job.arrival = job.queued = now_;
  job.left_us = static_cast<double>(trace.work.count());
  ++tally_.submitted;
  ++waiting_;
  quiet_since_ = now_;
  tally_.accounts[trace.account].asked_us +=
      static_cast<double>(job.accelerators_milli()) * 1e-3 * job.left_us;
  scheduler::Workload workload =
      workload_of(config_, speeds_, job.trace, source_.needs()[trace.needs], job.id, now_);
  if (may_wait(trace) && outlooks_.any()) {
    deferrable_.push_back(job.id);
    if (const auto until = defer(job)) workload.not_before = to_time(*until);
  }
  events_.emplace_back(control::Submitted{std::move(workload)});
  if (trace.demand.accelerators == 0) return;
  const auto is_alike = [&](const TypicalDemand& t) {
    return t.demand == trace.demand && t.kinds == job.trace.kinds;
  };
  const auto known = std::ranges::find_if(typical_, is_alike);
  if (known != typical_.end()) {
    known->count += trace.tasks;
  } else if (typical_.size() < kTypicalDemands) {
    typical_.push_back({.demand = trace.demand, .kinds = job.trace.kinds, .count = trace.tasks});
  }
}

void Engine::happen(const SimEvent& event) {
  switch (event.kind) {
    case EventKind::kFinished:
      if (event.version == jobs_.versions(event.subject).plan) finish(event.subject);
      break;
    case EventKind::kStopped:
      if (event.version == jobs_.versions(event.subject).run && jobs_[event.subject].run != 0) {
        end_run(event.subject, control::Exit::kStopped);
      }
      break;
    case EventKind::kNodeDown:
      node_breaks(event.subject);
      break;
    case EventKind::kNodeUp:
      node_is_mended(event.subject);
      break;
    case EventKind::kFeedDown:
      feed_changes(static_cast<scheduler::FeedIndex>(event.subject), true);
      break;
    case EventKind::kFeedUp:
      feed_changes(static_cast<scheduler::FeedIndex>(event.subject), false);
      break;
    case EventKind::kHour:
      hour_begins();
      break;
    case EventKind::kBudgetKnown:
      hear_of_budget(budgets_[event.subject].change);
      break;
    case EventKind::kBudgetHolds: {
      --facts_to_come_;
      quiet_since_ = now_;
      const scheduler::BudgetChange& change = budgets_[event.subject].change;
      power_.set_budget(change.scope.kind, change.scope.index, change.milliwatts.value_or(kNoBudget));
      break;
    }
  }
}

void Engine::hear_of_budget(const scheduler::BudgetChange& change) {
  --facts_to_come_;
  quiet_since_ = now_;
  text_.clear();
  if (change.milliwatts) {
    append_kilowatts(text_, *change.milliwatts);
  } else {
    text_ += "no limit";
  }
  text_ += to_virtual(change.from) <= options_.start ? " from the beginning on"
                                                     : fmt::format(" from {} on", second_of(change.from));
  log_.add(now_, scope_name(change.scope), "budget", text_);
  events_.emplace_back(change);
}

std::string_view Engine::scope_name(scheduler::Scope scope) const {
  const scheduler::Cluster& cluster = config_.cluster;
  switch (scope.kind) {
    case scheduler::ScopeKind::kNode:
      return cluster.nodes[scope.index].name;
    case scheduler::ScopeKind::kRack:
      return cluster.racks[scope.index].name;
    case scheduler::ScopeKind::kFeed:
      return cluster.feeds[scope.index].name;
    case scheduler::ScopeKind::kSite:
      break;
  }
  return cluster.sites[scope.index].name;
}

void Engine::finish(std::uint32_t slot) {
  Job& job = jobs_[slot];
  count_up(job);
  job.left_us = 0.0;
  end_run(slot, control::Exit::kDone);
}

// Control decides with all that happened at this moment, and again with what its actions bring about at once.
Result<void> Engine::settle_instant() {
  do {
    events_now_.swap(events_);
    events_.clear();
    actions_.clear();
    wake_.reset();
    TRY_VOID(control::step(control_, events_now_, to_time(now_), actions_));
    ++steps_;
    for (const control::WorkloadAction& action : actions_) {
      std::visit([&](const auto& each) { carry_out(each); }, action);
    }
  } while (!events_.empty());
  return fault_.empty() ? Result<void>() : failure(ErrorCode::kInternal, fault_);
}

// Nodes do not become larger: what fits on none will not start. What lacks only power gains none by a mend.
bool Engine::hopeless() const {
  if (next_job_ || waiting_ == 0 || running_ != 0) return false;
  if (waiting_ == never_fit_) return true;
  if (facts_to_come_ != 0 || now_ - quiet_since_ < kHopelessUs) return false;
  if (waiting_ == never_fit_ + power_held_ || now_ - quiet_since_ >= kHopelessMendsUs) return true;
  return mends_to_come_ == 0 && now_ - mended_at_ >= kHopelessUs;
}

void Engine::give_up() {
  for (std::uint32_t slot = 0; slot < jobs_.slots(); ++slot) {
    if (jobs_[slot].id != 0) events_.emplace_back(control::Cancelled{jobs_[slot].id});
  }
}

// Each full hour counts as what holds before its end.
void Engine::sample_fragmentation(double hours) {
  std::int64_t free_milli = 0;
  double lost = 0.0;
  double weight = 0.0;
  for (const TypicalDemand& typical : typical_) weight += static_cast<double>(typical.count);
  for (scheduler::NodeIndex i = 0; i < config_.cluster.nodes.size(); ++i) {
    if (down_[i] != 0) continue;
    const NodeRoom& room = rooms_[i];
    std::int64_t free = 0;
    for (const std::int32_t milli : room.device_milli) free += milli;
    if (free == 0) continue;
    free_milli += free;
    for (const TypicalDemand& typical : typical_) {
      const scheduler::KindIndex kind = config_.cluster.nodes[i].kind;
      const bool may = scheduler::allows(typical.kinds, kind);
      lost += static_cast<double>(typical.count) *
              static_cast<double>(may ? room.useless_milli(typical.demand) : free);
    }
  }
  tally_.free_milli_sum += hours * static_cast<double>(free_milli);
  if (weight > 0.0) tally_.fragmented_milli_sum += hours * lost / weight;
}

Result<void> Engine::check() const {
  for (std::uint32_t i = 0; i < config_.sites.size(); ++i) {
    const auto site = static_cast<scheduler::SiteIndex>(i);
    const NanoJoule counted = tally_.sites[i].attributed + power_.site_idle_energy(site);
    const NanoJoule drawn = power_.site_energy(site);
    if (counted == drawn) continue;
    return failure(ErrorCode::kInternal,
                   fmt::format("site {}: work and idle took {} J, the site {} J: energy is not conserved",
                               config_.cluster.sites[i].name, joules(counted), joules(drawn)));
  }
  const std::int64_t known =
      tally_.done + tally_.failed + tally_.refused + tally_.unplaceable + waiting_ + running_;
  if (known == tally_.submitted) return {};
  return failure(
      ErrorCode::kInternal,
      fmt::format("{} jobs were submitted, {} are known: work was lost or doubled", tally_.submitted, known));
}

Result<void> Engine::play(const Progress& progress) {
  const VirtualTime end = options_.end.value_or(kNoMoment);
  std::int64_t until_told = 0;
  for (;;) {
    const bool over = !options_.end && !next_job_ && waiting_ == 0 && running_ == 0;
    const VirtualTime next = over ? kNoMoment : next_time();
    if (options_.end && next >= end) break;
    if (next == kNoMoment) {
      if (over) break;
      give_up();
      TRY_VOID(settle_instant());
      continue;
    }
    if (next > now_) advance_clock(next);
    if (progress && --until_told <= 0) {
      until_told = kProgressSteps;
      progress(part_done(), "simulating");
    }
    while (!queue_.empty() && queue_.next().at <= now_) happen(queue_.take());
    collect_arrivals();
    TRY_VOID(settle_instant());
    if (options_.end || !hopeless()) continue;
    give_up();
    TRY_VOID(settle_instant());
  }
  if (options_.end && end > now_) advance_clock(end);
  power_.settle(now_);
  for (std::uint32_t slot = 0; slot < jobs_.slots(); ++slot) {
    if (jobs_[slot].run != 0) count_up(jobs_[slot]);
  }
  const auto settle = [this](PowerLines& lines) {
    for (Timeline* line : {&lines.draw_mw, &lines.idle_mw, &lines.budget_mw}) line->settle(now_);
  };
  settle(tally_.power);
  for (PowerLines& lines : tally_.power_of_site) settle(lines);
  for (Timeline* line : {&tally_.queue, &tally_.running, &tally_.allocated, &tally_.co2e_ug,
                         &tally_.co2e_at_once_ug, &tally_.co2e_oracle_ug}) {
    line->settle(now_);
  }
  for (SeededRng& rng : node_rng_) last_draw_ = last_draw_ * 31 + rng.next();
  for (SeededRng& rng : feed_rng_) last_draw_ = last_draw_ * 31 + rng.next();
  return check();
}

double Engine::part_done() const {
  if (options_.end) {
    return static_cast<double>(now_ - options_.start) / static_cast<double>(*options_.end - options_.start);
  }
  const auto expected =
      static_cast<double>(std::max<std::int64_t>(source_.jobs_expected(), tally_.submitted + 1));
  return static_cast<double>(tally_.done) / expected;
}

}  // namespace millrace::twin
