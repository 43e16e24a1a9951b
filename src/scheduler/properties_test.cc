// What always holds, over random sequences of events with budgets, preemption, quotas and failures.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "scheduler/world_test_support.h"

namespace millrace::scheduler {
namespace {

using testing::Dice;
using testing::kStart;

/// Carries plans out as an executor would, and keeps its own books to hold the scheduler against.
class World {
 public:
  explicit World(std::uint64_t seed) : dice_(seed), cluster_(testing::random_cluster(dice_)) {
    accounts_ = testing::random_accounts(dice_, dice_.one_in(2));
    policies_.reservations = dice_.below(5);
    policies_.replan_every = std::chrono::seconds(300 * dice_.below(3));
    policies_.half_life = std::chrono::hours(1);
    policies_.power_lead = std::chrono::seconds(120 * dice_.below(3));
    policies_.start_capped = dice_.one_in(2);
    real_ = std::make_unique<Scheduler>(*Scheduler::create(cluster_, accounts_, policies_));
    for (NodeIndex i = 0; i < cluster_.nodes.size(); ++i)
      idle_at_first_.push_back(real_->draw_mw({ScopeKind::kNode, i}));
  }

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      for (int events = 1 + dice_.below(3); events > 0; --events) event();
      carry_out(dice_.one_in(6) ? real_->full_pass(now_) : real_->pass(now_));
      check();
      go_on();
    }
  }
  std::uint64_t last_draw() const { return dice_.last_draw(); }
  std::map<std::string, int> seen;

 private:
  struct Run {
    std::vector<TaskPlace> places;
    std::int32_t cap = 1000;
    TimePoint end = TimePoint::max();
    bool stopping = false;
  };

  void event() {
    const int kind = dice_.below(12);
    if (kind < 7) {
      const Workload w = testing::random_workload(dice_, ++ids_, now_, accounts_.size());
      work_[w.id] = w;
      ASSERT_TRUE(real_->submit(w, now_));
    } else if (kind < 8 && !runs_.empty()) {
      end(std::next(runs_.begin(), dice_.below(static_cast<int>(runs_.size())))->first);
    } else if (kind == 8) {
      change_budget();
    } else if (kind == 9 && dice_.one_in(3)) {
      const auto node = static_cast<NodeIndex>(dice_.below(static_cast<int>(cluster_.nodes.size())));
      const auto health = dice_.one_in(2) ? Health::kReady : static_cast<Health>(dice_.below(3));
      cluster_.nodes[node].health = health;
      real_->set_health(node, health, now_);
    }
  }

  void change_budget() {
    const auto kind = static_cast<ScopeKind>(dice_.below(4));
    const std::size_t sizes[] = {cluster_.nodes.size(), cluster_.racks.size(), cluster_.feeds.size(),
                                 cluster_.sites.size()};
    const Scope scope{
        kind, static_cast<std::uint32_t>(dice_.below(static_cast<int>(sizes[static_cast<int>(kind)])))};
    BudgetChange change{
        .scope = scope, .from = now_ + std::chrono::seconds(dice_.below(4) * 150), .milliwatts = {}};
    if (!dice_.one_in(5)) change.milliwatts = idle_mw(scope) + std::int64_t{dice_.below(12)} * 300'000;
    ASSERT_TRUE(real_->set_budget(change, now_));
    changes_[{static_cast<int>(kind), scope.index}][change.from] = change.milliwatts;
  }

  bool in_scope(NodeIndex i, Scope scope) const {
    const Node& node = cluster_.nodes[i];
    switch (scope.kind) {
      case ScopeKind::kNode:
        return i == scope.index;
      case ScopeKind::kRack:
        return node.rack == scope.index;
      case ScopeKind::kFeed:
        return node.rack != kNoIndex && cluster_.racks[node.rack].feed == scope.index;
      case ScopeKind::kSite:
        return node.site == scope.index;
    }
    return false;
  }

  double pue(Scope scope) const {
    return scope.kind == ScopeKind::kSite ? cluster_.sites[scope.index].pue : 1.0;
  }

