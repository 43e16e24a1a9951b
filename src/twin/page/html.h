// Html: text of pages and drawings: escaping, figures as a person reads them, ticks of axes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"

namespace millrace::twin::page {

/// For text and attributes in double quotes; control characters, and all beyond ASCII of text that is not UTF-8, become U+FFFD.
std::string escape(std::string_view text);

/// Three to four digits that count and thousands separators: 0.0123, 4.57, 12,345. NaN: "-".
std::string figure(double value);
/// The figure with its unit as a person reads it: "1 h 24 min" for seconds, "1.24 M EUR", "93.1 %".
std::string figure(double value, std::string_view unit);

/// A coordinate: at most two decimals.
std::string coordinate(double value);

struct Ticks {
  std::vector<double> at;
  double least = 0, most = 1;  // the axis: from the first tick to the last, holding all values
};
/// About `count` round steps (1, 2, 2.5, 5 x 10^n).
Ticks round_ticks(double least, double most, int count);

struct TimeTicks {
  std::vector<TimePoint> at;
  std::vector<std::string> labels;  // "5 Jan", "14:00", "Mar 2026"
  std::string what;                 // of the axis: "time, UTC", "date, UTC"
};
/// At most `count` round moments in [from, to].
TimeTicks time_ticks(TimePoint from, TimePoint to, int count);

/// "5 Jan 2026, 14:20"
std::string moment(TimePoint time);

}  // namespace millrace::twin::page
