#include "twin/pass.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_map>
#include <vector>

#include "core/rng.h"
#include "scheduler/scheduler.h"

namespace millrace::twin {
namespace {

using scheduler::Cluster;
using scheduler::Plan;
using scheduler::Running;
using scheduler::Scheduler;
using scheduler::Snapshot;
using scheduler::Workload;
using scheduler::WorkloadId;

constexpr std::array kLimitsMin = {30, 60, 120, 240, 480, 720, 1440, 2880};
constexpr std::array kGangs = {2, 4, 4, 8, 8, 16, 16, 32, 64, 128};
constexpr std::int64_t kNodesPerRack = 4;
constexpr std::int64_t kNodesPerDomain = 32;
constexpr int kFullPasses = 11;
constexpr int kEvents = 201;
/// 2026-01-01T00:00:00Z; any instant would do.
constexpr TimePoint kStart{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};

Cluster cluster_of(const PassOptions& options) {
  Cluster cluster;
  Capability kind;
  kind.kind = "h100";
  kind.memory_bytes = std::int64_t{80} << 30;
  kind.power_idle_w = 70;
  kind.power_max_w = 700;
  cluster.kinds.push_back(kind);
  cluster.sites.push_back({.name = "site", .zone = "FR", .jurisdiction = "FR", .pue = 1.2});
  for (std::int64_t i = 0; i < options.nodes; ++i) {
    const auto rack = static_cast<scheduler::RackIndex>(i / kNodesPerRack);
    const auto domain = static_cast<scheduler::DomainIndex>(i / kNodesPerDomain);
    if (rack == cluster.racks.size()) cluster.racks.push_back({.name = fmt::format("r{}", rack)});
    if (domain == cluster.domains.size()) cluster.domains.push_back({.name = fmt::format("d{}", domain)});
    scheduler::Node node;
    node.name = fmt::format("n{}", i);
    node.rack = rack;
    node.domain = domain;
    node.accelerators = options.accelerators;
    node.cpu_milli = std::int64_t{12'000} * options.accelerators;
    node.memory_mib = std::int64_t{200'000} * options.accelerators;
    node.idle_mw = 2'000'000;
    node.cpu_max_mw = 700'000;
    cluster.nodes.push_back(std::move(node));
  }
  return cluster;
}

class Mix {
 public:
  Mix(std::uint64_t seed, const PassOptions& options) : rng_(seed), options_(options) {}

  Workload next() {
    Workload w;
    w.id = ++made_;
    w.submitted = kStart - std::chrono::hours(1) + std::chrono::milliseconds(made_);
    const std::uint64_t x = rng_.next() % 100;
    std::int32_t devices = options_.accelerators;
    if (x < 35) {
      devices = 1;
    } else if (x < 50) {
      devices = 2;
    } else if (x < 62) {
      devices = 4;
    } else if (x >= 85) {
      w.tasks = kGangs[rng_.next() % kGangs.size()];
    }
    devices = std::min(devices, options_.accelerators);
    w.demand = {.cpu_milli = std::int64_t{12'000} * devices,
                .memory_mib = std::int64_t{200'000} * devices,
                .accelerators = devices};
    w.limit = std::chrono::minutes(kLimitsMin[rng_.next() % kLimitsMin.size()]);
    w.nice = static_cast<std::int32_t>(rng_.next() % 1000);
    return w;
  }

  std::int64_t below(std::int64_t bound) {
    return static_cast<std::int64_t>(rng_.next() % static_cast<std::uint64_t>(bound));
  }

 private:
  SeededRng rng_;
  const PassOptions& options_;
  WorkloadId made_ = 0;
};

scheduler::Accounts one_account() {
  scheduler::Account account;
  account.name = "all";
  account.quota = scheduler::kUnlimitedQuota;
  return {account};
}

/// Running jobs that leave less than one node free.
Result<std::vector<Running>> fill(const Snapshot& snapshot, Mix& mix, const PassOptions& options) {
  scheduler::Policies policies = snapshot.policies;
  policies.reservations = 0;
  Scheduler scheduler = TRY(Scheduler::create(snapshot.cluster, snapshot.accounts, policies));
  const std::int64_t capacity = options.nodes * options.accelerators * 1000;
  std::unordered_map<WorkloadId, Workload> submitted;
  std::vector<Running> running;
  while (capacity - scheduler.usage().used.accelerators_milli >= std::int64_t{options.accelerators} * 1000) {
    const Workload w = mix.next();
    TRY_VOID(scheduler.submit(w, kStart));
    submitted.emplace(w.id, w);
    for (const auto& start : scheduler.pass(kStart).starts) {
      Running r;
      r.workload = submitted.at(start.id);
      r.places = start.places;
      r.started = kStart - std::chrono::seconds(mix.below(r.workload.limit->count() - 60));
      running.push_back(std::move(r));
    }
  }
  return running;
}

std::optional<double> median(std::vector<double> values) {
  if (values.empty()) return std::nullopt;
  std::ranges::sort(values);
  return values[values.size() / 2];
}

class Stopwatch {
 public:
  explicit Stopwatch(const Clock& clock) : clock_(clock), since_(clock.monotonic()) {}
  double ms() const { return std::chrono::duration<double, std::milli>(clock_.monotonic() - since_).count(); }

 private:
  const Clock& clock_;
  MonotonicPoint since_;
};

Result<Scheduler> build(const Snapshot& snapshot) {
  Scheduler scheduler = TRY(Scheduler::create(snapshot.cluster, snapshot.accounts, snapshot.policies));
  for (const Running& r : snapshot.running) TRY_VOID(scheduler.adopt(r));
  for (const Workload& w : snapshot.queue) TRY_VOID(scheduler.submit(w, kStart));
  return scheduler;
}

/// Ends one of the running jobs before its limit.
Result<void> end_one(Scheduler& scheduler, std::vector<WorkloadId>& running, Mix& mix, TimePoint now) {
  const auto at = static_cast<std::size_t>(mix.below(std::ssize(running)));
  const WorkloadId id = running[at];
  running[at] = running.back();
  running.pop_back();
  return scheduler.ended(id, now);
}

void note(const Plan& plan, std::vector<WorkloadId>& running) {
  for (const auto& start : plan.starts) running.push_back(start.id);
}

/// Passes over everything, then events, each after one more job has ended.
Result<void> time_warm(Scheduler& scheduler, std::vector<WorkloadId>& running, Mix& mix, const Clock& clock,
                       PassResult& result) {
  TimePoint now = kStart;
  std::vector<double> passes;
  std::vector<double> events;
  for (int i = 0; i < kFullPasses && !running.empty(); ++i) {
    now += std::chrono::seconds(1);
    TRY_VOID(end_one(scheduler, running, mix, now));
    const Stopwatch watch(clock);
    const Plan plan = scheduler.full_pass(now);
    passes.push_back(watch.ms());
    note(plan, running);
  }
  for (int i = 0; i < kEvents && !running.empty(); ++i) {
    now += std::chrono::milliseconds(1);
    const Stopwatch watch(clock);
    TRY_VOID(end_one(scheduler, running, mix, now));
    const Plan plan = scheduler.pass(now);
    events.push_back(watch.ms());
    note(plan, running);
  }
  result.pass_ms = median(passes);
  result.event_ms = median(events);
  return {};
}

}  // namespace

Result<PassResult> run_pass(const PassOptions& options, const Clock& clock, const Progress& progress) {
  // Nodes as in a site file.
  constexpr std::int64_t kNodesMax = 200'000, kPendingMax = 10'000'000;
  if (options.nodes < 1 || options.nodes > kNodesMax || options.accelerators < 1 ||
      options.accelerators > scheduler::kDevicesMax || options.pending < 0 || options.pending > kPendingMax) {
    return failure(ErrorCode::kInvalidArgument,
                   fmt::format("{} nodes with {} accelerators and {} pending: give 1 to {} nodes, 1 to {} "
                               "accelerators, and 0 to {} "
                               "pending",
                               options.nodes, options.accelerators, options.pending, kNodesMax,
                               scheduler::kDevicesMax, kPendingMax));
  }
  const auto report = [&](double done, std::string_view what) {
    if (progress) progress(done, what);
  };
  Mix mix(options.seed, options);
  Snapshot snapshot;
  snapshot.cluster = cluster_of(options);
  snapshot.accounts = one_account();
  snapshot.policies.reservations = options.reservations;
  report(0.0, "filling the cluster");
  snapshot.running = TRY(fill(snapshot, mix, options));
  for (std::int64_t i = 0; i < options.pending; ++i) snapshot.queue.push_back(mix.next());

  PassResult result;
  report(0.5, "first pass");
  const Stopwatch cold(clock);
  Scheduler scheduler = TRY(build(snapshot));
  const Plan first = scheduler.full_pass(kStart);
  result.cold_ms = cold.ms();
  result.started = std::ssize(first.starts);
  result.held = std::ssize(first.holds);
  for (const Workload& w : snapshot.queue) result.promised += scheduler.expected_start(w.id) ? 1 : 0;

  std::vector<WorkloadId> running;
  for (const Running& r : snapshot.running) running.push_back(r.workload.id);
  note(first, running);
  result.running = std::ssize(running);
  TRY_VOID(time_warm(scheduler, running, mix, clock, result));
  report(1.0, "done");
  return result;
}

boost::json::object to_json(const PassResult& r) {
  const auto or_null = [](const std::optional<double>& value) {
    return value ? boost::json::value(*value) : boost::json::value(nullptr);
  };
  return {{"cold_ms", r.cold_ms},
          {"pass_ms", or_null(r.pass_ms)},
          {"event_ms", or_null(r.event_ms)},
          {"started", r.started},
          {"held", r.held},
          {"promised", r.promised},
          {"running", r.running}};
}

}  // namespace millrace::twin
