// WorkSite: what the configuration says of nodes, power and carbon, as the scheduler and the ledger want it.
#pragma once

#include <string>

#include "control/work_manager.h"
#include "core/result.h"
#include "energy/power_model.h"
#include "executor/executor.h"
#include "host/config.h"
#include "ledger/prices.h"

namespace millrace::apps {

/// This machine, where the configuration names no nodes.
struct Machine {
  std::string name;
  std::int64_t cores = 1;
  std::int64_t memory_mib = 1024;
  executor::Limits limits = {};  // what can hold workloads here
};
Machine this_machine();

/// Nodes, racks, rails, domains and budgets. `model` is that of the whole machine and stands for it where no node is named.
control::WorkOptions work_options(const host::Config& config, const Machine& machine,
                                  const energy::LinearPowerModel& model);

/// Mean gCO2e/kWh of the site's electricity in [from, to).
using MeanIntensity = std::function<double(TimePoint from, TimePoint to)>;

/// By the configured file of hours, a year of which stands for every year; else, and where it has no such hour, the zone's
/// yearly mean. kInvalidArgument naming the zone, or file and line.
Result<MeanIntensity> mean_intensity(const host::Config& config);

/// A run's energy: its CPU time by the machine's power model, and its accelerators at full draw above idle for as long as
/// they were held (both modelled); its carbon by the mean intensity of the time that it took; its cost by the hours that it
/// held, at the price in force when it started. `prices` is borrowed.
control::ChargeRun run_charge(const scheduler::Cluster& cluster, const energy::LinearPowerModel& model,
                              MeanIntensity intensity, const ledger::PriceBook& prices);

/// Name of the model that run_charge uses, in records (invariant I7).
inline constexpr const char* kRunEnergyModel = "cpu-time-linear-v1+held-accelerators-v1";

/// Yearly mean of the configured zone, gCO2e/kWh. kInvalidArgument for a zone that is not in the table.
Result<double> zone_intensity(const host::Config& config);

/// The outlook of clean hours from a CSV file of hourly intensity; none where the path is empty. A year of hours stands
/// for every year. kInvalidArgument naming file and line.
Result<std::function<std::optional<control::HourOutlook>(TimePoint)>> intensity_outlook(
    const std::string& path, const std::string& zone);

}  // namespace millrace::apps
