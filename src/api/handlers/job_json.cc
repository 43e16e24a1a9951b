#include "api/handlers/job_json.h"

#include <algorithm>
#include <set>

namespace millrace::api {

namespace json = boost::json;

namespace {

/// Millionths as a number; null if unknown.
json::value from_micro(const std::optional<std::int64_t>& micro) {
  return micro ? json::value(double(*micro) / 1e6) : json::value();
}

json::array runs_json(const control::ObservedWork& work, Naming naming) {
  json::array runs;
  for (const control::EndedRun& run : work.runs) {
    runs.push_back({{"number", std::int64_t(run.number)},
                    {"nodes", json::array(run.nodes.begin(), run.nodes.end())},
                    {"started_at", to_rfc3339(run.started_at)},
                    {"ended_at", to_rfc3339(run.ended_at)},
                    {"outcome", run.outcome},
                    {"reason", reason_json(run, naming)}});
  }
  return runs;
}

json::value failed_json(const platform::Job& job) {
  return job.is_array ? json::array(job.failed.begin(), job.failed.end()) : json::value();
}

json::value counts_json(const platform::Job& job) {
  if (!job.is_array) return nullptr;
  json::object counts;
  for (std::size_t state = 0; state < job.counts.size(); ++state) {
    if (job.counts[state] > 0)
      counts[control::name_of(static_cast<control::WorkState>(state))] = job.counts[state];
  }
  return counts;
}

}  // namespace

json::array node_names(const control::ObservedWork& work) {
  std::set<std::string> names;
  for (const auto& place : work.places) names.insert(place.node);
  return json::array(names.begin(), names.end());
}

json::value NodeLimits::kind_of(const control::ObservedWork& work) {
  if (work.places.empty()) return nullptr;
  if (!kinds_) {
    kinds_.emplace();
    for (auto& node : view_.nodes()) kinds_->emplace(std::move(node.name), std::move(node.limits_kind));
  }
  std::string weakest;  // by name they are ordered so: cgroup-v1 < cgroup-v2 < rlimits
  for (const auto& place : work.places) {
    const auto known = kinds_->find(place.node);
    if (known != kinds_->end()) weakest = std::max(weakest, known->second);
  }
  return text_json(weakest);
}

json::object job_json(const platform::Job& job, Naming naming, NodeLimits& limits) {
  const control::ObservedWork& now = job.now;
  const platform::JobRecord& record = job.record;
  // Of what runs again these are of a run that is over; `runs` tells them.
  const auto exit_code = control::is_over(now.state) ? now.exit_code : std::nullopt;
  const auto ended_at = control::is_over(now.state) ? now.ended_at : std::nullopt;
  return {{"id", job.id},
          {"name", as_text(record.title)},
          {"tenant", record.tenant},
          {"project", record.project},
          {"user", record.user},
          {"submitted_at", to_rfc3339(record.submitted_at)},
          {"state", control::name_of(now.state)},
          {"reason_code", text_json(now.reason_code)},
          {"reason", reason_json(now, naming)},
          {"expected_start", time_json(now.expected_start)},
          {"stopping", now.stopping},
          {"exit_code", exit_code ? json::value(*exit_code) : json::value()},
          {"attempts", std::int64_t(now.run)},
          {"nodes", node_names(now)},
          {"limits_kind", limits.kind_of(now)},
          {"runs", runs_json(now, naming)},
          {"started_at", time_json(now.started_at)},
          {"ended_at", time_json(ended_at)},
          {"accelerator_s", double(now.accelerator_ms) / 1e3},
          {"cpu_s", double(now.cpu_us) / 1e6},
          {"energy_j", from_micro(now.energy_uj)},
          {"co2e_g", from_micro(now.co2e_ug)},
          {"cost_microeur", now.cost_microeur},
          {"basis", now.basis},
          {"array", job.is_array ? json::value(platform::format_array(record.array)) : json::value()},
          {"elements", job.is_array ? std::int64_t(record.array.size()) : 1},
          {"counts", counts_json(job)},
          {"failed_elements", failed_json(job)},
          {"failed_more", job.failed_more}};
}

json::object queue_json(const control::WantedWork& wanted, const control::ObservedWork& now,
                        std::int64_t position, Naming naming) {
  const scheduler::Demand& demand = wanted.demand;
  return {{"id", wanted.name},
          {"kind", control::name_of(wanted.kind)},
          {"name", as_text(wanted.title)},
          {"tenant", wanted.tenant},
          {"project", wanted.project},
          {"position", position > 0 ? json::value(position) : json::value()},
          {"state", control::name_of(now.state)},
          {"priority_class", wanted.priority_class},
          {"submitted_at", to_rfc3339(wanted.submitted_at)},
          {"tasks", std::int64_t(wanted.tasks)},
          {"cpus", double(demand.cpu_milli) / 1e3},
          {"memory_bytes", demand.memory_mib << 20},
          {"accelerators", double(demand.accelerators) * double(demand.accelerator_milli) / 1e3},
          {"nodes", node_names(now)},
          {"started_at", time_json(now.started_at)},
          {"reason_code", text_json(now.reason_code)},
          {"reason", reason_json(now, naming)},
          {"expected_start", time_json(now.expected_start)}};
}

}  // namespace millrace::api
