// Carbon: what waiting for clean hours saves, when a job arrives at every hour of a year (`millrace twin carbon`).
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "energy/hourly_series.h"
#include "twin/progress.h"

namespace millrace::twin {

/// What a policy knows at the start of an hour, besides that hour's intensity.
enum class CarbonPolicy {
  kNow,       // nothing: it never waits
  kHistory,   // the hours before
  kForecast,  // the hours before, and a provider's forecast of the next 24
  kOracle,    // every coming hour
};

std::string_view name_of(CarbonPolicy policy);
Result<CarbonPolicy> parse_carbon_policy(std::string_view name);

struct CarbonOptions {
  std::string intensity;  // path of a CSV: twin/hourly_csv.h
  std::string zone;
  std::int64_t job_hours = 24;    // of constant power, 1 to 744
  std::int64_t slack_hours = 24;  // on top of the job's length, 0 to 744
  bool interruptible = false;
  CarbonPolicy policy = CarbonPolicy::kHistory;
  /// Standard deviation, in percent of the true value, of an error that multiplies what a policy is told: the provider's
  /// hours of kForecast and kOracle; every observed hour, the current one too, of kHistory. One draw (a sum of twelve uniform
  /// ones, so nearly normal) for each hour, the same whenever that hour is told. Emissions are counted at the true values.
  double error_pct = 0.0;  // 0 to 100
  std::uint64_t seed = 1;  // of that error
};

struct CarbonResult {
  CarbonOptions options;
  std::int64_t jobs = 0;                  // one for each hour of the series
  double saving_pct = 0.0;                // 100 x (1 - sum of emissions / their sum if each job ran at once)
  double oracle_saving_pct = 0.0;         // with every coming hour known exactly
  std::optional<double> share_of_oracle;  // nullopt where the oracle saves nothing
  std::string forecaster;
};

/// Reads the file and runs `shift_year`.
Result<CarbonResult> run_carbon(const CarbonOptions& options, const Progress& progress);

/// One job at each hour of the series, which wraps: jobs of its last hours end in its first ones. Learning starts with
/// nothing at the first hour and goes on through the wrapped hours; it knows of no year before. kInvalidArgument for
/// options out of range and a series whose mean is not positive.
Result<CarbonResult> shift_year(const energy::HourlySeries& series, const CarbonOptions& options,
                                const Progress& progress);

boost::json::object to_json(const CarbonResult& result);

}  // namespace millrace::twin
