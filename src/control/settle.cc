#include "control/settle.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <chrono>

#include "core/id.h"
#include "core/rng.h"

namespace millrace::control {
namespace {

using std::chrono::milliseconds;

constexpr const char* kUnknown = "unknown";

std::string kind_at(const scheduler::TaskPlace& place, const WantedWork& work,
                    const scheduler::Cluster& cluster) {
  if (place.node != scheduler::kNoIndex) return cluster.kinds[cluster.nodes[place.node].kind].kind;
  return work.kinds.size() == 1 ? work.kinds.front() : kUnknown;
}

}  // namespace

std::int64_t RunUse::accelerator_ms() const {
  std::int64_t sum = 0;
  for (const auto& each : accelerators) sum += each.accelerator_ms;
  return sum;
}

RunUse use_of(const WantedWork& work, const std::vector<scheduler::TaskPlace>& places, const RunEnd& end,
              RunKey key, const scheduler::Cluster& cluster) {
  RunUse use{.key = key, .site = {}, .zone = {}, .accelerators = {}};
  use.started_at = end.started_at;
  use.ended_at = std::max(end.ended_at, end.started_at);
  use.cpu_us = end.cpu_us;
  use.cpu_milli = work.demand.cpu_milli * work.tasks;
  use.memory_mib = work.demand.memory_mib * work.tasks;
  const auto wall_ms = std::chrono::floor<milliseconds>(use.ended_at - use.started_at).count();
  for (const scheduler::TaskPlace& place : places) {
    const scheduler::Site& site =
        cluster.sites[place.node != scheduler::kNoIndex ? cluster.nodes[place.node].site : 0];
    use.site = site.name;
    use.zone = site.zone;
    if (place.devices == 0) continue;
    const std::string kind = kind_at(place, work, cluster);
    const std::int64_t held = std::popcount(place.devices) * work.demand.accelerator_milli * wall_ms / 1000;
    const auto known = std::ranges::find(use.accelerators, kind, &HeldAccelerators::kind);
    if (known == use.accelerators.end()) {
      use.accelerators.push_back({kind, held});
    } else {
      known->accelerator_ms += held;
    }
  }
  return use;
}

store::UsageRecord usage_record(const WantedWork& work, const RunUse& use, const RunCharge& charge,
                                Exit exit) {
  store::UsageRecord record;
  SeededRng rng(use.key.id * 1'000'003 + use.key.run);
  record.request_id = make_id("run", work.submitted_at, rng);
  record.client_request_id = fmt::format("{}.{}", work.name, use.key.run);
  record.tenant = work.tenant;
  record.project = work.project;
  record.key_id = work.user;
  record.endpoint = fmt::format("{}/{}", name_of(work.kind), work.name);
  record.model = use.accelerators.empty() ? "compute/cpu" : "compute/" + use.accelerators.front().kind;
  record.status = exit == Exit::kDone                                  ? store::UsageStatus::kCompleted
                  : exit == Exit::kStopped || exit == Exit::kCancelled ? store::UsageStatus::kCancelled
                                                                       : store::UsageStatus::kFailed;
  record.accelerator_ms = use.accelerator_ms();
  record.cpu_us = use.cpu_us;
  record.energy_uj = charge.energy_uj;
  record.co2e_ug = charge.co2e_ug;
  record.energy_model = charge.energy_model;
  record.basis = charge.basis;
  record.cost_microeur = charge.cost_microeur;
  record.price_version = charge.price_version;
  record.site = use.site;
  record.zone = use.zone;
  record.started_at = use.started_at;
  record.ended_at = use.ended_at;
  return record;
}

EndedRun ended_run(const WantedWork& wanted, const ObservedWork& seen, std::uint32_t number,
                   const RunEnd& end) {
  EndedRun run{.number = number,
               .nodes = {},
               .started_at = end.started_at,
               .ended_at = end.ended_at,
               .outcome = {},
               .reason = {}};
  for (const NamedPlace& place : seen.places) {
    if (run.nodes.size() == kRunNodesKept) break;
    if (std::ranges::find(run.nodes, place.node) == run.nodes.end()) run.nodes.push_back(place.node);
  }
  const bool is_told = end.exit == Exit::kStopped || (seen.stopping && end.exit != Exit::kDone);
  const Exit exit = is_told ? Exit::kCancelled : end.exit;
  const bool is_paused = is_told && !seen.stopping && wanted.requeue;
  run.outcome = is_paused ? "paused" : name_of(state_after(exit));
  // Of one that was told to stop, why it was told: that a signal ended it says nothing.
  if (!is_told) {
    run.reason = reason_of(exit, &end);
  } else if (seen.stopping || seen.reason.empty()) {
    run.reason = reason_of(exit, nullptr);
  } else {
    run.reason = seen.reason;
    run.full_reason = seen.full_reason;
  }
  return run;
}

void keep_run(std::vector<EndedRun>& runs, EndedRun run) {
  if (runs.size() >= kRunsKept) runs.erase(runs.begin(), runs.end() - (kRunsKept - 1));
  runs.push_back(std::move(run));
}

WorkState state_after(Exit exit) {
  switch (exit) {
    case Exit::kDone:
      return WorkState::kSucceeded;
    case Exit::kTimedOut:
      return WorkState::kTimedOut;
    case Exit::kStopped:
    case Exit::kCancelled:
      return WorkState::kCancelled;
    case Exit::kLost:
      return WorkState::kLost;
    case Exit::kFailed:
    case Exit::kRefused:
      break;
  }
  return WorkState::kFailed;
}

std::string reason_of(Exit exit, const RunEnd* end) {
  if (end != nullptr && !end->why.empty()) return end->why;
  switch (exit) {
    case Exit::kDone:
      return {};
    case Exit::kFailed:
      return end != nullptr && end->exit_code ? fmt::format("exited with {}", *end->exit_code) : "failed";
    case Exit::kTimedOut:
      return "ran for as long as its time limit allows";
    case Exit::kStopped:
      return "was stopped, and asked not to run again";
    case Exit::kLost:
      return "its node or its supervisor was lost, and it asked not to run again";
    case Exit::kCancelled:
      return "was cancelled";
    case Exit::kRefused:
      return "cannot run as it is described";
  }
  return {};
}

}  // namespace millrace::control
