// Hourly series: what a kilowatt-hour costs in carbon or in money, hour by hour, looked up by time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/clock.h"
#include "core/result.h"

namespace millrace::energy {

/// What a series answers for hours before its first and after its last.
enum class Outside {
  kWraps,    // it repeats: a year of hours stands for every year
  kUnknown,  // nullopt
};

/// Values are integer thousandths: carbon in mgCO2e/kWh (thousandths of g/kWh), price in thousandths of EUR/MWh, which are
/// micro-euro/kWh. Prices may be negative. Constant after construction.
class HourlySeries {
 public:
  /// `thousandths[i]` holds from `start` + i hours for one hour. 1 to 1,000,000 hours, each value within +-10^9 (10^6 g/kWh
  /// or EUR/MWh); kInvalidArgument otherwise, naming the hour.
  static Result<HourlySeries> create(TimePoint start, std::vector<std::int64_t> thousandths, Outside outside);

  TimePoint start() const { return start_; }
  std::span<const std::int64_t> values() const { return values_; }
  Outside outside() const { return outside_; }

  /// The value in force at `time`; nullopt only outside of a series that does not wrap.
  std::optional<std::int64_t> at(TimePoint time) const;

  /// The first instant after `time` at which another hour begins. Also outside of the series.
  TimePoint next_border(TimePoint time) const;

  /// Sum of value x microseconds over [from, to), exact; 0 if `to` <= `from`. nullopt if a part of the interval is outside
  /// of a series that does not wrap. Takes the same time however long the interval is.
  std::optional<__int128> integral(TimePoint from, TimePoint to) const;

 private:
  HourlySeries(TimePoint start, std::vector<std::int64_t> values, Outside outside);

  TimePoint start_;
  std::vector<std::int64_t> values_;
  std::vector<std::int64_t> sums_;  // sums_[i]: of the first i values
  Outside outside_;
};

/// Micrograms CO2e of a constant draw in [from, to), across hour borders: exact until one rounding half up, saturating.
/// nullopt as HourlySeries::integral.
std::optional<std::int64_t> co2e_ug(const HourlySeries& carbon, std::int64_t draw_mw, TimePoint from,
                                    TimePoint to);

/// Micro-euro of a constant draw in [from, to), likewise; negative where the price is.
std::optional<std::int64_t> energy_cost_microeur(const HourlySeries& price, std::int64_t draw_mw,
                                                 TimePoint from, TimePoint to);

}  // namespace millrace::energy
