// Clock: the port through which all code learns the time; tests and the twin pass their own.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace millrace {

/// Wall-clock instant in UTC, microseconds.
using TimePoint = std::chrono::sys_time<std::chrono::microseconds>;
/// Instant on a clock that never goes back; only differences mean something.
using MonotonicPoint = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

/// Safe to call from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint now() const = 0;
  virtual MonotonicPoint monotonic() const = 0;
};

/// "2026-11-22T10:00:00.123456Z" (RFC 3339, always UTC, always six decimals, so text order is time order).
std::string to_rfc3339(TimePoint time);

/// Accepts RFC 3339 with 0 to 9 decimals and any offset, and a bare date "2026-11-22" (midnight UTC).
/// kInvalidArgument otherwise.
Result<TimePoint> parse_rfc3339(std::string_view text);

/// Calendar month in UTC as year * 100 + month, e.g. 202611.
std::int32_t month_of(TimePoint time);

/// First instant of the calendar month after `time`, UTC.
TimePoint next_month(TimePoint time);

/// "2026-11-22", UTC.
std::string date_of(TimePoint time);

}  // namespace millrace
