// Spread: work that must not be together in what one fault takes down.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <set>

#include "scheduler/cluster.h"
#include "scheduler/workload.h"

namespace millrace::scheduler {

/// The nodes of a rack, or of a rail. A node that is in none is a group of its own.
struct FailureGroup {
  bool is_one_node = false;
  std::uint32_t index = 0;
  auto operator<=>(const FailureGroup&) const = default;
};
FailureGroup failure_group(const Cluster& cluster, NodeIndex node, Spread spread);

/// Tasks that there is room for, told node by node: with spread one for each failure group.
class TaskCount {
 public:
  TaskCount(const Cluster& cluster, Spread spread) : cluster_(&cluster), spread_(spread) {}
  void add(NodeIndex node, std::int64_t tasks);
  std::int64_t value() const { return spread_ == Spread::kNone ? count_ : std::ssize(groups_); }

 private:
  const Cluster* cluster_;
  Spread spread_;
  std::int64_t count_ = 0;
  std::set<FailureGroup> groups_;
};

/// Work that is kept apart from each other: where it is. Groups without any are not listed.
struct Siblings {
  struct Tasks {
    std::int32_t running = 0;
    std::int32_t promised = 0;
  };
  std::map<FailureGroup, Tasks> tasks;
  bool eased = false;  // since the last walk some were taken away
  std::size_t shapes = 0;

  void add(const FailureGroup& group, std::int32_t running, std::int32_t promised);
};

}  // namespace millrace::scheduler
