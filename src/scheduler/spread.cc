#include "scheduler/spread.h"

namespace millrace::scheduler {

FailureGroup failure_group(const Cluster& cluster, NodeIndex node, Spread spread) {
  std::uint32_t index = kNoIndex;
  if (spread == Spread::kRack) index = cluster.nodes[node].rack;
  if (spread == Spread::kRail) index = cluster.nodes[node].rail;
  return {.is_one_node = index == kNoIndex, .index = index == kNoIndex ? node : index};
}

void TaskCount::add(NodeIndex node, std::int64_t tasks) {
  if (spread_ == Spread::kNone) {
    count_ += tasks;
  } else if (tasks > 0) {
    groups_.insert(failure_group(*cluster_, node, spread_));
  }
}

void Siblings::add(const FailureGroup& group, std::int32_t running, std::int32_t promised) {
  const auto it = tasks.try_emplace(group).first;
  it->second.running += running;
  it->second.promised += promised;
  if (it->second.running == 0 && it->second.promised == 0) tasks.erase(it);
}

}  // namespace millrace::scheduler
