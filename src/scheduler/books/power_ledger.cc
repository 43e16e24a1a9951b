#include "scheduler/books/power_ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace millrace::scheduler {
namespace {

constexpr std::array kScopeKinds = {ScopeKind::kNode, ScopeKind::kRack, ScopeKind::kFeed, ScopeKind::kSite};

Budgeted::Sum sum_of(const ScopeDraw& d) { return {d.milliwatts, d.least_mw, d.milliwatts - d.saves_mw}; }

Budgeted::Check& check_at(Budgeted& b, TimePoint at) {
  const auto [it, added] = b.checks.try_emplace(at);
  if (added) it->second.running = b.running_after(at);
  return it->second;
}

void add_running(const Job& job, const ScopeDraw& d, int sign) {
  Budgeted& b = *d.budget;
  const TimePoint end = job.end;
  if (d.saves_mw != 0) b.saves[precedence_of(job.work)] += sign * d.saves_mw;
  const Budgeted::Sum more = sum_of(d);
  b.work_mw += sign * d.milliwatts;
  auto& at_end = b.ends[end];
  at_end.add(more, sign);
  b.ends_sum.add(more, sign);
  if (at_end == Budgeted::Sum{}) b.ends.erase(end);
  for (auto& [at, check] : b.checks) {
    if (at >= end) break;
    check.running.add(more, sign);
  }
}

std::int64_t pue_milli(const Site& site) {
  return std::max<std::int64_t>(static_cast<std::int64_t>(site.pue * 1000.0 + 0.5), 1000);
}

}  // namespace

PowerLedger::PowerLedger(const Cluster& cluster, std::int32_t cap_floor_milli, std::chrono::seconds lead)
    : cluster_(&cluster), cap_floor_milli_(cap_floor_milli), lead_(lead), of_node_(cluster.nodes.size()) {
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
      if (index == kNoIndex) continue;
      most_mw_[k][index] += full_load_mw(cluster, i);
      idle_mw_[k][index] += idle_of(i);
    }
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
  std::erase_if(timed_, [now](Budgeted* b) {
    forget_past(*b, now);
    b->timed = b->changes.rbegin()->first > now;
    return !b->timed;
  });
  return result;
}

const Budgeted* PowerLedger::find(Scope scope) const {
  const auto found = at_.find({scope.kind, scope.index});
  return found == at_.end() ? nullptr : budgets_[found->second].get();
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
  const auto [at, added] = at_.try_emplace({scope.kind, scope.index}, budgets_.size());
  if (!added) return *budgets_[at->second];
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
  const NodeIndex first = scope.kind == ScopeKind::kNode ? scope.index : 0;
  const NodeIndex last =
      scope.kind == ScopeKind::kNode ? scope.index + 1 : static_cast<NodeIndex>(of_node_.size());
  for (NodeIndex i = first; i < last; ++i) {
    if (index_at(scope.kind, i) == scope.index) of_node_[i][kind] = &b;
  }
  for (Job* job : running) {
    const std::vector<ScopeDraw> all = draws_running(*job);
    const auto its = std::ranges::find(all, &b, &ScopeDraw::budget);
    if (its == all.end() || its->milliwatts == 0) continue;
    job->draws.push_back(*its);
    add_running(*job, *its, 1);
    if (job->stopping) b.stopping_mw += its->milliwatts;
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

void PowerLedger::forget_past(Budgeted& b, TimePoint now) {
  while (b.changes.size() > 1 && std::next(b.changes.begin())->first <= now) {
    const auto past = b.checks.find(b.changes.begin()->first);
    if (past != b.checks.end() && past->second.promises == 0) b.checks.erase(past);
    b.reported.erase(b.changes.begin()->first);
    b.changes.erase(b.changes.begin());
    b.stated.erase(b.stated.begin());
  }
}

Result<void> PowerLedger::set(const BudgetChange& change, TimePoint now, std::span<Job* const> running) {
  TRY_VOID(check(change));
  const bool binds = would_bind(change);
  Budgeted& b = budget_for(change.scope);
  const TimePoint from = std::max(change.from, now);
  const std::optional<std::int64_t> own = own_budget(change);
  const auto [known, added] = b.changes.try_emplace(from, own);
  if (added || known->second != own) b.reported.erase(from);
  known->second = own;
  b.stated[from] = change.milliwatts;
  forget_past(b, now);
  if (binds) bind(b, running);
  if (!b.bound) return {};
  if (!binds && from > now) check_at(b, from);
  for (auto later = b.changes.upper_bound(now); binds && later != b.changes.end(); ++later)
    check_at(b, later->first);
  mark(b);
  if (!std::exchange(b.timed, true)) timed_.push_back(&b);
  return {};
}

std::int64_t PowerLedger::task_draw(const Job& job, NodeIndex node, std::int32_t cap_milli) const {
  return predicted_draw_mw(*cluster_, node, job.work, cap_milli);
}

std::int64_t PowerLedger::least_task_draw(const Job& job, NodeIndex node, std::int32_t cap_milli) const {
  return task_draw(job, node, std::min(cap_milli, cap_floor_milli_));
}

std::vector<ScopeDraw> PowerLedger::draws(const Job& job, std::span<const TaskPlace> places,
                                          std::int32_t cap) const {
  std::vector<ScopeDraw> result;
  if (bound_.empty()) return result;
  for (const TaskPlace& place : places) add_task(job, place.node, cap, result);
  return result;
}

void PowerLedger::add_task(const Job& job, NodeIndex node, std::int32_t cap,
                           std::vector<ScopeDraw>& draws) const {
  if (bound_.empty()) return;
  const std::int64_t mw = task_draw(job, node, cap);
  const std::int64_t least_mw = least_task_draw(job, node, cap);
  for (Budgeted* b : of_node_[node]) {
    if (b == nullptr) continue;
    const auto it = std::ranges::find(draws, b, &ScopeDraw::budget);
    if (it == draws.end()) {
      draws.push_back({b, mw, least_mw});
    } else {
      it->milliwatts += mw;
      it->least_mw += least_mw;
    }
  }
}

std::vector<ScopeDraw> PowerLedger::draws_running(const Job& job) const {
  std::vector<ScopeDraw> result = draws(job, job.places, job.cap_milli);
  for (ScopeDraw& d : result) d.saves_mw = d.milliwatts - d.least_mw;
  if (yields_after(job) != std::chrono::microseconds::max()) {
    for (ScopeDraw& d : result) d.least_mw = 0;
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
    add_running(job, d, 1);
    mark(*d.budget);
    if (job.stopping) d.budget->stopping_mw += d.milliwatts;
    steps += d.budget->checks.size();
  }
}

void PowerLedger::release(Job& job) {
  add_work(job, -1);
  for (const ScopeDraw& d : job.draws) {
    add_running(job, d, -1);
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
    if (end != b.promise_ends.end() && end->second == Budgeted::Sum{}) b.promise_ends.erase(end);
  }
}

void PowerLedger::count_promise(const Promise& promise, int sign) {
  for (const ScopeDraw& d : promise.draws) {
    d.budget->checks.at(promise.begin).promised.add(sum_of(d), sign);
    if (promise.end == kNever) continue;
    d.budget->promise_ends[{promise.end, promise.begin}].add(sum_of(d), sign);
  }
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
