#include "scheduler/power_ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace millrace::scheduler {
namespace {

constexpr std::array kScopeKinds = {ScopeKind::kNode, ScopeKind::kRack, ScopeKind::kFeed, ScopeKind::kSite};

std::int64_t running_after(const Budgeted& b, TimePoint at) {
  std::int64_t sum = 0;
  for (auto it = b.ends.upper_bound(at); it != b.ends.end(); ++it) sum += it->second;
  return sum;
}

Budgeted::Check& check_at(Budgeted& b, TimePoint at) {
  const auto [it, added] = b.checks.try_emplace(at);
  if (added) it->second.running_mw = running_after(b, at);
  return it->second;
}

void add_running(Budgeted& b, std::int64_t mw, TimePoint end) {
  b.work_mw += mw;
  auto& at_end = b.ends[end];
  at_end += mw;
  if (at_end == 0) b.ends.erase(end);
  for (auto& [at, check] : b.checks) {
    if (at >= end) break;
    check.running_mw += mw;
  }
}

/// What promises take at rising times from `now` on. One that should have begun by then, or even be over, still waits for
/// its power.
class PromisedPower {
 public:
  /// Of those that begin before `before`.
  PromisedPower(const Budgeted& b, TimePoint now, TimePoint before = kNever, bool ends = true)
      : budget_(&b),
        check_(b.checks.begin()),
        end_(ends ? b.promise_ends.upper_bound(std::pair(now, kNever)) : b.promise_ends.end()),
        before_(before) {
    at(now);
  }
  std::int64_t at(TimePoint time) {
    for (; check_ != budget_->checks.end() && check_->first <= time; ++check_)
      if (check_->first < before_) sum_ += check_->second.promised_mw;
    for (; end_ != budget_->promise_ends.end() && end_->first.first <= time; ++end_)
      if (end_->first.second < before_) sum_ -= end_->second;
    return sum_;
  }

 private:
  const Budgeted* budget_;
  std::map<TimePoint, Budgeted::Check>::const_iterator check_;
  std::map<std::pair<TimePoint, TimePoint>, std::int64_t>::const_iterator end_;
  TimePoint before_;
  std::int64_t sum_ = 0;
};

std::int64_t pue_milli(const Site& site) {
  return std::max<std::int64_t>(static_cast<std::int64_t>(site.pue * 1000.0 + 0.5), 1000);
}

}  // namespace

std::int64_t Budgeted::budget_at(TimePoint at) const {
  const auto next = changes.upper_bound(at);
  if (next == changes.begin()) return INT64_MAX;
  return std::prev(next)->second.value_or(INT64_MAX);
}

bool Budgeted::overdrawn(TimePoint now) const {
  PromisedPower promised(*this, now);
  const auto over = [&](TimePoint at, std::int64_t running_mw) {
    const std::int64_t promised_mw = promised.at(at);
    return promised_mw > 0 && idle_mw + running_mw + promised_mw > budget_at(at);
  };
  if (over(now, work_mw)) return true;
  for (auto it = checks.upper_bound(now); it != checks.end(); ++it) {
    if (over(it->first, it->second.running_mw)) return true;
  }
  return false;
}

PowerLedger::PowerLedger(const Cluster& cluster)
    : cluster_(&cluster), powered_(cluster.nodes.size(), false), of_node_(cluster.nodes.size()) {
  for (const Site& site : cluster.sites) pue_milli_.push_back(pue_milli(site));
  const std::array sizes = {cluster.nodes.size(), cluster.racks.size(), cluster.feeds.size(),
                            cluster.sites.size()};
  for (std::size_t k = 0; k < 4; ++k) {
    work_mw_[k].assign(sizes[k], 0);
    idle_mw_[k].assign(sizes[k], 0);
    most_mw_[k].assign(sizes[k], 0);
  }
  for (NodeIndex i = 0; i < cluster.nodes.size(); ++i) {
    for (std::size_t k = 0; k < 4; ++k) {
      const std::uint32_t index = index_at(kScopeKinds[k], i);
      if (index != kNoIndex) most_mw_[k][index] += full_load_mw(cluster, i);
    }
    if (cluster.nodes[i].health != Health::kDown) set_powered(i, true);
  }
}

