#include "energy/hourly_series.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

namespace millrace::energy {
namespace {

constexpr std::int64_t kHourUs = 3'600'000'000;
constexpr std::size_t kHoursMax = 1'000'000;
constexpr std::int64_t kValueMax = 1'000'000'000;

/// 1 mW for 1 us is 1 nJ, and a kilowatt-hour is 3.6e15 nJ. A thousandth of a g/kWh is 1000 ug/kWh; a thousandth of a
/// EUR/MWh is 1 micro-euro/kWh.
constexpr std::int64_t kCarbonDivisor = 3'600'000'000'000;
constexpr std::int64_t kPriceDivisor = 3'600'000'000'000'000;

std::int64_t microseconds(TimePoint time) { return time.time_since_epoch().count(); }

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

std::optional<std::int64_t> scaled(std::optional<__int128> integral, std::int64_t draw_mw,
                                   std::int64_t divisor) {
  using Limits = std::numeric_limits<std::int64_t>;
  if (!integral) return std::nullopt;
  __int128 numerator = 0;
  if (__builtin_mul_overflow(*integral, draw_mw, &numerator)) {
    return (*integral < 0) == (draw_mw < 0) ? Limits::max() : Limits::min();
  }
  __int128 quotient = numerator / divisor;
  __int128 rest = numerator % divisor;
  if (rest < 0) {
    rest += divisor;
    --quotient;
  }
  if (2 * rest >= divisor) ++quotient;
  return static_cast<std::int64_t>(std::clamp<__int128>(quotient, Limits::min(), Limits::max()));
}

}  // namespace

Result<HourlySeries> HourlySeries::create(TimePoint start, std::vector<std::int64_t> thousandths,
                                          Outside outside) {
  if (thousandths.empty() || thousandths.size() > kHoursMax) {
    return failure(ErrorCode::kInvalidArgument, fmt::format("an hourly series holds {} hours: give 1 to {}",
                                                            thousandths.size(), kHoursMax));
  }
  for (std::size_t i = 0; i < thousandths.size(); ++i) {
    if (thousandths[i] < -kValueMax || thousandths[i] > kValueMax) {
      return failure(
          ErrorCode::kInvalidArgument,
          fmt::format("hour {} of the series is {} thousandths: at most +-{}", i, thousandths[i], kValueMax));
    }
  }
  return HourlySeries(start, std::move(thousandths), outside);
}

HourlySeries::HourlySeries(TimePoint start, std::vector<std::int64_t> values, Outside outside)
    : start_(start), values_(std::move(values)), sums_(values_.size() + 1, 0), outside_(outside) {
  std::partial_sum(values_.begin(), values_.end(), sums_.begin() + 1);
}

std::optional<std::int64_t> HourlySeries::at(TimePoint time) const {
  const auto hours = static_cast<std::int64_t>(values_.size());
  const std::int64_t hour = floor_div(microseconds(time) - microseconds(start_), kHourUs);
  if (outside_ == Outside::kUnknown && (hour < 0 || hour >= hours)) return std::nullopt;
  return values_[hour - floor_div(hour, hours) * hours];
}

TimePoint HourlySeries::next_border(TimePoint time) const {
  const std::int64_t hour = floor_div(microseconds(time) - microseconds(start_), kHourUs);
  return start_ + std::chrono::microseconds((hour + 1) * kHourUs);
}

std::optional<__int128> HourlySeries::integral(TimePoint from, TimePoint to) const {
  if (to <= from) return 0;
  const auto hours = static_cast<std::int64_t>(values_.size());
  const std::int64_t begin_us = microseconds(from) - microseconds(start_);
  const std::int64_t end_us = microseconds(to) - microseconds(start_);
  if (outside_ == Outside::kUnknown && (begin_us < 0 || end_us > hours * kHourUs)) return std::nullopt;
  const auto since_start = [&](std::int64_t offset_us) {
    const std::int64_t hour = floor_div(offset_us, kHourUs);
    const std::int64_t round = floor_div(hour, hours);
    const std::int64_t index = hour - round * hours;
    const __int128 whole = static_cast<__int128>(round) * sums_.back() + sums_[index];
    return whole * kHourUs + static_cast<__int128>(values_[index]) * (offset_us - hour * kHourUs);
  };
  return since_start(end_us) - since_start(begin_us);
}

std::optional<std::int64_t> co2e_ug(const HourlySeries& carbon, std::int64_t draw_mw, TimePoint from,
                                    TimePoint to) {
  return scaled(carbon.integral(from, to), draw_mw, kCarbonDivisor);
}

std::optional<std::int64_t> energy_cost_microeur(const HourlySeries& price, std::int64_t draw_mw,
                                                 TimePoint from, TimePoint to) {
  return scaled(price.integral(from, to), draw_mw, kPriceDivisor);
}

}  // namespace millrace::energy
