// PowerLedger: predicted draw against every budget, now and at the times when a budget or a promise begins.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "core/result.h"
#include "scheduler/books/job.h"
#include "scheduler/power.h"

namespace millrace::scheduler {

/// One budget. All figures are of the equipment itself: a site's budget is divided by its PUE first. It is bound, and has
/// figures of work, from when it first falls below what its scope would draw at full load: before, nothing can exceed it.
struct Budgeted {
  /// Draws of several: as they are, what is left of them where the budget falls, and under the lowest cap if they run.
  struct Sum {
    std::int64_t milliwatts = 0;
    std::int64_t least_mw = 0;
    std::int64_t capped_mw = 0;
    void add(const Sum& more, int sign) {
      milliwatts += sign * more.milliwatts;
      least_mw += sign * more.least_mw;
      capped_mw += sign * more.capped_mw;
    }
    bool operator==(const Sum&) const = default;
  };
  Scope scope;
  bool bound = false;
  std::int64_t idle_mw = 0;
  std::int64_t work_mw = 0;                  // of all work that has not been confirmed to have ended
  std::int64_t stopping_mw = 0;              // part of it that was told to stop
  std::map<Precedence, std::int64_t> saves;  // what the lowest cap would save of work of each class
  std::map<TimePoint, Sum> ends;             // work by its expected end
  Sum ends_sum;                              // of all of it
  std::map<std::pair<TimePoint, TimePoint>, Sum> promise_ends;  // by when their work is over, and their begin
  std::map<TimePoint, std::optional<std::int64_t>> changes;     // the budget from then on
  std::map<TimePoint, std::optional<std::int64_t>> stated;      // the same, PUE included
  struct Check {
    Sum running;   // work whose expected end is later
    Sum promised;  // promises that begin then
    std::int32_t promises = 0;
  };
  std::map<TimePoint, Check> checks;  // where a promise begins or the budget changes
  std::set<TimePoint> reported;       // of `changes`: infeasible from then on, and said so
  std::uint32_t order = 0;            // among all budgets
  bool grown = false;                 // may draw more, or have less, than when it was checked last
  bool timed = false;                 // it is among PowerLedger::timed

  /// Work whose expected end is later.
  Sum running_after(TimePoint at) const;
  /// INT64_MAX where there is none.
  std::int64_t budget_at(TimePoint at) const;
  /// Whether promises take more than is left, now or later, even if what runs is capped for them: the budget fell, or work
  /// ends later than it was expected to.
  bool overdrawn(TimePoint now) const;
};

/// From when until when work would draw. From `yields_from` on a fall of a budget may stop it. Of what is promised only what
/// begins before `promised_before` counts, and from `all_from` on whatever has begun.
struct Stay {
  TimePoint from{};
  TimePoint until = kNever;
  TimePoint yields_from = kNever;
  TimePoint promised_before = kNever;
  TimePoint all_from = kNever;
};

/// A budget that is known to fall keeps nothing idle until then: what runs at the fall is capped, or stopped if it yields. So
/// what would draw past a fall is held against the least draws of all others; before, and past one that is at hand, against
/// their draws as they are.
class PowerLedger {
 public:
  /// Nothing is capped below `cap_floor_milli`. A fall is at hand `lead` before it.
  PowerLedger(const Cluster& cluster, std::int32_t cap_floor_milli, std::chrono::seconds lead);

  bool any() const { return !bound_.empty(); }
  /// Whether the budget would become bound by `change`: promises do not count it yet.
  bool would_bind(const BudgetChange& change) const;
  Result<void> set(const BudgetChange& change, TimePoint now, std::span<Job* const> running);
  const std::vector<Budgeted*>& bound() const { return bound_; }
  const Budgeted* find(Scope scope) const;
  /// Bound budgets with changes to come, or that came since the last check.
  const std::vector<Budgeted*>& timed() const { return timed_; }
  /// Those that may be exceeded now or by what is to come; in order.
  std::vector<Budgeted*> take_unchecked(TimePoint now);
  void mark(Budgeted& budget);
  std::string name_of(Scope scope) const;

  /// Per budget, what a job would draw at these places under a cap; what is left of it under the lowest cap.
  std::vector<ScopeDraw> draws(const Job& job, std::span<const TaskPlace> places,
                               std::int32_t cap_milli) const;
  /// One more task of it.
  void add_task(const Job& job, NodeIndex node, std::int32_t cap_milli, std::vector<ScopeDraw>& draws) const;
  /// The same where it runs, under its cap.
  std::vector<ScopeDraw> draws_running(const Job& job) const;
  std::int64_t task_draw(const Job& job, NodeIndex node, std::int32_t cap_milli) const;
  /// Under the lowest cap, where that is lower than `cap_milli`.
  std::int64_t least_task_draw(const Job& job, NodeIndex node, std::int32_t cap_milli) const;
  std::int64_t idle_of(NodeIndex node) const { return cluster_->nodes[node].idle_mw; }
  /// Node, rack, feed, site: nullptr where there is no budget.
  const std::array<Budgeted*, 4>& budgets_of(NodeIndex node) const { return of_node_[node]; }

