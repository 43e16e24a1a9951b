#include "twin/page/html.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "host/utf8.h"

namespace millrace::twin::page {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::minutes;

constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

std::string with_separators(std::string digits) {
  const auto point = std::min(digits.find('.'), digits.size());
  const std::size_t first = digits.starts_with('-') ? 1 : 0;
  for (auto at = point; at > first + 3;) digits.insert(at -= 3, ",");
  return digits;
}

std::chrono::year_month_day day_of(TimePoint time) {
  return std::chrono::year_month_day{std::chrono::floor<days>(time)};
}

std::string day_label(TimePoint time) {
  const auto date = day_of(time);
  return fmt::format("{} {}", static_cast<unsigned>(date.day()),
                     kMonths[static_cast<unsigned>(date.month()) - 1]);
}

std::string clock_label(TimePoint time) {
  const auto since = time - std::chrono::floor<days>(time);
  return fmt::format("{:02}:{:02}", since / hours(1), since / minutes(1) % 60);
}

std::string seconds_text(double seconds) {
  if (seconds < 0) return "-" + seconds_text(-seconds);
  if (seconds < 120) return figure(seconds) + " s";
  const auto whole_minutes = std::llround(seconds / 60);
  if (whole_minutes < 180) return fmt::format("{} min", whole_minutes);
  const auto whole_hours = std::llround(seconds / 3600);
  if (whole_hours < 72) return fmt::format("{} h {} min", whole_minutes / 60, whole_minutes % 60);
  return fmt::format("{} d {} h", whole_hours / 24, whole_hours % 24);
}

TimeTicks month_ticks(TimePoint from, TimePoint to, int every) {
  TimeTicks ticks{.at = {}, .labels = {}, .what = "month, UTC"};
  const auto date = day_of(from);
  auto month = date.year() / date.month();
  for (int i = 0; i < 10'000; ++i, month += std::chrono::months(1)) {
    const TimePoint at = std::chrono::sys_days(month / 1);
    if (at > to) break;
    const auto number = static_cast<unsigned>(month.month()) - 1;
    if (at < from || static_cast<int>(number) % std::min(every, 12) != 0) continue;
    if (every > 12 && static_cast<int>(month.year()) % (every / 12) != 0) continue;
    ticks.at.push_back(at);
    ticks.labels.push_back(every >= 12
                               ? fmt::format("{}", static_cast<int>(month.year()))
                               : fmt::format("{} {}", kMonths[number], static_cast<int>(month.year())));
  }
  return ticks;
}

}  // namespace

std::string escape(std::string_view text) {
  std::string out;
  const bool sound = host::is_utf8(text);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (byte == 0x7F || (byte < 0x20 && c != '\n' && c != '\t') || (byte >= 0x80 && !sound)) {
      out += "\xEF\xBF\xBD";
    } else {
      out += c;
    }
  }
  return out;
}

std::string figure(double value) {
  if (!std::isfinite(value)) return "-";
  const double size = std::abs(value);
  if (size >= 1e15 || (size > 0 && size < 1e-4)) return fmt::format("{:.3g}", value);
  const int decimals = size >= 100 || size == 0 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.1 ? 3 : 4;
  auto text = fmt::format("{:.{}f}", value, decimals);
  if (text.find('.') != std::string::npos) {
    while (text.back() == '0') text.pop_back();
    if (text.back() == '.') text.pop_back();
  }
  return with_separators(std::move(text));
}

std::string figure(double value, std::string_view unit) {
  if (!std::isfinite(value)) return "-";
  if (unit == "s") return seconds_text(value);
  if (unit.empty()) return figure(value);
  if (unit == "MWh" && std::abs(value) >= 1e4) return figure(value / 1e3) + " GWh";
  if (unit == "t" && std::abs(value) >= 1e5) return figure(value / 1e3) + " kt";
  if (unit == "EUR" && std::abs(value) >= 1e9) return figure(value / 1e9) + " G EUR";
  if (unit == "EUR" && std::abs(value) >= 1e6) return figure(value / 1e6) + " M EUR";
  return fmt::format("{} {}", figure(value), unit);
}

std::string coordinate(double value) {
  auto text = fmt::format("{:.2f}", std::isfinite(value) ? value : 0.0);
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

Ticks round_ticks(double least, double most, int count) {
  if (!std::isfinite(least) || !std::isfinite(most) || most < least) {
    least = 0;
    most = 1;
  }
  if (most == least) most = least + (least == 0 ? 1 : std::abs(least));
  const double raw = (most - least) / std::max(count, 1);
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double part : {1.0, 2.0, 2.5, 5.0}) {
    if (part * power >= raw * (1 - 1e-9)) {
      step = part * power;
      break;
    }
  }
  Ticks ticks;
  const double first = std::floor(least / step + 1e-9), last = std::ceil(most / step - 1e-9);
  for (double i = first; i <= last; ++i) ticks.at.push_back(i * step);
  ticks.least = first * step;
  ticks.most = last * step;
  return ticks;
}

TimeTicks time_ticks(TimePoint from, TimePoint to, int count) {
  const auto length = to - from;
  constexpr std::array<microseconds, 14> kSteps = {minutes(1), minutes(5), minutes(10), minutes(30), hours(1),
                                                   hours(2),   hours(3),   hours(6),    hours(12),   days(1),
                                                   days(2),    days(5),    days(7),     days(14)};
  for (const auto step : kSteps) {
    if (length / step > count) continue;
    TimeTicks ticks{.at = {}, .labels = {}, .what = step < days(1) ? "time, UTC" : "date, UTC"};
    // From a midnight, so that steps of hours meet the hours of the day, and of days the first day of the run.
    for (TimePoint at = std::chrono::floor<days>(from); at <= to; at += step) {
      if (at < from) continue;
      const bool midnight = at == std::chrono::floor<days>(at);
      ticks.at.push_back(at);
      ticks.labels.push_back(midnight ? day_label(at) : clock_label(at));
    }
    return ticks;
  }
  for (const int every : {1, 2, 3, 6, 12, 24, 60, 120}) {
    auto ticks = month_ticks(from, to, every);
    if (std::cmp_less_equal(ticks.at.size(), count)) return ticks;
  }
  return {};
}

std::string moment(TimePoint time) {
  return fmt::format("{} {}, {}", day_label(time), static_cast<int>(day_of(time).year()), clock_label(time));
}

}  // namespace millrace::twin::page
