// Small random sites, accounts and workloads, and the executor that a test needs.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "core/rng.h"
#include "scheduler/scheduler.h"

namespace millrace::scheduler::testing {

/// 2026-11-22T00:00:00Z.
inline constexpr TimePoint kStart{std::chrono::sys_days{std::chrono::year{2026} / 11 / 22}};

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : rng_(std::make_unique<SeededRng>(seed)) {}
  explicit Dice(std::unique_ptr<Rng> rng) : rng_(std::move(rng)) {}
  /// 0 to bound - 1.
  int below(int bound) { return static_cast<int>(last_ = rng_->next() % static_cast<std::uint64_t>(bound)); }
  bool one_in(int n) { return below(n) == 0; }
  template <typename T>
  const T& pick(const std::vector<T>& from) {
    return from[static_cast<std::size_t>(below(static_cast<int>(from.size())))];
  }
  std::uint64_t last_draw() const { return last_; }

 private:
  std::unique_ptr<Rng> rng_;
  std::uint64_t last_ = 0;
};

/// How many a test of random worlds tries: MILLRACE_SEEDS, else 2,000, or 60,000 with MILLRACE_LONG.
std::uint64_t seeds();

/// One site of equal nodes: 8 accelerators of 100 to 700 W, 96 cores, 1 kW idle.
Cluster even_cluster(int nodes);
Accounts one_account();
/// A core, 100 MiB and so many accelerators for each task; submitted `id` seconds after kStart.
Workload job_of(WorkloadId id, int accelerators,
                std::optional<std::chrono::seconds> limit = std::chrono::hours(1), int tasks = 1);
/// A quarter of a node of even_cluster, preemptible, for a day; it draws 1.2 kW.
Workload quarter(WorkloadId id, TimePoint submitted = kStart);

/// What a plan tells to stop, by id.
std::vector<WorkloadId> stopped(const Plan& plan);

/// Up to two sites, nine nodes of up to four devices, racks, domains, two kinds.
Cluster random_cluster(Dice& dice);
/// Two tenants with up to two projects each, some with tight quotas.
Accounts random_accounts(Dice& dice, bool tight);
Workload random_workload(Dice& dice, WorkloadId id, TimePoint now, std::size_t accounts);

}  // namespace millrace::scheduler::testing
