#include "core/amount.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>

namespace millrace {
namespace {

constexpr std::int64_t kMostBytes = std::int64_t{1} << 53;
constexpr std::int64_t kMostSeconds = std::int64_t{10} * 366 * 24 * 3600;
constexpr int kMostDecimals = 6;

struct Unit {
  std::string_view name;
  std::int64_t factor;
};
constexpr std::array kSizes = {
    Unit{"", 1},
    Unit{"B", 1},
    Unit{"kB", 1000},
    Unit{"KiB", 1 << 10},
    Unit{"MB", 1'000'000},
    Unit{"MiB", 1 << 20},
    Unit{"GB", 1'000'000'000},
    Unit{"GiB", 1 << 30},
    Unit{"TB", 1'000'000'000'000},
    Unit{"TiB", std::int64_t{1} << 40},
};
// The larger first: so they are written, and so they must be read.
constexpr std::array kTimes = {Unit{"d", 86'400}, Unit{"h", 3600}, Unit{"m", 60}, Unit{"s", 1}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Takes the digits at the front of `text`; false if there are none or too many.
bool take_number(std::string_view& text, std::int64_t& value) {
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || !is_digit(text.front()) || fault != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

/// `whole` and a fraction of `digits` digits, times `factor`; false beyond `most`.
bool scale(std::int64_t whole, std::int64_t fraction, int digits, std::int64_t factor, std::int64_t most,
           std::int64_t& value) {
  if (whole > most / factor) return false;
  std::int64_t divisor = 1;
  for (int i = 0; i < digits; ++i) divisor *= 10;
  // Below 2^40 * 10^6 < 2^63, so this cannot overflow.
  value = whole * factor + fraction * factor / divisor;
  return value <= most;
}

}  // namespace

Result<std::int64_t> parse_size(std::string_view text) {
  const auto wrong = [&] {
    return failure(ErrorCode::kInvalidArgument,
                   fmt::format("'{}' is no size: want one such as 512MiB or 2GiB", text.substr(0, 40)));
  };
  std::string_view rest = text;
  std::int64_t whole = 0;
  if (!take_number(rest, whole)) return wrong();
  std::int64_t fraction = 0;
  int digits = 0;
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    const std::size_t before = rest.size();
    if (!take_number(rest, fraction) || before - rest.size() > kMostDecimals) return wrong();
    digits = static_cast<int>(before - rest.size());
  }
  for (const Unit& unit : kSizes) {
    if (unit.name != rest) continue;
    std::int64_t bytes = 0;
    if (!scale(whole, fraction, digits, unit.factor, kMostBytes, bytes)) return wrong();
    return bytes;
  }
  return wrong();
}

std::string format_size(std::int64_t bytes) {
  constexpr std::array kBinary = {Unit{"TiB", std::int64_t{1} << 40}, Unit{"GiB", 1 << 30},
                                  Unit{"MiB", 1 << 20}, Unit{"KiB", 1 << 10}};
  for (const Unit& unit : kBinary) {
    if (bytes != 0 && bytes % unit.factor == 0) return fmt::format("{}{}", bytes / unit.factor, unit.name);
  }
  return fmt::format("{}B", bytes);
}

Result<std::chrono::seconds> parse_duration(std::string_view text) {
  const auto wrong = [&] {
    return failure(ErrorCode::kInvalidArgument,
                   fmt::format("'{}' is no time: want one such as 45s, 30m or 1h30m", text.substr(0, 40)));
  };
  std::string_view rest = text;
  std::int64_t total = 0;
  std::int64_t last_factor = std::numeric_limits<std::int64_t>::max();
  while (!rest.empty() || last_factor == std::numeric_limits<std::int64_t>::max()) {
    std::int64_t value = 0;
    if (!take_number(rest, value)) return wrong();
    const Unit* found = nullptr;
    for (const Unit& unit : kTimes) {
      if (rest.starts_with(unit.name)) found = &unit;
    }
    const bool is_bare = rest.empty() && last_factor == std::numeric_limits<std::int64_t>::max();
    if (found == nullptr && !is_bare) return wrong();
    const std::int64_t factor = found != nullptr ? found->factor : 1;
    if (factor >= last_factor || value > kMostSeconds / factor) return wrong();
    total += value * factor;
    if (found != nullptr) rest.remove_prefix(found->name.size());
    last_factor = factor;
  }
  if (total > kMostSeconds) return wrong();
  return std::chrono::seconds(total);
}

std::string format_duration(std::chrono::seconds time) {
  std::string text;
  std::int64_t left = time.count();
  for (const Unit& unit : kTimes) {
    if (left >= unit.factor) text += fmt::format("{}{}", left / unit.factor, unit.name);
    left %= unit.factor;
  }
  return text.empty() ? "0s" : text;
}

}  // namespace millrace