std::uint32_t PowerLedger::index_at(ScopeKind kind, NodeIndex index) const {
  const Node& node = cluster_->nodes[index];
  switch (kind) {
    case ScopeKind::kNode:
      return index;
    case ScopeKind::kRack:
      return node.rack;
    case ScopeKind::kFeed: {
      if (node.rack == kNoIndex) return kNoIndex;
      const FeedIndex feed = cluster_->racks[node.rack].feed;
      return feed == kNoFeed ? kNoIndex : feed;
    }
    case ScopeKind::kSite:
      return node.site;
  }
  return kNoIndex;
}

void PowerLedger::set_powered(NodeIndex node, bool powered) {
  if (powered_[node] == powered) return;
  powered_[node] = powered;
  const std::int64_t idle = powered ? idle_of(node) : -idle_of(node);
  for (std::size_t k = 0; k < 4; ++k) {
    const std::uint32_t index = index_at(kScopeKinds[k], node);
    if (index != kNoIndex) idle_mw_[k][index] += idle;
    if (of_node_[node][k] == nullptr) continue;
    of_node_[node][k]->idle_mw += idle;
    mark(*of_node_[node][k]);
  }
}

void PowerLedger::mark(Budgeted& budget) {
  if (std::exchange(budget.grown, true)) return;
  grown_.push_back(&budget);
}

std::vector<Budgeted*> PowerLedger::take_unchecked(TimePoint now) {
  std::vector<Budgeted*> result = std::exchange(grown_, {});
  for (Budgeted* b : result) b->grown = false;
  result.insert(result.end(), timed_.begin(), timed_.end());
  std::ranges::sort(result, {}, &Budgeted::order);
  result.erase(std::ranges::unique(result).begin(), result.end());
  std::erase_if(timed_, [now](const Budgeted* b) { return b->changes.rbegin()->first <= now; });
  return result;
}

const Budgeted* PowerLedger::find(Scope scope) const {
  for (const auto& b : budgets_) {
    if (b->scope == scope) return b.get();
  }
  return nullptr;
}

std::string PowerLedger::name_of(Scope scope) const {
  switch (scope.kind) {
    case ScopeKind::kNode:
      return "node " + cluster_->nodes[scope.index].name;
    case ScopeKind::kRack:
      return "rack " + cluster_->racks[scope.index].name;
    case ScopeKind::kFeed:
      return "feed " + cluster_->feeds[scope.index].name;
    case ScopeKind::kSite:
      return "site " + cluster_->sites[scope.index].name;
  }
  return "";
}

Budgeted& PowerLedger::budget_for(Scope scope) {
  for (const auto& b : budgets_) {
    if (b->scope == scope) return *b;
  }
  budgets_.push_back(std::make_unique<Budgeted>());
  Budgeted& b = *budgets_.back();
  b.scope = scope;
  b.order = static_cast<std::uint32_t>(budgets_.size() - 1);
  return b;
}

void PowerLedger::bind(Budgeted& b, std::span<Job* const> running) {
  b.bound = true;
  bound_.push_back(&b);
  const Scope scope = b.scope;
  const auto kind = static_cast<std::size_t>(scope.kind);
  b.idle_mw = idle_mw_[kind][scope.index];
  for (NodeIndex i = 0; i < of_node_.size(); ++i) {
    if (index_at(scope.kind, i) == scope.index) of_node_[i][kind] = &b;
  }
  for (Job* job : running) {
    std::int64_t mw = 0;
    for (const TaskPlace& place : job->places) {
      if (of_node_[place.node][kind] == &b) mw += task_draw(*job, place.node, job->cap_milli);
    }
    if (mw == 0) continue;
    job->draws.push_back({&b, mw});
    add_running(b, mw, job->end);
    if (job->stopping) b.stopping_mw += mw;
  }
}

