// NaiveModel: the scheduler's semantics again, as plainly as possible: every pass looks at all work and all nodes, and works
// everything out from the list of what runs and what is promised. It shares no code with the scheduler but the values, the
// default policy's choice on one node, and the arithmetic of shares.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "scheduler/placement/tightest.h"
#include "scheduler/scheduler.h"

namespace millrace::scheduler::naive {

/// When work without a limit that is no service is taken to end.
inline constexpr TimePoint kSomeDay = std::chrono::sys_days{std::chrono::year{2999} / 1 / 1};

struct Keep {
  TimePoint begin;
  TimePoint end;
  std::vector<TaskPlace> places;
  bool behind = false;
};

enum class Where { kWaiting, kPending, kRunning, kGone };

struct Item {
  Workload w;
  Where where = Where::kPending;
  bool starved = false;
  bool fresh = true;
  bool displaced = false;  // in this walk
  bool leaving = false;    // it runs, and its node is down
  std::optional<Keep> promise;
  TimePoint started{};
  TimePoint end = TimePoint::max();
  std::vector<TaskPlace> places;
  std::int32_t rank() const { return starved ? INT32_MAX : w.priority; }
};

/// Among work of one account and rank: nice, submit time, id.
using Turn = std::tuple<std::int32_t, TimePoint, TimePoint, WorkloadId>;
inline Turn turn_of(const Item& item) {
  const std::int32_t nice = item.starved ? 0 : item.w.nice;
  if (!item.w.deadline) return {nice, item.w.submitted, TimePoint::min(), item.w.id};
  const auto hours = std::chrono::ceil<std::chrono::hours>(item.w.submitted);
  return {nice, hours, *item.w.deadline - item.w.limit.value_or(std::chrono::seconds(0)), item.w.id};
}

struct Use {
  Amount used;
  double past[3] = {0, 0, 0};
  TimePoint updated{};
  struct Kept {
    std::int32_t rank = 0;
    WorkloadId id = 0;
    AccountIndex account = kNoAccount;
    Turn turn;
    std::optional<TimePoint> room_at;
    std::vector<std::int64_t> spare;
  };
  std::optional<Kept> kept;
  bool keeps_next = false;
};

/// Accelerators (thousandths), cores (thousandths), MiB of all its tasks.
std::vector<std::int64_t> request(const Workload& w);
/// Of the rack or rail; of the node where there is none, or nothing is asked.
int group_key(const Cluster& c, NodeIndex n, Spread spread);
/// When work that starts then counts as over.
TimePoint window(TimePoint now, const Workload& w);
/// When it will have ended if it starts then.
TimePoint end_of(const Workload& w, TimePoint started);

/// No budgets, no preemption: those are held against their invariants instead.
class Model {
 public:
  Model(Cluster cluster, Accounts accounts, Policies policies);

  void submit(const Workload& w, TimePoint now);
  void cancel(WorkloadId id, TimePoint now);
  void ended(WorkloadId id, TimePoint now);
  void set_health(NodeIndex node, Health health);
  void set_quota(AccountIndex account, const Quota& quota);
  /// Ids and places of what starts, in order.
  std::vector<Start> pass(TimePoint now, bool full);

  const std::map<WorkloadId, Item>& items() const { return items_; }
  NodeState free_now(NodeIndex node) const;
  /// Tasks of `w` that would fit now if nothing were promised.
  int fits_now(const Workload& w) const { return count(w, std::nullopt); }
  /// Whether it could start now, promises and quotas kept.
  bool could_start(WorkloadId id, TimePoint now);
  bool lacks_quota(const Item& item) const { return lacking(item).has_value(); }
  bool quota_is_kept(const Item& item, TimePoint now) const;

 private:
  struct PromiseRef {
    WorkloadId id;
    Keep keep;
    TimePoint leaves = TimePoint::max();
  };
  using Slot = std::tuple<TimePoint, NodeIndex, std::uint32_t>;  // from when on, and the devices
  using Alike = std::tuple<AccountIndex, std::int32_t, std::string, std::int64_t>;

