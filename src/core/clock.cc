#include "core/clock.h"

#include <fmt/format.h>

namespace millrace {
namespace {

using std::chrono::days;
using std::chrono::microseconds;
using std::chrono::sys_days;
using std::chrono::year_month_day;

year_month_day day_of(TimePoint time) { return year_month_day{std::chrono::floor<days>(time)}; }

/// Reads exactly `width` digits at `at`; -1 if they are not all digits.
int digits(std::string_view text, std::size_t at, std::size_t width) {
  if (at + width > text.size()) return -1;
  int value = 0;
  for (std::size_t i = at; i < at + width; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

std::unexpected<Error> bad_time(std::string_view text) {
  return failure(
      ErrorCode::kInvalidArgument,
      fmt::format("'{}' is not a time: write 2026-11-22T10:00:00Z or 2026-11-22", text.substr(0, 64)));
}

/// Minutes east of UTC written at `at` ("Z", "+01:00"); INT_MIN if malformed or not at the end.
int offset_minutes(std::string_view text, std::size_t at) {
  constexpr int kBad = -100000;
  if (at >= text.size()) return kBad;
  if (text[at] == 'Z' || text[at] == 'z') return at + 1 == text.size() ? 0 : kBad;
  if ((text[at] != '+' && text[at] != '-') || text.size() != at + 6 || text[at + 3] != ':') return kBad;
  const int hours = digits(text, at + 1, 2);
  const int minutes = digits(text, at + 4, 2);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return kBad;
  return (text[at] == '-' ? -1 : 1) * (hours * 60 + minutes);
}

}  // namespace

std::string to_rfc3339(TimePoint time) {
  const auto day = std::chrono::floor<days>(time);
  const year_month_day date{day};
  const auto us = (time - day).count();
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     us / 3'600'000'000, us / 60'000'000 % 60, us / 1'000'000 % 60, us % 1'000'000);
}

Result<TimePoint> parse_rfc3339(std::string_view text) {
  const int year = digits(text, 0, 4);
  const int month = digits(text, 5, 2);
  const int day = digits(text, 8, 2);
  if (year < 0 || month < 0 || day < 0 || text[4] != '-' || text[7] != '-') return bad_time(text);
  const year_month_day date{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
                            std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return bad_time(text);
  const TimePoint midnight = sys_days{date};
  if (text.size() == 10) return midnight;

  const int hour = digits(text, 11, 2);
  const int minute = digits(text, 14, 2);
  const int second = digits(text, 17, 2);
  if ((text[10] != 'T' && text[10] != 't' && text[10] != ' ') || hour < 0 || hour > 23 || minute < 0 ||
      minute > 59 || second < 0 || second > 60 || text[13] != ':' || text[16] != ':') {
    return bad_time(text);
  }
  std::size_t at = 19;
  std::int64_t fraction_us = 0;
  if (at < text.size() && text[at] == '.') {
    std::int64_t scale = 100'000;
    const std::size_t first = ++at;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9' && at - first < 9; ++at, scale /= 10) {
      fraction_us += (text[at] - '0') * scale;
    }
    if (at == first) return bad_time(text);
  }
  const int offset = offset_minutes(text, at);
  if (offset < -2000) return bad_time(text);
  return midnight + std::chrono::hours{hour} + std::chrono::minutes{minute - offset} +
         std::chrono::seconds{second} + microseconds{fraction_us};
}

std::int32_t month_of(TimePoint time) {
  const auto date = day_of(time);
  return static_cast<int>(date.year()) * 100 + static_cast<std::int32_t>(static_cast<unsigned>(date.month()));
}

TimePoint next_month(TimePoint time) {
  const auto date = day_of(time);
  return sys_days{(date.year() / date.month() + std::chrono::months{1}) / 1};
}

std::string date_of(TimePoint time) { return to_rfc3339(time).substr(0, 10); }

}  // namespace millrace
