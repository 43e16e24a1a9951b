#include "energy/power_model.h"

namespace millrace::energy {
namespace {

/// Rounds half up. Inputs stay far below 2^53 microjoules (2.5 MWh), where a double is exact.
std::int64_t round_uj(double uj) { return static_cast<std::int64_t>(uj + 0.5); }

}  // namespace

LinearPowerModel default_power_model(std::int32_t cores, double pue) {
  return {.idle_w = 1.5 * cores, .max_w = 6.0 * cores, .cores = cores, .pue = pue};
}

std::int64_t dynamic_energy_uj(const LinearPowerModel& model, std::int64_t busy_cpu_ns) {
  if (busy_cpu_ns <= 0 || model.cores <= 0 || model.max_w <= model.idle_w) return 0;
  const double watts_per_core = (model.max_w - model.idle_w) / model.cores;
  return round_uj(static_cast<double>(busy_cpu_ns) * watts_per_core * model.pue / 1000.0);
}

std::int64_t node_energy_uj(const LinearPowerModel& model, std::int64_t wall_ns, std::int64_t busy_cpu_ns) {
  if (wall_ns <= 0) return 0;
  return round_uj(static_cast<double>(wall_ns) * model.idle_w * model.pue / 1000.0) +
         dynamic_energy_uj(model, busy_cpu_ns);
}

std::int64_t measured_energy_uj(std::int64_t counter_uj, double pue) {
  return counter_uj <= 0 ? 0 : round_uj(static_cast<double>(counter_uj) * pue);
}

}  // namespace millrace::energy