  bool eligible(const Workload& w, NodeIndex node) const;
  bool kept_off(const Workload& w, NodeIndex node, const std::vector<PromiseRef>& promises) const;
  NodeState total(NodeIndex node) const;
  NodeState usable(NodeIndex node, TimePoint until, TimePoint promised_before = TimePoint::max()) const;
  NodeState usable_beside(const Item& item, const std::vector<TaskPlace>& places, TimePoint now,
                          NodeIndex node);
  std::vector<PromiseRef> promises() const;
  std::optional<std::vector<TaskPlace>> place(const Item& item, TimePoint now);
  std::optional<std::vector<TaskPlace>> place_in_one_domain(const Item& item, TimePoint now,
                                                            const std::set<int>& parts);
  int part_of(const Workload& w, NodeIndex node) const;
  std::int64_t kind_rank(const Workload& w, NodeIndex node) const;
  std::size_t size_of_domain(const std::vector<TaskPlace>& places) const;  // SIZE_MAX: not in one
  std::optional<std::vector<TaskPlace>> place_among(const Item& item, TimePoint now,
                                                    std::optional<DomainIndex> domain, std::set<int> not_in);
  static int fits_on(const Workload& w, NodeState free);
  /// Tasks that fit what work that is over by then may use; past all promises without.
  int count(const Workload& w, std::optional<TimePoint> until) const;
  bool promise_is_free(const Item& item, TimePoint until);
  /// Promises as they bind: without those of ranks below.
  std::vector<PromiseRef> heeded(WorkloadId self, std::int32_t rank_min, TimePoint now, bool leave) const;
  TimePoint leaves(WorkloadId id, const Keep& keep, TimePoint now) const;
  bool may_be_behind(const Item& item) const;
  TimePoint sooner_than(TimePoint begin, TimePoint now) const;
  std::optional<Keep> plan(const Item& item, TimePoint now, std::int32_t rank_min, TimePoint cutoff) const;
  std::vector<Slot> slots(const Item& item, NodeIndex node, TimePoint now,
                          const std::vector<PromiseRef>& promises) const;
  std::vector<Slot> earliest(const Item& item, TimePoint now, const std::vector<PromiseRef>& promises,
                             std::optional<DomainIndex> domain, std::optional<int> part) const;
  NodeState free_at(NodeIndex node, TimePoint at, TimePoint now,
                    const std::vector<PromiseRef>& promises) const;
  std::vector<WorkloadId> in_the_way(const Item& item, const Keep& keep, TimePoint now) const;
  bool apart(const Item& item, const Keep& keep, const Item& other) const;
  bool has_depth(std::int32_t rank) const;
  bool is_first_without(const Item& item) const;
  void arrange(Item& item, TimePoint now, bool beside);
  void displace(WorkloadId id);
  bool walk(TimePoint now, bool full);
  void visit(Item& item, TimePoint now, bool full);
  void gather(const Item& item, TimePoint now, std::vector<TaskPlace>& places);
  bool try_start(Item& item, TimePoint now, bool consider, bool& kept_back, bool& promised_only);
  WorkloadId first_in_order(const std::set<WorkloadId>& left, TimePoint now) const;
  bool is_below(AccountIndex account, AccountIndex above) const;
  std::vector<std::pair<bool, double>> standings(const Item& of, TimePoint now) const;
  void use(AccountIndex account, const Workload& w, int sign, TimePoint now);
  std::optional<AccountIndex> lacking(const Item& item) const;
  bool ever_within(const Item& item, AccountIndex account) const;
  Use::Kept keep_quota(const Item& item, AccountIndex account) const;
  Alike alike(const Item& item) const;
  std::vector<WorkloadId> lower_promises(std::int32_t rank) const;
  void ask(Item& item, const std::vector<WorkloadId>& drops);
  bool ask_for_room(Item& item, TimePoint now);
  bool ever_fits(const Workload& w) const;

  Cluster cluster_;
  Accounts accounts_;
  Policies policies_;
  std::vector<Use> use_;
  std::map<WorkloadId, Item> items_;
  std::vector<std::pair<WorkloadId, Keep>> ghosts_;
  std::vector<Start> starts_;
  int starts_promised_ = 0;  // in this walk
  std::optional<TimePoint> last_full_;
  bool released_ = false;
  bool stale_ = false;
  std::vector<WorkloadId> drops_;
  bool due_ = false;
  bool planning_ = false;
  std::set<Alike> asked_;
  std::set<WorkloadId> ignored_;  // of promises, in a trial
  std::vector<AccountIndex> unkept_;
  std::set<WorkloadId> lost_;  // a node under them went down since the last pass
};

}  // namespace millrace::scheduler::naive