  std::int64_t idle_mw(Scope scope) const {
    std::int64_t sum = 0;
    for (NodeIndex i = 0; i < cluster_.nodes.size(); ++i) {
      if (in_scope(i, scope) && cluster_.nodes[i].health != Health::kDown) sum += cluster_.nodes[i].idle_mw;
    }
    return static_cast<std::int64_t>(static_cast<double>(sum) * pue(scope)) + 2;
  }

  std::int64_t draw_mw(Scope scope) const {
    std::int64_t sum = 0;
    for (NodeIndex i = 0; i < cluster_.nodes.size(); ++i) {
      if (in_scope(i, scope) && cluster_.nodes[i].health != Health::kDown) sum += cluster_.nodes[i].idle_mw;
    }
    for (const auto& [id, run] : runs_) {
      for (const TaskPlace& p : run.places) {
        if (in_scope(p.node, scope)) sum += predicted_draw_mw(cluster_, p.node, work_.at(id), run.cap);
      }
    }
    return static_cast<std::int64_t>(static_cast<double>(sum) * pue(scope));
  }

  void end(WorkloadId id) {
    ASSERT_TRUE(real_->ended(id, now_));
    runs_.erase(id);
  }

  void carry_out(const Plan& plan) {
    for (const Preempt& p : plan.preempts) {
      ASSERT_TRUE(runs_.contains(p.id));
      ASSERT_LE(p.grace, work_.at(p.id).grace);
      ASSERT_FALSE(p.reason.text().empty());
      ++seen[name_of(p.reason.code)];
      Run& run = runs_.at(p.id);
      run.end = std::min(run.end, now_ + p.grace);
      run.stopping = true;
    }
    std::set<WorkloadId> capped;
    for (const Cap& c : plan.caps) {
      ASSERT_TRUE(runs_.contains(c.id));
      ASSERT_TRUE(capped.insert(c.id).second) << c.id << " is capped twice";
      ASSERT_GE(c.cap_milli, policies_.cap_floor_milli);
      ++seen[name_of(c.reason.code)];
      runs_.at(c.id).cap = c.cap_milli;
    }
    for (const Start& s : plan.starts) {
      const Workload& w = work_.at(s.id);
      ASSERT_EQ(std::ssize(s.places), w.tasks) << "a gang starts whole";
      ASSERT_FALSE(runs_.contains(s.id));
      ++seen[s.cap_milli < 1000 ? "start capped" : "start"];
      runs_[s.id] = {s.places, s.cap_milli, w.limit ? now_ + *w.limit : TimePoint::max(), false};
      for (const TaskPlace& p : s.places) ASSERT_EQ(cluster_.nodes[p.node].health, Health::kReady);
      if (w.together == Together::kOneDomain) {
        for (const TaskPlace& p : s.places) {
          ASSERT_EQ(cluster_.nodes[p.node].domain, cluster_.nodes[s.places[0].node].domain);
        }
      }
    }
    for (const Hold& h : plan.holds) {
      ++seen[name_of(h.reason.code)];
      ASSERT_FALSE(h.reason.text().empty());
      ASSERT_FALSE(runs_.contains(h.id));
      check_reason(h);
    }
    // Work that must stop at once is gone before anything else happens.
    std::vector<WorkloadId> gone;
    for (const auto& [id, run] : runs_) {
      if (run.stopping && run.end <= now_) gone.push_back(id);
    }
    for (const WorkloadId id : gone) end(id);
    if (!gone.empty()) carry_out(real_->pass(now_));
  }

  // What it names is so once the pass is over, and so is what is told to who asks.
  void check_reason(const Hold& hold) {
    const Reason& reason = hold.reason;
    const std::string what = fmt::format("id {}: {}", hold.id, reason.text());
    if (reason.code == ReasonCode::kPromised && reason.other) {
      ASSERT_TRUE(real_->expected_start(*reason.other)) << what;
    }
    if (reason.code != ReasonCode::kPromised && !reason.resource.empty() && reason.resource != "nodes") {
      ASSERT_LT(reason.free, reason.needed) << what;
    }
    // Quota comes first in what is told; a claim may have taken what was left of it since.
    const Reason now = *real_->why(hold.id);
    const bool of_quota = now.code == ReasonCode::kQuota || now.code == ReasonCode::kQuotaKept;
    ASSERT_TRUE(now.code == reason.code || of_quota) << what << ", or " << now.text();
    check_power(now);
  }

