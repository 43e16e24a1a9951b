// State: everything a scheduler knows. Its parts are functions of the files named here.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "scheduler/account_tree.h"
#include "scheduler/pool.h"
#include "scheduler/power_ledger.h"
#include "scheduler/queue.h"
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
  Pool pool;
  AccountTree accounts;
  PowerLedger power;
  Queue queue;

  std::unordered_map<WorkloadId, Job> jobs;  // looked up, never walked
  std::map<ShapeKey, Shape> shapes;
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

// shapes.cc: interning.
Shape& intern(State& state, const Workload& workload);
void drop_shape(State& state, Shape& shape);

// promise.cc: promises as they bind capacity, power and (claims) quota.
void give_promise(State& state, Job& job, Promise promise, TimePoint now);
/// Promises that together exceed a budget would keep each other from starting: a full pass gives them anew, in order.
void drop_overdrawn(State& state, TimePoint now);
/// At once: its capacity is gained.
void drop_promise(State& state, Job& job, TimePoint now);
/// The same, and it is looked at again.
void take_promise_away(State& state, Job& job, TimePoint now);
/// At the end of the walk.
void retire_promise(State& state, Job& job);
void lay_ghosts(State& state);
void set_rank(State& state, Job& job, std::int32_t rank);

/// What these are promised, if anything, keeps nothing from others as long as this lives. Nothing is given or dropped
/// meanwhile.
class PromisesAside {
 public:
  PromisesAside(State& state, std::vector<const Job*> jobs);
  PromisesAside(const PromisesAside&) = delete;
  PromisesAside& operator=(const PromisesAside&) = delete;
  ~PromisesAside();

 private:
  State& state_;
  std::vector<const Job*> jobs_;
};
/// In which order promises give way: the lowest rank, then the latest, first.
void sort_by_precedence(std::vector<Job*>& promised);
bool has_lower_promises(const State& state, std::int32_t rank);
/// Promises to work of lower ranks, but claims, in the order in which they give way.
std::vector<Job*> lower_promises(const State& state, std::int32_t rank);
/// The earliest that the limits of what runs and of what is promised allow, before `cutoff`; nullopt if there is none for
/// certain. If the job has a promise: only one that begins clearly earlier. Promises of ranks below `heed_rank_min` are not
/// there, but claims; the power of those must be given back before.
std::optional<Promise> plan_promise(State& state, const Job& job, TimePoint now,
                                    std::int32_t heed_rank_min = INT32_MIN, TimePoint cutoff = kNever);
/// What a promise must begin before to be worth moving from `begin`.
TimePoint sooner_than(const State& state, TimePoint begin, TimePoint now);

// give_way.cc: promises of lower ranks that give way to one of a higher rank.
struct Arrangement {
  Promise promise;
  std::vector<Job*> displaced;  // must lose their promises for it
};
/// The earliest promise for a job: beside all others, or, if it has none, where lower ranks give way if it then begins
/// clearly earlier. With `beside` false only the latter.
std::optional<Arrangement> arrange(State& state, const Job& job, TimePoint now, bool beside);

// run.cc: running work.
/// Takes over places that are occupied in the pool already.
void begin_running(State& state, Job& job, std::vector<TaskPlace> places, std::int32_t cap_milli,
                   const Budgeted* capped_by, TimePoint now);
void stop_running(State& state, Job& job, TimePoint by);
void end_running(State& state, Job& job, TimePoint now);
/// Its expected end moves with it.
void set_cap(State& state, Job& job, std::int32_t cap_milli, const Budgeted* capped_by, TimePoint now);
struct CapState {
  std::int32_t cap_milli;
  const Budgeted* capped_by;
  TimePoint end;
};
/// As it was before.
void restore_cap(State& state, Job& job, const CapState& as);
std::vector<Job*> all_running(State& state);

// queueing.cc: pending work.
/// When it will have waited too long; kNever where nothing does.
TimePoint starves_at(const State& state, const Job& job);
void enqueue(State& state, Job& job);
/// The next walk looks at it as if it had just come.
void look_again(State& state, Job& job);
void unqueue(State& state, Job& job);
void fire_timers(State& state, TimePoint now);
/// Forgets a job that is neither queued nor running any more.
void forget(State& state, Job& job);

// reclaim.cc: what an account may take back.
/// Whether a job may take back from an account that, with `more`, uses more than its own: as quotas stand.
bool may_take_back(const State& state, const Job& job, AccountIndex holder, const Amount& more = {});
/// Whether the job's account takes back from such work at all.
bool reclaims_from(const State& state, const Job& job, const Job& holder);
/// Promises that give way to a job that could start without them: those of lower ranks, and those by which others would
/// borrow what it may take back at once. In the order in which they give way.
std::vector<Job*> yielding_promises(const State& state, const Job& job);

/// Work that could take back at once what the job would borrow by its start: the highest rank first.
std::vector<Job*> owners_waiting(State& state, const Job& job);

// preempt.cc
/// Stops the running work whose loss is least so that `job` can start, and gives it a claim; false if no set of victims
/// that it may stop would do.
bool preempt_for(State& state, Job& job, TimePoint now, Plan& plan);

// shed.cc: what happens when budgets fall.
void keep_budgets(State& state, TimePoint now, Plan& plan);
std::optional<TimePoint> next_budget_time(State& state, TimePoint now);

// caps.cc
/// Where budgets have room, the highest class first.
void lift_caps(State& state, TimePoint now, Plan& plan);

// pass.cc
Plan run_pass(State& state, TimePoint now, bool full);

}  // namespace millrace::scheduler
