// State: everything a scheduler knows.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "scheduler/books/account_tree.h"
#include "scheduler/books/expected_work.h"
#include "scheduler/books/pool.h"
#include "scheduler/books/power_ledger.h"
#include "scheduler/books/queue.h"
#include "scheduler/scheduler.h"
#include "scheduler/spread.h"

namespace millrace::scheduler {

/// A promise that was given back, or replaced, during a walk: it binds until the walk is over.
struct Ghost {
  Job* job = nullptr;
  Promise promise;
};

class State {
 public:
  State(Cluster cluster_in, Policies policies_in, std::unique_ptr<PlacementPolicy> policy_in, Amount capacity)
      : cluster(std::move(cluster_in)),
        policies(std::move(policies_in)),
        policy(std::move(policy_in)),
        pool(cluster),
        accounts(capacity, policies.half_life),
        power(cluster, policies.cap_floor_milli, policies.power_lead) {}

  Cluster cluster;
  Policies policies;
  std::unique_ptr<PlacementPolicy> policy;
  ExpectedWork expected;  // told to a policy that looks ahead; of others nothing is counted
  Pool pool;
  AccountTree accounts;
  PowerLedger power;
  Queue queue;

  std::unordered_map<WorkloadId, Job> jobs;  // looked up, never walked
  std::map<ShapeKey, Shape> shapes;
  std::map<ShapeKey, std::int64_t>
      holds_most;  // Shape::holds_most of shapes that were made, whatever their siblings
  std::map<std::pair<std::string, Spread>, Siblings> siblings;
  std::uint32_t shapes_made = 0;
  std::set<std::pair<TimePoint, WorkloadId>> waiting;   // until their not_before
  std::set<std::pair<TimePoint, WorkloadId>> starving;  // pending work, by when it will be
  std::map<WorkloadId, Job*> promised;
  std::map<std::int32_t, std::int64_t> promises_of_rank;  // but claims
  std::map<WorkloadId, Job*> capped;
  std::map<WorkloadId, NodeIndex> lost;  // running work by its node that went down since the last pass
  std::vector<WorkloadId> fresh;

  bool released = false;     // capacity, power or quota since the last full pass
  bool stale = false;        // something came, or left, since then: not all has been looked at with it
  bool power_eased = false;  // some budget has more room since the last walk
  bool cut = false;          // the last pass had more to start than it might
  std::optional<TimePoint> last_full;
  std::optional<TimePoint> last_pass;
  std::uint64_t walk = 0;
  std::vector<Ghost> ghosts;  // of the walk at hand
  Usage usage;
  Counters counters;

  Job* find(WorkloadId id) {
    const auto it = jobs.find(id);
    return it == jobs.end() ? nullptr : &it->second;
  }
};

}  // namespace millrace::scheduler