  // Promises may take more off.
  void check_power(const Reason& reason) {
    if (reason.code != ReasonCode::kPower || reason.at) return;
    const auto& changes = changes_.at({static_cast<int>(reason.scope->kind), reason.scope->index});
    const auto next = changes.upper_bound(now_);
    ASSERT_NE(next, changes.begin()) << reason.text();
    ASSERT_TRUE(std::prev(next)->second) << reason.text();
    const std::int64_t left_mw = std::max<std::int64_t>(*std::prev(next)->second - draw_mw(*reason.scope), 0);
    ASSERT_LE(reason.free, left_mw + 2) << reason.text();
    ASSERT_LT(reason.free, reason.needed) << reason.text();
  }

  void check() {
    for (NodeIndex i = 0; i < cluster_.nodes.size(); ++i) {
      const NodeState& free = real_->node_state(i);
      ASSERT_GE(free.cpu_milli_free, 0);
      ASSERT_GE(free.memory_mib_free, 0);
      for (const auto milli : free.device_milli_free) ASSERT_TRUE(milli >= 0 && milli <= 1000);
    }
    check_books();
    check_draws();
    check_spread();
    check_quotas();
    check_budgets();
    for (const auto& [id, run] : runs_) {
      for (const TaskPlace& p : run.places) ASSERT_NE(cluster_.nodes[p.node].health, Health::kDown);
    }
  }

  // The scheduler's free capacity is what the executor's books leave.
  void check_books() {
    for (NodeIndex i = 0; i < cluster_.nodes.size(); ++i) {
      std::int64_t cpu = cluster_.nodes[i].cpu_milli;
      std::array<int, kDevicesMax> milli{};
      for (int d = 0; d < cluster_.nodes[i].accelerators; ++d) milli[static_cast<std::size_t>(d)] = 1000;
      for (const auto& [id, run] : runs_) {
        const Demand& demand = work_.at(id).demand;
        for (const TaskPlace& p : run.places) {
          if (p.node != i) continue;
          cpu -= demand.cpu_milli;
          ASSERT_EQ(std::popcount(p.devices), demand.accelerators);
          for (std::size_t d = 0; d < kDevicesMax; ++d) {
            if ((p.devices >> d & 1U) != 0) milli[d] -= demand.accelerator_milli;
          }
        }
      }
      ASSERT_EQ(real_->node_state(i).cpu_milli_free, cpu);
      for (std::size_t d = 0; d < kDevicesMax; ++d)
        ASSERT_EQ(real_->node_state(i).device_milli_free[d], milli[d]);
    }
  }

  // The draw that the scheduler counts with is that of what runs, under the caps that the executor was told.
  void check_draws() {
    for (NodeIndex i = 0; i < cluster_.nodes.size(); ++i) {
      std::int64_t draw = idle_at_first_[i];
      for (const auto& [id, run] : runs_) {
        for (const TaskPlace& p : run.places) {
          if (p.node == i) draw += predicted_draw_mw(cluster_, i, work_.at(id), run.cap);
        }
      }
      ASSERT_EQ(real_->draw_mw({ScopeKind::kNode, i}), draw) << "node " << i;
    }
  }

  // No two tasks of one gang, or of work of one name, are on one node, in one rack or rail.
  void check_spread() {
    std::set<std::tuple<std::string, Spread, bool, std::uint32_t>> taken;
    for (const auto& [id, run] : runs_) {
      const Workload& w = work_.at(id);
      if (w.spread == Spread::kNone) continue;
      const std::string name = w.siblings.empty() ? std::to_string(id) : w.siblings;
      for (const TaskPlace& p : run.places) {
        const Node& node = cluster_.nodes[p.node];
        const std::uint32_t group = w.spread == Spread::kNode   ? kNoIndex
                                    : w.spread == Spread::kRack ? node.rack
                                                                : node.rail;
        const bool alone = group == kNoIndex;
        ASSERT_TRUE(taken.emplace(name, w.spread, alone, alone ? p.node : group).second) << "of " << name;
      }
    }
  }

