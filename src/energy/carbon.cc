#include "energy/carbon.h"

#include <algorithm>

namespace millrace::energy {
namespace {

constexpr ZoneIntensity kYearly[] = {
#include "energy/carbon_zones.inc"
};

}  // namespace

std::span<const ZoneIntensity> yearly_intensities() { return kYearly; }

std::optional<double> yearly_intensity(std::string_view zone) {
  const auto it = std::ranges::lower_bound(kYearly, zone, {}, &ZoneIntensity::zone);
  if (it == std::end(kYearly) || it->zone != zone) return std::nullopt;
  return it->g_per_kwh;
}

std::int64_t co2e_ug(std::int64_t energy_uj, double g_per_kwh) {
  if (energy_uj <= 0 || g_per_kwh <= 0.0) return 0;
  return static_cast<std::int64_t>(static_cast<double>(energy_uj) * g_per_kwh / 3.6e6 + 0.5);
}

}  // namespace millrace::energy
