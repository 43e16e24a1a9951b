// How many tasks of a workload would fit, without placing any.
#include <algorithm>

#include "scheduler/fit/place.h"
#include "scheduler/fit/why.h"

namespace millrace::scheduler {
namespace {

/// Tasks that fit what is free now, promised or not.
std::int64_t count_now(const NodeClass& c, const ShapeKey& key, std::uint64_t& steps) {
  std::int64_t count = 0;
  for (const auto& [free, peers] : c.lasting) {
    if (!class_has_devices(free, key.demand)) break;
    ++steps;
    count += tasks_that_fit(free, key) * (std::ssize(peers.nodes) - peers.promised);
  }
  for (const auto& [free, entry] : c.passing) {
    if (!class_has_devices(free, key.demand)) break;
    ++steps;
    count += tasks_that_fit(free, key) * std::ssize(entry.nodes);
  }
  return count;
}

std::int64_t count_until(State& state, const NodeClass& c, const ShapeKey& key, TimePoint until) {
  std::int64_t count = 0;
  for (const auto& [free, peers] : c.lasting) {
    if (!class_has_devices(free, key.demand)) break;
    ++state.counters.steps;
    count += tasks_that_fit(free, key) * std::ssize(peers.nodes);
  }
  for (const auto& [free, entry] : c.passing) {
    if (!class_has_devices(free, key.demand) || count >= key.tasks) break;
    for (const auto& [begin, node] : entry.nodes) {
      if (begin < until || count >= key.tasks) break;
      ++state.counters.steps;
      // Counted above by what lasts, which is less.
      count += tasks_that_fit(free, key) - tasks_that_fit(state.pool.node(node).lasting, key);
    }
  }
  return count;
}

std::int64_t count_among(State& state, const Job& job, const std::vector<ClassIndex>& classes,
                         TimePoint until) {
  const ShapeKey& key = job.shape->key;
  std::int64_t count = 0;
  for (const ClassIndex index : classes) {
    const NodeClass& c = state.pool.classes()[index];
    count += until == TimePoint::min() ? count_now(c, key, state.counters.steps)
                                       : count_until(state, c, key, until);
    if (count >= key.tasks) return key.tasks;
  }
  return count;
}

std::int64_t count_spread(State& state, const Job& job, const std::vector<ClassIndex>& classes,
                          TimePoint until) {
  const ShapeKey& key = job.shape->key;
  TaskCount count(state.cluster, key.spread);
  for (const ClassIndex c : classes) {
    for (const NodeIndex node : state.pool.classes()[c].nodes) {
      count.add(node, count_on(state, job, node, until));
      if (count.value() >= key.tasks) return key.tasks;
    }
  }
  return count.value();
}

std::int64_t count_in_domains(State& state, const Job& job, TimePoint until) {
  const ShapeKey& key = job.shape->key;
  const std::int64_t each = std::int64_t{key.demand.accelerators} * key.demand.accelerator_milli;
  std::int64_t best = 0;
  for (const Part& part : job.shape->parts) {
    for (const DomainIndex d : part.domains) {
      if (each > 0 && state.pool.domains()[d].free_milli / each <= best) continue;
      best = std::max(best, count_in_domain(state, job, part, d, until));
      if (best >= key.tasks) return key.tasks;
    }
  }
  return best;
}

}  // namespace

std::int64_t count_on(State& state, const Job& job, NodeIndex node, TimePoint until) {
  ++state.counters.steps;
  const NodeRecord& record = state.pool.node(node);
  if (!record.listed || !std::ranges::binary_search(job.shape->classes, record.node_class)) return 0;
  const std::int64_t fit = tasks_that_fit(state.pool.usable(record, until), job.shape->key);
  return fit > 0 && is_kept_off(state, job, node, until) ? 0 : fit;
}

std::int64_t count_in_domain(State& state, const Job& job, const Part& part, DomainIndex domain,
                             TimePoint until) {
  const ShapeKey& key = job.shape->key;
  TaskCount count(state.cluster, key.spread);
  for (const NodeIndex node : state.pool.domains()[domain].nodes) {
    if (!std::ranges::binary_search(part.classes, state.pool.node(node).node_class)) continue;
    count.add(node, count_on(state, job, node, until));
    if (count.value() >= key.tasks) return key.tasks;
  }
  return count.value();
}

bool is_kept_off(const State& state, const Job& job, NodeIndex node, TimePoint until) {
  if (job.shape->siblings == nullptr) return false;
  const auto& tasks = job.shape->siblings->tasks;
  const auto there = tasks.find(failure_group(state.cluster, node, job.shape->key.spread));
  return there != tasks.end() && (there->second.running > 0 || until != TimePoint::min());
}

std::int64_t count_places(State& state, const Job& job, TimePoint until) {
  if (job.shape->key.together == Together::kOneDomain) return count_in_domains(state, job, until);
  const bool spread = job.shape->key.spread != Spread::kNone;
  std::int64_t best = 0;
  for (const Part& part : job.shape->parts) {
    const std::int64_t count =
        spread ? count_spread(state, job, part.classes, until) : count_among(state, job, part.classes, until);
    best = std::max(best, count);
    if (best >= job.shape->key.tasks) break;
  }
  return best;
}

std::int64_t count_now(const State& state, const Job& job, const Demand& demand) {
  ShapeKey key = job.shape->key;
  key.demand = demand;
  std::uint64_t uncounted = 0;  // what is told to people is no part of what decisions cost
  std::int64_t best = 0;
  for (const Part& part : job.shape->parts) {
    std::int64_t count = 0;
    for (const ClassIndex index : part.classes) {
      if (count < key.tasks) count += count_now(state.pool.classes()[index], key, uncounted);
    }
    best = std::max(best, count);
  }
  return std::min<std::int64_t>(best, key.tasks);
}

std::optional<Reason> no_room(State& state, const Job& job, TimePoint until) {
  const std::int64_t tasks = job.shape->key.tasks;
  if (count_places(state, job, until) >= tasks) return std::nullopt;
  const std::int64_t now = count_places(state, job, TimePoint::min());
  Reason reason = room_reason(state, job, now);
  if (now < tasks) return reason;
  reason.subject.clear();
  reason.code = ReasonCode::kPromised;
  name_promise(state, job, reason);
  return reason;
}

}  // namespace millrace::scheduler
