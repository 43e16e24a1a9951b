// Hourly CSV: carbon intensity or prices by the hour, a column for each zone.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"
#include "energy/hourly_series.h"

namespace millrace::twin {

/// The column `zone` (gCO2e/kWh or EUR/MWh) of a text whose first column is the time of each hour, UTC, without gaps. The
/// series wraps. Errors name file, line and column.
Result<energy::HourlySeries> read_hourly_csv(std::string_view text, const std::string& file,
                                             std::string_view zone);

}  // namespace millrace::twin