Result<void> PowerLedger::check(const BudgetChange& change) const {
  const auto kind = static_cast<std::size_t>(change.scope.kind);
  if (kind >= 4 || change.scope.index >= work_mw_[kind].size()) {
    return failure(ErrorCode::kInvalidArgument,
                   fmt::format("budget of scope {}/{}: there is none", kind, change.scope.index));
  }
  if (change.milliwatts && (*change.milliwatts < 0 || *change.milliwatts > kUnlimited / 1000)) {
    return failure(ErrorCode::kInvalidArgument,
                   fmt::format("budget of {} mW: out of range", *change.milliwatts));
  }
  return {};
}

std::optional<std::int64_t> PowerLedger::own_budget(const BudgetChange& change) const {
  if (!change.milliwatts || change.scope.kind != ScopeKind::kSite) return change.milliwatts;
  return *change.milliwatts * 1000 / pue_milli_[change.scope.index];
}

bool PowerLedger::would_bind(const BudgetChange& change) const {
  if (!check(change)) return false;
  const Budgeted* known = find(change.scope);
  if (known != nullptr && known->bound) return false;
  const std::int64_t most = most_mw_[static_cast<std::size_t>(change.scope.kind)][change.scope.index];
  return own_budget(change).value_or(INT64_MAX) < most;
}

Result<void> PowerLedger::set(const BudgetChange& change, TimePoint now, std::span<Job* const> running) {
  TRY_VOID(check(change));
  const bool binds = would_bind(change);
  Budgeted& b = budget_for(change.scope);
  const TimePoint from = std::max(change.from, now);
  b.changes[from] = own_budget(change);
  b.stated[from] = change.milliwatts;
  while (b.changes.size() > 1 && std::next(b.changes.begin())->first <= now) {
    const auto past = b.checks.find(b.changes.begin()->first);
    if (past != b.checks.end() && past->second.promises == 0) b.checks.erase(past);
    b.changes.erase(b.changes.begin());
    b.stated.erase(b.stated.begin());
  }
  if (binds) bind(b, running);
  if (!b.bound) return {};
  for (auto later = b.changes.upper_bound(now); later != b.changes.end(); ++later) check_at(b, later->first);
  b.reported.reset();
  mark(b);
  if (std::ranges::find(timed_, &b) == timed_.end()) timed_.push_back(&b);
  return {};
}

std::int64_t PowerLedger::task_draw(const Job& job, NodeIndex node, std::int32_t cap_milli) const {
  return predicted_draw_mw(*cluster_, node, job.work, cap_milli);
}

std::vector<ScopeDraw> PowerLedger::draws(const Job& job, std::span<const TaskPlace> places,
                                          std::int32_t cap) const {
  std::vector<ScopeDraw> result;
  if (bound_.empty()) return result;
  for (const TaskPlace& place : places) {
    const std::int64_t mw = task_draw(job, place.node, cap);
    for (Budgeted* b : of_node_[place.node]) {
      if (b == nullptr) continue;
      const auto it = std::ranges::find(result, b, &ScopeDraw::budget);
      if (it == result.end()) {
        result.push_back({b, mw});
      } else {
        it->milliwatts += mw;
      }
    }
  }
  return result;
}

void PowerLedger::add_work(const Job& job, int sign) {
  for (const TaskPlace& place : job.places) {
    const std::int64_t mw = sign * task_draw(job, place.node, job.cap_milli);
    for (std::size_t k = 0; k < 4; ++k) {
      const std::uint32_t index = index_at(kScopeKinds[k], place.node);
      if (index != kNoIndex) work_mw_[k][index] += mw;
    }
  }
}

