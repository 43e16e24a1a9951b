#include "twin/sim/inputs.h"

#include <algorithm>
#include <chrono>

#include "twin/stable_order.h"

namespace millrace::twin {

using scheduler::ScopeKind;

scheduler::Workload workload_of(const SiteConfig& config, const KindSpeeds& speeds, const TraceJob& job,
                                const WorkNeeds& needs, scheduler::WorkloadId id, VirtualTime arrival) {
  const PriorityClassConfig& its_class = config.priority_classes[job.priority_class];
  scheduler::Workload workload;
  workload.id = id;
  workload.account = job.account;
  workload.priority = its_class.priority;
  workload.submitted = to_time(arrival);
  workload.demand = job.demand;
  workload.tasks = job.tasks;
  const std::size_t kinds = config.cluster.kinds.size();
  const std::uint64_t all = kinds >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << kinds) - 1;
  if (!speeds.best_first(job).empty() && kinds > 1 && job.demand.accelerators > 0) {
    for (const scheduler::KindIndex kind : speeds.best_first(job)) {
      if (job.kinds >> kind & 1) workload.kinds.push_back(kind);
    }
    workload.earlier_kinds_first = true;
    const double slowest = speeds.slowest(job);
    for (const scheduler::KindIndex kind : workload.kinds)
      workload.kind_speed_milli.push_back(
          static_cast<std::int32_t>(std::min(1000.0 * speeds.speed(job, kind) / slowest, 1e9)));
  } else if ((job.kinds & all) != all) {
    for (std::size_t kind = 0; kind < kinds; ++kind) {
      if (job.kinds >> kind & 1) workload.kinds.push_back(static_cast<scheduler::KindIndex>(kind));
    }
  }
  if (job.tasks > 1) {
    workload.together = job.one_domain ? scheduler::Together::kOneDomain : scheduler::Together::kPreferDomain;
  }
  workload.spread = job.spread;
  workload.zones = needs.zones;
  workload.jurisdictions = needs.jurisdictions;
  workload.attested = needs.attested;
  workload.siblings = needs.siblings;
  workload.accelerator_memory_mib = job.demand.accelerators > 0 ? needs.accelerator_memory_mib : 0;
  const double longest_us = static_cast<double>(job.work.count()) / speeds.slowest(job);
  workload.limit = std::chrono::seconds(static_cast<std::int64_t>(longest_us * 1e-6) + 1);
  workload.stretches = job.kind == TraceJobKind::kJob;
  if (may_wait(job)) workload.deadline = to_time(arrival - job.arrival.count() + job.deadline.count());
  workload.service = job.kind == TraceJobKind::kService;
  workload.preemptible = job.preemptible && its_class.preemptible;
  workload.grace = its_class.grace;
  if (job.interruptible) {
    workload.checkpoint_every = std::chrono::seconds(0);
  } else if (config.policy.checkpoint.count() > 0) {
    workload.checkpoint_every = config.policy.checkpoint;
  }
  workload.accelerator_draw_milli = job.utilisation_milli;
  workload.cpu_draw_milli = job.utilisation_milli;
  return workload;
}

namespace {

void add_stages(std::vector<BudgetFact>& facts, scheduler::Scope scope, const PowerStages& stages,
                VirtualTime start) {
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const bool is_over = i + 1 < stages.size() && to_virtual(stages[i + 1].since) <= start;
    if (is_over) continue;
    facts.push_back({.known = start,
                     .change = {.scope = scope, .from = stages[i].since, .milliwatts = stages[i].budget_mw}});
  }
}

// While an event is in force the stages of its site say nothing: it is told again at each border of theirs.
void add_event(std::vector<BudgetFact>& facts, const SiteConfig& config, const GridEvent& event,
               VirtualTime start, TimePoint until) {
  const PowerStages& stages = config.sites[event.site].power;
  const VirtualTime known = std::max(start, to_virtual(event.at - event.notice));
  const auto tell = [&](TimePoint from) {
    const auto budget = event.budget_mw ? event.budget_mw : budget_at(stages, from);
    facts.push_back(
        {.known = known,
         .change = {
             .scope = {.kind = ScopeKind::kSite, .index = event.site}, .from = from, .milliwatts = budget}});
  };
  tell(event.at);
  for (const PowerStage& stage : stages) {
    if (stage.since > event.at && stage.since < until) tell(stage.since);
  }
}

}  // namespace

std::vector<BudgetFact> budget_facts(const SiteConfig& config, VirtualTime start) {
  std::vector<BudgetFact> facts;
  for (std::uint32_t i = 0; i < config.sites.size(); ++i)
    add_stages(facts, {ScopeKind::kSite, i}, config.sites[i].power, start);
  for (std::uint32_t i = 0; i < config.feeds.size(); ++i)
    add_stages(facts, {ScopeKind::kFeed, i}, config.feeds[i].power, start);
  const auto fixed = [&](ScopeKind kind, std::uint32_t index, std::int64_t budget_mw) {
    if (budget_mw == 0) return;
    facts.push_back(
        {.known = start,
         .change = {
             .scope = {.kind = kind, .index = index}, .from = to_time(start), .milliwatts = budget_mw}});
  };
  for (std::uint32_t i = 0; i < config.racks.size(); ++i)
    fixed(ScopeKind::kRack, i, config.racks[i].budget_mw);
  for (std::uint32_t i = 0; i < config.node_type.size(); ++i) {
    fixed(ScopeKind::kNode, i, config.node_types[config.node_type[i]].budget_mw);
  }
  for (std::size_t i = 0; i < config.grid_events.size(); ++i) {
    const GridEvent& event = config.grid_events[i];
    const auto next = std::find_if(config.grid_events.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                   config.grid_events.end(),
                                   [&](const GridEvent& other) { return other.site == event.site; });
    if (next != config.grid_events.end() && to_virtual(next->at) <= start) continue;
    add_event(facts, config, event, start, next == config.grid_events.end() ? TimePoint::max() : next->at);
  }
  // Of facts that become known together the one told last holds, so the order of insertion is kept.
  sort_stably(facts, &BudgetFact::known);
  return facts;
}

}  // namespace millrace::twin
