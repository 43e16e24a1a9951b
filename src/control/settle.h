// Settle: what a run used, and what became of work. Pure.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "control/runs.h"
#include "control/work.h"
#include "scheduler/cluster.h"
#include "store/usage_table.h"

namespace millrace::control {

/// Accelerators of one kind held for some time.
struct HeldAccelerators {
  std::string kind;
  std::int64_t accelerator_ms = 0;  // accelerators (fractions too) x milliseconds
};

struct RunUse {
  RunKey key;
  std::string site, zone;
  TimePoint started_at{}, ended_at{};
  std::int64_t cpu_us = 0;
  std::int64_t cpu_milli = 0, memory_mib = 0;  // held by all its tasks
  std::vector<HeldAccelerators> accelerators;
  std::int64_t accelerator_ms() const;
};

/// What a run's use comes to.
struct RunCharge {
  std::optional<std::int64_t> energy_uj, co2e_ug;
  std::string energy_model, basis = "unknown";
  std::int64_t cost_microeur = 0, price_version = 0;
};
/// The same for the same run, whenever it is asked. On failure the run is settled later.
using ChargeRun = std::function<Result<RunCharge>(const RunUse&)>;

/// `places` are of `cluster`; kNoIndex: a node that left it. What was held there counts all the same; of which kind it was is
/// "unknown" unless the work asked for one.
RunUse use_of(const WantedWork& work, const std::vector<scheduler::TaskPlace>& places, const RunEnd& end,
              RunKey key, const scheduler::Cluster& cluster);

/// The ledger's record; its id follows from the run alone, so that a run that is settled again is not counted again.
store::UsageRecord usage_record(const WantedWork& work, const RunUse& use, const RunCharge& charge,
                                Exit exit);

/// What is kept of a run of `seen` that ended now: before what is known of its end is written there.
EndedRun ended_run(const WantedWork& wanted, const ObservedWork& seen, std::uint32_t number,
                   const RunEnd& end);
/// Appends it, within the bound.
void keep_run(std::vector<EndedRun>& runs, EndedRun run);

/// The state that an end of its life leaves work in.
WorkState state_after(Exit exit);
/// Why, where the run itself did not say: "exited with 3", "was cancelled".
std::string reason_of(Exit exit, const RunEnd* end);

}  // namespace millrace::control