  void check_quotas() {
    std::vector<std::int64_t> used(accounts_.size());
    for (const auto& [id, run] : runs_) {
      const Workload& w = work_.at(id);
      for (AccountIndex a = w.account; a != kNoAccount; a = accounts_[a].parent) {
        used[a] += std::int64_t{w.tasks} * w.demand.accelerators * w.demand.accelerator_milli;
      }
    }
    for (AccountIndex a = 0; a < accounts_.size(); ++a) {
      const Quota& q = accounts_[a].quota;
      ASSERT_LE(used[a], q.nominal.accelerators_milli + q.borrow.accelerators_milli) << accounts_[a].name;
    }
  }

  void check_budgets() {
    for (const auto& [key, changes] : changes_) {
      const auto next = changes.upper_bound(now_);
      if (next == changes.begin() || !std::prev(next)->second) continue;
      const Scope scope{static_cast<ScopeKind>(key.first), key.second};
      const std::int64_t budget = *std::prev(next)->second;
      if (idle_mw(scope) > budget + 2) continue;
      ASSERT_LE(draw_mw(scope), budget) << "scope " << key.first << "/" << key.second;
    }
  }

  // Time moves to the next thing that must happen, or a little less.
  void go_on() {
    const TimePoint until = now_ + std::chrono::seconds(dice_.one_in(3) ? 0 : dice_.below(1200));
    while (!::testing::Test::HasFailure()) {
      TimePoint next = until;
      for (const auto& [id, run] : runs_) next = std::min(next, run.end);
      for (const auto& [scope, changes] : changes_) {
        const auto change = changes.upper_bound(now_);
        if (change != changes.end()) next = std::min(next, change->first);
      }
      now_ = std::max(now_, next);
      std::vector<WorkloadId> over;
      for (const auto& [id, run] : runs_) {
        if (run.end <= now_) over.push_back(id);
      }
      for (const WorkloadId id : over) end(id);
      if (now_ >= until && over.empty()) return;
      carry_out(real_->pass(now_));
      check();
    }
  }

  Dice dice_;
  Cluster cluster_;
  Accounts accounts_;
  Policies policies_;
  std::unique_ptr<Scheduler> real_;
  std::vector<std::int64_t> idle_at_first_;
  TimePoint now_ = kStart;
  WorkloadId ids_ = 0;
  std::map<WorkloadId, Workload> work_;
  std::map<WorkloadId, Run> runs_;
  std::map<std::pair<int, std::uint32_t>, std::map<TimePoint, std::optional<std::int64_t>>> changes_;
};

TEST(Properties, capacity_quotas_and_budgets_are_kept_and_gangs_start_whole) {
  // 51,327: a gang got other places under a cap, where it could then draw all it would.
  // 3,673, 224,635: what was told of a promise that moved later in the same pass; 15,831: of power that it had left.
  std::vector<std::uint64_t> seeds{51'327, 3'673, 224'635, 15'831};
  for (std::uint64_t seed = 1; seed <= testing::seeds(); ++seed) seeds.push_back(seed);
  std::uint64_t folded = 0;
  std::map<std::string, int> seen;
  for (const std::uint64_t seed : seeds) {
    World world(seed);
    world.run(20);
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
    folded = folded * 1099511628211ULL ^ world.last_draw();
    for (const auto& [what, count] : world.seen) seen[what] += count;
  }
  fmt::print("{} seeds, last draws folded: {:016x}\n", seeds.size(), folded);
  for (const char* what : {"start", "start capped", "priority", "reclaim", "budget_fall", "budget_room",
                           "budget_shared", "node_down", "capacity", "domain", "spread", "promised", "quota",
                           "quota_kept", "power", "preempting"}) {
    EXPECT_GT(seen[what], 0) << what << " never happened: this test does not test it";
  }
}

}  // namespace
}  // namespace millrace::scheduler
