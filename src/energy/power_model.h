// Power model: what a node draws, from how busy it is. All energies are integers in microjoules, so sums are exact.
#pragma once

#include <cstdint>

namespace millrace::energy {

/// Linear in utilisation: P = idle + u x (max - idle), with u = busy CPU time / (cores x wall time); times PUE
/// (Fan, Weber, Barroso: "Power provisioning for a warehouse-sized computer", ISCA 2007, section 3.2).
struct LinearPowerModel {
  double idle_w = 0.0;
  double max_w = 0.0;
  std::int32_t cores = 1;
  double pue = 1.0;  // energy of the site / energy of its IT equipment, at least 1
};

/// Name of this model in records (invariant I7).
inline constexpr const char* kLinearPowerModelName = "cpu-time-linear-v1";

/// Watts of a node whose real figures were not given: 1.5 W idle and 6 W at full load for each core, the order of
/// published SPECpower_ssj2008 results of two-socket servers. Settings replace them.
LinearPowerModel default_power_model(std::int32_t cores, double pue);

/// What `busy_cpu_ns` of CPU time adds to the idle draw. Monotone in `busy_cpu_ns`; 0 for 0.
std::int64_t dynamic_energy_uj(const LinearPowerModel& model, std::int64_t busy_cpu_ns);

/// The node's whole energy over `wall_ns` with `busy_cpu_ns` of CPU time used: idle plus dynamic.
std::int64_t node_energy_uj(const LinearPowerModel& model, std::int64_t wall_ns, std::int64_t busy_cpu_ns);

/// Energy read from a counter (RAPL), with PUE applied.
std::int64_t measured_energy_uj(std::int64_t counter_uj, double pue);

}  // namespace millrace::energy
