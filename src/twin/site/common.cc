#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "host/file.h"
#include "twin/site/reader.h"

namespace millrace::twin {

std::int64_t to_milli(double value) { return std::llround(value * 1e3); }
std::int64_t to_micro(double value) { return std::llround(value * 1e6); }
std::chrono::seconds hours_of(double hours) { return std::chrono::seconds(std::llround(hours * 3600)); }

std::string read_named_file(SiteReader& reader, host::TomlTable& table, std::string_view key,
                            const std::string& path) {
  constexpr std::size_t kBytesMax = 256u << 20;
  auto text = host::read_file(path.starts_with('/') ? path : reader.folder + "/" + path, kBytesMax);
  if (text) return std::move(*text);
  table.fail(key, text.error().message);
  return {};
}

std::string read_name(host::TomlTable& table, std::string_view key, NamePlace place) {
  auto name = table.text(key);
  check_name(table, key, name, place);
  return name;
}

void check_name(host::TomlTable& table, std::string_view key, std::string_view name, NamePlace place) {
  const bool in_lists = place == NamePlace::kInLists;
  const auto is_wrong = [in_lists](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F || (in_lists && c == '|');
  };
  if (!name.empty() && std::ranges::none_of(name, is_wrong)) return;
  table.fail(
      key, in_lists ? "a name that stands in lists is not empty and holds no '|', line end or other control "
                      "character"
                    : "a name is not empty and holds no line end or other control character");
}

FailureRate read_failures(host::TomlTable& table) {
  constexpr double kHoursMax = 1e7;
  const double mtbf_h = table.number("mtbf_h", 0, kHoursMax, 0);
  const FailureRate rate{.between = hours_of(mtbf_h),
                         .repair = hours_of(table.number("repair_h", 0, kHoursMax, 0))};
  if (mtbf_h > 0 && rate.never()) table.fail("mtbf_h", "is less than a second; 0 is never");
  if (!rate.never() && rate.repair.count() == 0) table.fail("repair_h", "is missing: mtbf_h needs it");
  return rate;
}

PowerStages read_power(host::TomlTable& table) {
  constexpr double kKilowattsMax = 1e8;
  const auto flat = table.maybe_number("budget_kw", 0.001, kKilowattsMax);
  auto stages = table.tables("power");
  if (flat && !stages.empty()) table.fail("power", "stands beside budget_kw: give one of the two");
  if (flat) return {{.since = TimePoint::min(), .budget_mw = std::llround(*flat * 1e6)}};
  PowerStages power;
  for (auto& stage : stages) {
    const auto from = stage.maybe_time("from");
    const double kilowatts = stage.number("budget_kw", 0.001, kKilowattsMax);
    power.push_back({.since = from.value_or(TimePoint::min()), .budget_mw = std::llround(kilowatts * 1e6)});
    if (power.size() > 1 && power.back().since <= power[power.size() - 2].since) {
      stage.fail("from", "want a time after that of the stage before; only the first may go without");
    }
  }
  return power;
}

namespace {

struct Pattern {
  std::string_view before, digits, after;
};

/// nullopt: it has no braces.
std::optional<Pattern> parts_of(std::string_view pattern) {
  const auto open = pattern.find('{');
  const auto close = pattern.find('}', open);
  if (open == std::string_view::npos || close == std::string_view::npos) return std::nullopt;
  return Pattern{.before = pattern.substr(0, open),
                 .digits = pattern.substr(open + 1, close - open - 1),
                 .after = pattern.substr(close + 1)};
}

}  // namespace

std::string read_pattern(host::TomlTable& table, std::string_view key, std::string_view fallback) {
  constexpr std::size_t kDigitsMax = 9, kBytesMax = 200;
  auto pattern = table.text(key, fallback);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto parts = parts_of(pattern);
  if (parts && (parts->digits.empty() || parts->digits.size() > kDigitsMax ||
                !std::ranges::all_of(parts->digits, is_digit))) {
    table.fail(key, fmt::format("found '{}', want the first number, of 1 to {} digits, between the braces",
                                parts->digits.substr(0, 40), kDigitsMax));
  } else if (pattern.size() > kBytesMax) {
    table.fail(key, fmt::format("has {} bytes, want at most {}", pattern.size(), kBytesMax));
  }
  return pattern;
}

std::string numbered(std::string_view pattern, std::int64_t number) {
  const auto parts = parts_of(pattern);
  if (!parts) return fmt::format("{}-{}", pattern, number + 1);
  std::int64_t first = 1;
  (void)std::from_chars(parts->digits.data(), parts->digits.data() + parts->digits.size(), first);
  return fmt::format("{}{:0{}}{}", parts->before, first + number, parts->digits.size(), parts->after);
}

std::string numbered_of(std::string_view pattern, std::int64_t number, std::int64_t count) {
  return count == 1 && !parts_of(pattern) ? std::string(pattern) : numbered(pattern, number);
}

}  // namespace millrace::twin
