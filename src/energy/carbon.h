// Carbon: grams of CO2 equivalent from energy and a zone's intensity (location-based, life-cycle).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace millrace::energy {

struct ZoneIntensity {
  std::string_view zone;   // Electricity Maps code: "FR", "SE-SE3"
  double g_per_kwh = 0.0;  // yearly mean, gCO2e/kWh
};

/// Yearly means of 2025, sorted by zone (Electricity Maps, ODbL; data/SOURCE.txt).
std::span<const ZoneIntensity> yearly_intensities();

/// nullopt if the table does not hold the zone.
std::optional<double> yearly_intensity(std::string_view zone);

/// Micrograms CO2e: 1 kWh is 3.6e12 microjoules. Rounds half up.
std::int64_t co2e_ug(std::int64_t energy_uj, double g_per_kwh);

}  // namespace millrace::energy
