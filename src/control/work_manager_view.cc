// What others see of work, nodes and power.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "control/work_manager.h"

namespace millrace::control {
namespace {

constexpr const char* kHealthNames[] = {"ready", "cordoned", "down"};

std::vector<AcceleratorStatus> accelerators_of(const scheduler::Node& node, const std::string& kind,
                                               const scheduler::NodeState& state) {
  std::vector<AcceleratorStatus> out;
  for (std::int32_t i = 0; i < node.accelerators; ++i) {
    out.push_back({.id = node.name + "." + std::to_string(i),
                   .kind = kind,
                   .used_milli = 1000 - state.device_milli_free[static_cast<std::size_t>(i)]});
  }
  return out;
}

}  // namespace

ObservedWork WorkManager::shown(const Entry& entry) const {
  ObservedWork seen = entry.observed;
  if (seen.state != WorkState::kQueued) return seen;
  seen.expected_start = state_.scheduler().expected_start(seen.id);
  if (!seen.expected_start) seen.expected_start = entry.clean_start;
  // What is kept is what was told when the kind of reason changed last; numbers, times and names have moved since.
  const auto reason = state_.scheduler().why(seen.id);
  using enum scheduler::ReasonCode;
  if (reason && reason->code != kNone && reason->code != kNotBefore) tell(entry, *reason, seen);
  return seen;
}

std::vector<ObservedWork> WorkManager::live() const {
  const std::lock_guard lock(mutex_);
  std::vector<ObservedWork> out;
  out.reserve(entries_.size());
  for (const auto& [id, entry] : entries_) out.push_back(shown(entry));
  return out;
}

Result<ObservedWork> WorkManager::find(WorkloadId id) const {
  std::optional<ObservedWork> seen;
  {
    const std::lock_guard lock(mutex_);
    if (const auto at = entries_.find(id); at != entries_.end()) {
      seen = shown(at->second);
    }
  }
  if (!seen) {
    const auto record = TRY(ports_.store.get(work_key(kEndedPrefix, id)));
    return parse_observed(record.value);
  }
  if (seen->state == WorkState::kQueued) return *seen;
  // What the present run has used so far; its energy and price come with its end.
  const auto run = ports_.runs.status({id, seen->run});
  if (!run || run->end) return *seen;
  seen->started_at = run->started_at;
  seen->cpu_us += run->cpu_us;
  return *seen;
}

Result<ReplicaLog> WorkManager::work_log(WorkloadId id, std::uint32_t run, std::int32_t task,
                                         std::int64_t from, std::size_t max) {
  const ObservedWork seen = TRY(find(id));
  if (seen.run == 0) return failure(ErrorCode::kNotFound, "it has not run yet, so there is no log");
  if (run > seen.run)
    return failure(ErrorCode::kNotFound, fmt::format("it has no run {}; the last is {}", run, seen.run));
  return ports_.runs.log({id, run == 0 ? seen.run : run}, task, from, max);
}

std::vector<NodeStatus> WorkManager::nodes() const {
  const std::lock_guard lock(mutex_);
  const scheduler::Cluster& cluster = options_.cluster;
  std::vector<NodeStatus> out;
  for (scheduler::NodeIndex i = 0; i < cluster.nodes.size(); ++i) {
    const scheduler::Node& node = cluster.nodes[i];
    const scheduler::NodeState& state = state_.scheduler().node_state(i);
    NodeStatus status;
    status.name = node.name;
    status.site = cluster.sites[node.site].name;
    status.zone = cluster.sites[node.site].zone;
    if (node.rack != scheduler::kNoIndex) status.rack = cluster.racks[node.rack].name;
    if (node.rail != scheduler::kNoIndex) status.rail = cluster.rails[node.rail].name;
    if (node.domain != scheduler::kNoIndex) status.domain = cluster.domains[node.domain].name;
    if (node.accelerators > 0) status.kind = cluster.kinds[node.kind].kind;
    const auto wish = wishes_.find(node.name);
    const bool is_cordoned = wish != wishes_.end() && wish->second.is_cordoned();
    const auto health = is_cordoned ? scheduler::Health::kCordoned : scheduler::Health::kReady;
    status.health =
        is_cordoned && wish->second.drain ? "draining" : kHealthNames[static_cast<std::size_t>(health)];
    status.accelerators = accelerators_of(node, status.kind, state);
    status.cpu_milli = node.cpu_milli;
    status.cpu_used_milli = node.cpu_milli - state.cpu_milli_free;
    status.memory_mib = node.memory_mib;
    status.memory_used_mib = node.memory_mib - state.memory_mib_free;
    status.idle_mw = node.idle_mw;
    status.limits_kind = options_.limits_kind;
    status.limits_why = options_.limits_why;
    status.draw_mw = state_.scheduler().draw_mw({.kind = scheduler::ScopeKind::kNode, .index = i});
    if (i < options_.node_budgets_mw.size()) status.budget_mw = options_.node_budgets_mw[i];
    out.push_back(std::move(status));
  }
  for (const auto& [id, entry] : entries_) {
    const WorkloadRecord* const record = state_.find(id);
    if (record == nullptr) continue;
    for (const scheduler::TaskPlace& place : record->places) {
      auto& work = out[place.node].work;
      if (work.empty() || work.back() != entry.wanted.name) work.push_back(entry.wanted.name);
    }
  }
  return out;
}

std::vector<SitePower> WorkManager::power() const {
  const std::lock_guard lock(mutex_);
  std::vector<SitePower> out;
  for (std::uint32_t site = 0; site < options_.cluster.sites.size(); ++site) {
    SitePower power;
    power.site = options_.cluster.sites[site].name;
    power.zone = options_.cluster.sites[site].zone;
    power.draw_mw = state_.scheduler().draw_mw({.kind = scheduler::ScopeKind::kSite, .index = site});
    power.budget_mw = budget_now_of(site);
    for (const SiteEvent& event : events_) {
      if (event.site == power.site && event.from <= last_pass_ && last_pass_ < event.until)
        power.budget_until = std::max(power.budget_until.value_or(event.until), event.until);
    }
    if (const auto warning = infeasible_.find(site); warning != infeasible_.end()) {
      power.infeasible = power.budget_mw && *power.budget_mw < warning->second.idle_mw;
      if (power.infeasible) {
        for (const auto node : warning->second.nodes)
          power.nodes_to_switch_off.push_back(options_.cluster.nodes[node].name);
      }
    }
    out.push_back(std::move(power));
  }
  return out;
}

std::optional<std::int64_t> WorkManager::budget_now_of(std::uint32_t site) const {
  return state_.scheduler().budget_mw({.kind = scheduler::ScopeKind::kSite, .index = site}, last_pass_);
}

}  // namespace millrace::control