  void charge(Job& job);  // job.draws, until job.end
  void release(Job& job);
  void promise(const Promise& promise);  // its draws
  void unpromise(const Promise& promise);
  /// A promise that is not to count for a moment, and does again.
  void set_aside(const Promise& promise) { count_promise(promise, -1); }
  void put_back(const Promise& promise) { count_promise(promise, 1); }

  /// Whether `more` can be drawn, on top of all else. Otherwise the lack.
  struct Lack {
    const Budgeted* budget = nullptr;
    std::int64_t needed = 0;
    std::int64_t free = 0;
    std::optional<TimePoint> at;  // later than now
  };
  std::optional<Lack> lack(const ScopeDraw& more, const Stay& stay) const;
  /// What is left of a budget at `at`, now or later, beside work and promises; at least 0.
  std::int64_t left_mw(const Budgeted& budget, TimePoint now, TimePoint at) const;
  /// Of several that lack, the one of the widest scope.
  std::optional<Lack> lack(std::span<const ScopeDraw> more, const Stay& stay) const;
  /// Which of two a person is told: of the wider scope, since places outside of it are fewer; then the one that lacks less.
  static std::optional<Lack> telling(const std::optional<Lack>& a, const std::optional<Lack>& b);
  /// Whether each bound budget alone has room for it; false also where there are too many to look at all.
  bool ample(std::int64_t milliwatts, const Stay& stay) const;
  /// What is wanted of a budget for work that has yet to begin.
  struct Wish {
    std::int64_t length_s = 0;
    std::chrono::microseconds yields_after = std::chrono::microseconds::max();  // from its begin on
    bool behind = false;  // also on what promised work leaves
  };
  /// The earliest time from `from` on when `draws` would fit for so long; kNever.
  TimePoint earliest(std::span<const ScopeDraw> draws, TimePoint from, TimePoint now, const Wish& wish) const;
  /// Whether the budget is known to fall in [from, until).
  static bool falls(const Budgeted& budget, TimePoint from, TimePoint until);
  /// Whether promised work is over by then that draws of the same budgets.
  bool is_behind(std::span<const ScopeDraw> draws, TimePoint now, TimePoint at) const;

  /// Draw of a scope, budgeted or not, PUE included.
  std::int64_t total_mw(Scope scope) const;
  /// Without PUE.
  std::int64_t equipment_mw(Scope scope) const;
  /// As it was set; nullopt: none.
  std::optional<std::int64_t> stated_budget(Scope scope, TimePoint at) const;

  std::uint64_t steps = 0;

 private:
  Budgeted& budget_for(Scope scope);
  void bind(Budgeted& budget, std::span<Job* const> running);
  /// Changes that others have followed by now.
  static void forget_past(Budgeted& budget, TimePoint now);
  std::optional<std::int64_t> own_budget(const BudgetChange& change) const;
  Result<void> check(const BudgetChange& change) const;
  /// kNoIndex where the node is in none.
  std::uint32_t index_at(ScopeKind kind, NodeIndex node) const;
  void add_work(const Job& job, int sign);
  void count_promise(const Promise& promise, int sign);
  TimePoint earliest_in(const ScopeDraw& draw, TimePoint from, TimePoint now, const Wish& wish) const;

  const Cluster* cluster_;
  std::int32_t cap_floor_milli_;
  std::chrono::seconds lead_;
  std::vector<std::int64_t> pue_milli_;
  std::array<std::vector<std::int64_t>, 4> work_mw_;  // by ScopeKind, index
  std::array<std::vector<std::int64_t>, 4> idle_mw_;
  std::array<std::vector<std::int64_t>, 4> most_mw_;  // at full load, every node switched on
  std::vector<std::unique_ptr<Budgeted>> budgets_;
  std::map<std::pair<ScopeKind, std::uint32_t>, std::size_t> at_;  // index into budgets_
  std::vector<Budgeted*> bound_;
  std::vector<Budgeted*> grown_;
  std::vector<Budgeted*> timed_;
  std::vector<std::array<Budgeted*, 4>> of_node_;  // bound ones
};

}  // namespace millrace::scheduler