void PowerLedger::charge(Job& job) {
  add_work(job, 1);
  for (const ScopeDraw& d : job.draws) {
    add_running(*d.budget, d.milliwatts, job.end);
    mark(*d.budget);
    if (job.stopping) d.budget->stopping_mw += d.milliwatts;
    steps += d.budget->checks.size();
  }
}

void PowerLedger::release(Job& job) {
  add_work(job, -1);
  for (const ScopeDraw& d : job.draws) {
    add_running(*d.budget, -d.milliwatts, job.end);
    if (job.stopping) d.budget->stopping_mw -= d.milliwatts;
    steps += d.budget->checks.size();
  }
}

void PowerLedger::promise(const Promise& promise) {
  for (const ScopeDraw& d : promise.draws) {
    ++check_at(*d.budget, promise.begin).promises;
  }
  count_promise(promise, 1);
}

void PowerLedger::unpromise(const Promise& promise) {
  count_promise(promise, -1);
  for (const ScopeDraw& d : promise.draws) {
    Budgeted& b = *d.budget;
    const auto it = b.checks.find(promise.begin);
    --it->second.promises;
    if (it->second.promises == 0 && !b.changes.contains(it->first)) b.checks.erase(it);
    const auto end = b.promise_ends.find({promise.end, promise.begin});
    if (end != b.promise_ends.end() && end->second == 0) b.promise_ends.erase(end);
  }
}

void PowerLedger::count_promise(const Promise& promise, int sign) {
  for (const ScopeDraw& d : promise.draws) {
    d.budget->checks.at(promise.begin).promised_mw += sign * d.milliwatts;
    if (promise.end == kNever) continue;
    d.budget->promise_ends[{promise.end, promise.begin}] += sign * d.milliwatts;
  }
}

std::optional<PowerLedger::Lack> PowerLedger::lack(const ScopeDraw& more, TimePoint now, TimePoint until,
                                                   TimePoint promised_before) const {
  const Budgeted& b = *more.budget;
  PromisedPower promised(b, now, promised_before);
  const std::int64_t left = b.budget_at(now) - b.idle_mw - b.work_mw - promised.at(now);
  if (left < more.milliwatts) return Lack{&b, more.milliwatts, std::max<std::int64_t>(left, 0), std::nullopt};
  for (auto it = b.checks.upper_bound(now); it != b.checks.end() && it->first < until; ++it) {
    const std::int64_t later =
        b.budget_at(it->first) - b.idle_mw - it->second.running_mw - promised.at(it->first);
    if (later < more.milliwatts)
      return Lack{&b, more.milliwatts, std::max<std::int64_t>(later, 0), it->first};
  }
  return std::nullopt;
}

std::optional<PowerLedger::Lack> PowerLedger::lack(std::span<const ScopeDraw> more, TimePoint now,
                                                   TimePoint until) const {
  return lack_promised(more, now, until, kNever);
}

std::optional<PowerLedger::Lack> PowerLedger::telling(const std::optional<Lack>& a,
                                                      const std::optional<Lack>& b) {
  if (!a || !b) return a ? a : b;
  const auto width = [](const Lack& of) { return of.budget->scope.kind; };  // they stand in order
  if (width(*a) != width(*b)) return width(*a) < width(*b) ? b : a;
  return b->needed - b->free < a->needed - a->free ? b : a;
}

std::optional<PowerLedger::Lack> PowerLedger::lack_promised(std::span<const ScopeDraw> more, TimePoint now,
                                                            TimePoint until, TimePoint begin) const {
  std::optional<Lack> found;
  for (const ScopeDraw& d : more) found = telling(found, lack(d, now, until, begin));
  return found;
}

bool PowerLedger::ample(std::int64_t milliwatts, TimePoint now, TimePoint until) const {
  constexpr std::size_t kLookedAtMax = 16;
  return bound_.size() <= kLookedAtMax && std::ranges::none_of(bound_, [&](Budgeted* b) {
           return lack(ScopeDraw{b, milliwatts}, now, until).has_value();
         });
}

