#include "scheduler/scheduler.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "scheduler/books/queueing.h"
#include "scheduler/books/run.h"
#include "scheduler/books/shapes.h"
#include "scheduler/books/state.h"
#include "scheduler/fit/why.h"
#include "scheduler/pass/pass.h"
#include "scheduler/pass/tell.h"
#include "scheduler/placement/tightest.h"
#include "scheduler/promise/promise.h"

namespace millrace::scheduler {
namespace {

constexpr std::int64_t kAmountMax = std::int64_t{1} << 40;

std::unexpected<Error> invalid(std::string message) {
  return failure(ErrorCode::kInvalidArgument, std::move(message));
}

Result<void> check_node(const Cluster& cluster, const Node& node) {
  const auto bad = [&](std::string_view what) {
    return invalid(fmt::format("node {}: its {} is out of range", node.name, what));
  };
  if (node.site >= cluster.sites.size()) return bad("site");
  if (node.rack != kNoIndex && node.rack >= cluster.racks.size()) return bad("rack");
  if (node.rail != kNoIndex && node.rail >= cluster.rails.size()) return bad("rail");
  if (node.domain != kNoIndex && node.domain >= cluster.domains.size()) return bad("domain");
  if (node.accelerators < 0 || node.accelerators > kDevicesMax) return bad("number of accelerators");
  if (node.accelerators > 0 && node.kind >= cluster.kinds.size()) return bad("kind");
  if (node.cpu_milli < 0 || node.cpu_milli > kAmountMax) return bad("cpu");
  if (node.memory_mib < 0 || node.memory_mib > kAmountMax) return bad("memory");
  if (node.idle_mw < 0 || node.cpu_max_mw < 0) return bad("power");
  return {};
}

Result<void> check_cluster(const Cluster& cluster) {
  for (const Node& node : cluster.nodes) TRY_VOID(check_node(cluster, node));
  for (const Rack& rack : cluster.racks) {
    if (rack.feed != kNoFeed && rack.feed >= cluster.feeds.size()) {
      return invalid(fmt::format("rack {}: its feed is out of range", rack.name));
    }
  }
  for (const Domain& domain : cluster.domains) {
    if (domain.site >= cluster.sites.size())
      return invalid(fmt::format("domain {}: its site is out of range", domain.name));
  }
  return {};
}

Result<void> check_demand(const Workload& w) {
  const Demand& d = w.demand;
  const auto bad = [&](std::string_view what) { return invalid(fmt::format("workload {}: {}", w.id, what)); };
  if (w.tasks < 1) return bad("it has no task");
  if (w.tasks_per_node < 0) return bad("tasks per node are below 0");
  if (d.cpu_milli < 0 || d.cpu_milli > kAmountMax) return bad("its cpu is out of range");
  if (d.memory_mib < 0 || d.memory_mib > kAmountMax) return bad("its memory is out of range");
  if (d.accelerators < 0 || d.accelerators > kDevicesMax) return bad("its accelerators are out of range");
  if (d.accelerator_milli < 1 || d.accelerator_milli > 1000)
    return bad("its part of an accelerator is not 1 to 1000");
  if (d.accelerator_milli < 1000 && d.accelerators > 1)
    return bad("a part of an accelerator needs exactly one device");
  if (w.limit && w.limit->count() <= 0) return bad("its time limit is not above 0");
  if (w.grace.count() < 0) return bad("its grace is below 0");
  for (const std::int32_t draw_milli : {w.accelerator_draw_milli, w.cpu_draw_milli}) {
    if (draw_milli < 0 || draw_milli > 1000) return bad("its predicted draw is not 0 to 1000");
  }
  return {};
}

std::int32_t rank_of(const Workload& workload) { return std::min(workload.priority, kStarvedRank - 1); }

Result<Job*> make_job(State& state, const Workload& workload) {
  TRY_VOID(check_demand(workload));
  if (workload.account >= state.accounts.size()) {
    return invalid(fmt::format("workload {}: there is no account {}", workload.id, workload.account));
  }
  const auto [it, added] = state.jobs.try_emplace(workload.id);
  if (!added) return failure(ErrorCode::kConflict, fmt::format("workload {} is known already", workload.id));
  Job& job = it->second;
  job.work = workload;
  job.rank = rank_of(workload);
  job.limit_s = limit_class(workload.limit);
  job.shape = &intern(state, workload);
  if (state.policy->looks_ahead())
    state.expected.came(workload.demand, kinds_of(state, *job.shape), workload.tasks);
  return &job;
}

/// Quota that was kept for a job which no longer waits for it.
void release_kept(State& state, const Job& job) {
  for (AccountIndex a = job.work.account; a != kNoAccount; a = state.accounts.at(a).account.parent) {
    const auto& kept = state.accounts.at(a).kept;
    if (kept && kept->id == job.work.id) unkeep_quota(state, a, state.counters.passes + 1);
  }
}

bool free_for(const State& state, const Running& running) {
  for (std::size_t i = 0; i < running.places.size(); ++i) {
    const TaskPlace& place = running.places[i];
    if (place.node >= state.pool.size()) return false;
    const bool has_devices = static_cast<std::int32_t>(std::bit_width(place.devices)) <=
                                 state.pool.node(place.node).now.accelerators &&
                             std::popcount(place.devices) == running.workload.demand.accelerators;
    if (!has_devices) return false;
    NodeState free = state.pool.node(place.node).now;
    for (std::size_t j = 0; j < i; ++j) {
      if (running.places[j].node == place.node)
        take(free, running.workload.demand, running.places[j].devices);
    }
    take(free, running.workload.demand, place.devices);
    const bool over =
        std::ranges::any_of(free.device_milli_free, [](std::int16_t milli) { return milli < 0; });
    if (over || free.cpu_milli_free < 0 || free.memory_mib_free < 0) return false;
  }
  return std::ssize(running.places) == running.workload.tasks;
}

Result<Job*> find_running(State& state, WorkloadId id) {
  Job* job = state.find(id);
  if (job == nullptr || job->phase != Phase::kRunning)
    return failure(ErrorCode::kNotFound, fmt::format("workload {} does not run", id));
  return job;
}

/// Pending work, out of the queue with all that was kept for it. It has not waited any more.
Result<Job*> take_from_queue(State& state, WorkloadId id, TimePoint now) {
  Job* job = state.find(id);
  if (job == nullptr || job->phase == Phase::kRunning) {
    return failure(ErrorCode::kNotFound, fmt::format("workload {} is not pending", id));
  }
  release_kept(state, *job);
  if (job->promise) drop_promise(state, *job, now);
  unqueue(state, *job);
  job->rank = rank_of(job->work);
  return job;
}

}  // namespace

Amount capacity_of(const Cluster& cluster) {
  Amount sum;
  for (const Node& node : cluster.nodes) {
    sum.accelerators_milli += std::int64_t{node.accelerators} * 1000;
    sum.cpu_milli += node.cpu_milli;
    sum.memory_mib += node.memory_mib;
  }
  return sum;
}

Scheduler::Scheduler(std::unique_ptr<State> state) : state_(std::move(state)) {}
Scheduler::Scheduler(Scheduler&&) noexcept = default;
Scheduler& Scheduler::operator=(Scheduler&&) noexcept = default;
Scheduler::~Scheduler() = default;

Result<Scheduler> Scheduler::create(Cluster cluster, Accounts accounts, Policies policies,
                                    std::unique_ptr<PlacementPolicy> policy) {
  TRY_VOID(check_cluster(cluster));
  if (policy == nullptr) policy = std::make_unique<TightestFit>();
  const Amount capacity = capacity_of(cluster);
  auto state = std::make_unique<State>(std::move(cluster), std::move(policies), std::move(policy), capacity);
  for (const Account& account : accounts) TRY_VOID(state->accounts.add(account));
  return Scheduler(std::move(state));
}

Result<void> Scheduler::adopt(const Running& running) {
  if (!free_for(*state_, running)) {
    return failure(ErrorCode::kConflict,
                   fmt::format("workload {}: its places are not free", running.workload.id));
  }
  Job& job = *TRY(make_job(*state_, running.workload));
  job.end = end_of(running.workload, running.started);
  if (starves_at(*state_, job) <= running.started) job.rank = kStarvedRank;
  for (const TaskPlace& place : running.places) state_->pool.occupy(job, place);
  begin_running(*state_, job, running.places, running.cap_milli, nullptr, running.started);
  return {};
}

Result<void> Scheduler::submit(const Workload& workload, TimePoint now) {
  Job& job = *TRY(make_job(*state_, workload));
  state_->stale = true;
  if (workload.not_before && *workload.not_before > now) {
    job.phase = Phase::kWaiting;
    state_->waiting.emplace(*workload.not_before, workload.id);
    state_->fresh.push_back(workload.id);
    return {};
  }
  enqueue(*state_, job);
  return {};
}

Result<void> Scheduler::cancel(WorkloadId id, TimePoint now) {
  Job* job = TRY(take_from_queue(*state_, id, now));
  state_->stale = true;
  forget(*state_, *job);
  return {};
}

Result<void> Scheduler::stopping(WorkloadId id, TimePoint by) {
  Job* job = TRY(find_running(*state_, id));
  stop_running(*state_, *job, by);
  state_->released = true;
  return {};
}

Result<void> Scheduler::ended(WorkloadId id, TimePoint now) {
  Job* job = TRY(find_running(*state_, id));
  end_running(*state_, *job, now);
  forget(*state_, *job);
  return {};
}

Result<void> Scheduler::set_not_before(WorkloadId id, std::optional<TimePoint> not_before, TimePoint now) {
  const bool waits = not_before && *not_before > now;
  Job* known = state_->find(id);
  if (known != nullptr && known->phase == Phase::kPending && !waits) {
    change_not_before(*state_, *known, not_before);
    return {};
  }
  Job* job = TRY(take_from_queue(*state_, id, now));
  job->work.not_before = not_before;
  if (waits) {
    job->phase = Phase::kWaiting;
    state_->waiting.emplace(*not_before, id);
    state_->fresh.push_back(id);
  } else {
    enqueue(*state_, *job);
  }
  return {};
}

void Scheduler::set_health(NodeIndex node, Health health, TimePoint now) {
  State& state = *state_;
  if (state.pool.node(node).health == health) return;
  if (health != Health::kReady) {
    while (!state.pool.node(node).promises.empty()) {
      Job& owner = *state.find(state.pool.node(node).promises.front().job->work.id);
      take_promise_away(state, owner, now);
    }
  }
  if (health == Health::kDown) {
    for (const Tenant& tenant : state.pool.node(node).running)
      state.lost.try_emplace(tenant.job->work.id, node);
  }
  state.pool.set_health(node, health);
  state.released = state.power_eased = true;
}

Result<void> Scheduler::set_budget(const BudgetChange& change, TimePoint now) {
  State& state = *state_;
  const bool first = state.power.would_bind(change);
  const std::vector<Job*> running = first ? all_running(state) : std::vector<Job*>{};
  TRY_VOID(state.power.set(change, now, running));
  if (first) {
    // Promises were planned without this budget.
    while (!state.promised.empty()) {
      Job& owner = *state.promised.begin()->second;
      take_promise_away(state, owner, now);
    }
  }
  state.released = state.power_eased = true;
  return {};
}

Result<void> Scheduler::set_quota(AccountIndex account, const Quota& quota) {
  if (account >= state_->accounts.size()) return invalid(fmt::format("there is no account {}", account));
  state_->accounts.at(account).account.quota = quota;
  state_->accounts.ease(account);
  state_->released = true;
  return {};
}

Result<void> Scheduler::set_weight(AccountIndex account, std::int32_t weight_milli) {
  if (account >= state_->accounts.size()) return invalid(fmt::format("there is no account {}", account));
  if (weight_milli <= 0) return invalid(fmt::format("a weight of {}; it must be above 0", weight_milli));
  state_->accounts.at(account).account.weight_milli = weight_milli;
  state_->released = true;
  return {};
}

Result<void> Scheduler::add_account(const Account& account) { return state_->accounts.add(account); }

PastUse Scheduler::past_use(AccountIndex account) const { return state_->accounts.at(account).past; }

Result<void> Scheduler::set_past_use(AccountIndex account, const PastUse& past) {
  if (account >= state_->accounts.size()) return invalid(fmt::format("there is no account {}", account));
  state_->accounts.at(account).past = past;
  return {};
}

void Scheduler::set_site_cost(std::vector<std::int64_t> cost) {
  state_->policies.site_cost = std::move(cost);
}

Plan Scheduler::pass(TimePoint now) { return run_pass(*state_, now, false); }

Plan Scheduler::full_pass(TimePoint now) { return run_pass(*state_, now, true); }

namespace {

/// As of the last pass; members of a group without a promise share it.
std::optional<Reason> what_keeps_now(State& state, Job& job) {
  if (job.promise) return what_keeps(state, job, *state.last_pass, Keeping::kLook);
  Group& group = *job.group;
  if (group.asked_pass != state.counters.passes) {
    group.asked = what_keeps(state, job, *state.last_pass, Keeping::kLook);
    group.asked_pass = state.counters.passes;
  }
  return group.asked;
}

}  // namespace

std::optional<Reason> Scheduler::why(WorkloadId id) const {
  Job* job = state_->find(id);
  if (job == nullptr || job->phase == Phase::kRunning) return std::nullopt;
  Reason reason;
  if (job->reason) {
    reason = *job->reason;
  } else if (job->group != nullptr && job->group->reason) {
    reason = *job->group->reason;
  }
  if (changes_by_itself(reason.code)) {
    if (auto keeps = what_keeps_now(*state_, *job))
      reason = as_it_is(*state_, std::move(reason), *std::move(keeps), *state_->last_pass);
  }
  // What it waited for may be gone since it was told.
  const Job* other = reason.other ? state_->find(*reason.other) : nullptr;
  if (other == nullptr) reason.other.reset();
  if (reason.code == ReasonCode::kPromised && (other == nullptr || !other->promise)) {
    reason.at.reset();
    reason.other.reset();
  }
  return reason;
}

std::optional<TimePoint> Scheduler::expected_start(WorkloadId id) const {
  const Job* job = state_->find(id);
  if (job == nullptr || !job->promise || job->promise->begin >= kSomeDay) return std::nullopt;
  return job->promise->begin;
}

Usage Scheduler::usage() const {
  Usage usage = state_->usage;
  usage.pending = state_->queue.size() + state_->waiting.size();
  for (NodeIndex i = 0; i < state_->cluster.sites.size(); ++i) {
    usage.draw_mw += state_->power.equipment_mw({ScopeKind::kSite, i});
  }
  return usage;
}

std::int64_t Scheduler::draw_mw(Scope scope) const { return state_->power.total_mw(scope); }

std::optional<std::int64_t> Scheduler::budget_mw(Scope scope, TimePoint at) const {
  return state_->power.stated_budget(scope, at);
}

const NodeState& Scheduler::node_state(NodeIndex node) const { return state_->pool.node(node).now; }

Counters Scheduler::counters() const {
  Counters counters = state_->counters;
  counters.steps += state_->pool.steps + state_->power.steps;
  return counters;
}

Result<Plan> decide(const Snapshot& snapshot, TimePoint now) {
  Scheduler scheduler = TRY(Scheduler::create(snapshot.cluster, snapshot.accounts, snapshot.policies));
  for (const BudgetChange& change : snapshot.budgets) TRY_VOID(scheduler.set_budget(change, now));
  for (const Running& running : snapshot.running) TRY_VOID(scheduler.adopt(running));
  for (const Workload& workload : snapshot.queue) TRY_VOID(scheduler.submit(workload, now));
  return scheduler.full_pass(now);
}

}  // namespace millrace::scheduler