TimePoint PowerLedger::earliest_in(const ScopeDraw& draw, TimePoint from, TimePoint now,
                                   std::int64_t length_s, bool behind) const {
  const Budgeted& b = *draw.budget;
  // `promised` goes on from `start`.
  const auto fits_later = [&](TimePoint start, PromisedPower promised) {
    const TimePoint until = window_end(start, length_s);
    for (auto it = b.checks.upper_bound(start); it != b.checks.end() && it->first < until; ++it) {
      const std::int64_t others = it->second.running_mw + promised.at(it->first);
      if (b.idle_mw + others + draw.milliwatts > b.budget_at(it->first)) return false;
    }
    return true;
  };
  TimePoint start = from;
  PromisedPower promised(b, now, kNever, behind);
  auto end = b.ends.upper_bound(start);
  auto change = b.changes.upper_bound(start);
  auto promise_end =
      behind ? b.promise_ends.upper_bound(std::pair(std::max(start, now), kNever)) : b.promise_ends.end();
  std::int64_t running = start <= now ? b.work_mw : running_after(b, start);
  // What should have ended by now and has not is expected to end at any moment.
  std::int64_t overdue = start <= now ? b.work_mw - running_after(b, now) : 0;
  while (true) {
    const bool fits_now = b.idle_mw + running + promised.at(start) + draw.milliwatts <= b.budget_at(start);
    if (fits_now && fits_later(start, promised)) return start;
    const TimePoint next_end = end == b.ends.end() ? kNever : end->first;
    const TimePoint next_change = change == b.changes.end() ? kNever : change->first;
    const TimePoint next_promise = promise_end == b.promise_ends.end() ? kNever : promise_end->first.first;
    const TimePoint next = std::min({next_end, next_change, next_promise});
    if (next == kNever && overdue == 0) return kNever;
    running -= std::exchange(overdue, 0);
    if (next == kNever) {
      start += std::chrono::seconds(1);
      continue;
    }
    start = next;
    if (next_end == start) running -= (end++)->second;
    if (next_change == start) ++change;
    while (promise_end != b.promise_ends.end() && promise_end->first.first == start) ++promise_end;
  }
}

TimePoint PowerLedger::earliest(std::span<const ScopeDraw> draws, TimePoint from, TimePoint now,
                                std::int64_t length_s, bool behind) const {
  TimePoint start = from;
  for (bool moved = true; moved && start != kNever;) {
    moved = false;
    for (const ScopeDraw& d : draws) {
      const TimePoint found = earliest_in(d, start, now, length_s, behind);
      if (found != start) moved = true;
      start = found;
      if (start == kNever) break;
    }
  }
  return start;
}

bool PowerLedger::is_behind(std::span<const ScopeDraw> draws, TimePoint now, TimePoint at) const {
  return std::ranges::any_of(draws, [&](const ScopeDraw& d) {
    const auto& ends = d.budget->promise_ends;
    const auto it = ends.upper_bound(std::pair(now, kNever));
    return it != ends.end() && it->first.first <= at;
  });
}

std::optional<std::int64_t> PowerLedger::stated_budget(Scope scope, TimePoint at) const {
  const Budgeted* b = find(scope);
  if (b == nullptr) return std::nullopt;
  const auto next = b->stated.upper_bound(at);
  return next == b->stated.begin() ? std::nullopt : std::prev(next)->second;
}

std::int64_t PowerLedger::equipment_mw(Scope scope) const {
  const auto kind = static_cast<std::size_t>(scope.kind);
  return work_mw_[kind][scope.index] + idle_mw_[kind][scope.index];
}

std::int64_t PowerLedger::total_mw(Scope scope) const {
  const std::int64_t own = equipment_mw(scope);
  if (scope.kind != ScopeKind::kSite) return own;
  // Rounded up: it must not look smaller than it is.
  return (own * pue_milli_[scope.index] + 999) / 1000;
}

}  // namespace millrace::scheduler
