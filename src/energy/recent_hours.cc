#include "energy/recent_hours.h"

#include <algorithm>

namespace millrace::energy {
namespace {

constexpr std::size_t kDay = 24, kWeek = 168;
/// Weight of a new day in the daily profile: about the last ten days count.
constexpr double kProfileGain = 0.1;

/// A mean over the same hour of the last days; the last hour's own error and the last day's decay at different speeds.
struct SeasonalMean {
  std::size_t days;
  double hour_decay;  // per hour
  double day_decay;   // per hour
};
/// Time constants of one, two and half a day (exp(-1/24), ...), over one, two and four weeks.
constexpr SeasonalMean kSeasonalMeans[] = {{7, 0.9592, 0.9592}, {14, 0.9794, 0.9794}, {28, 0.9200, 0.9794}};
constexpr std::size_t kKept = 28 * kDay;

/// sin(15 degrees x i) for the first quarter of the day, from tables: libm differs between machines.
constexpr double kQuarter[] = {
    0.0, 0.25881904510252074, 0.5, 0.7071067811865476, 0.8660254037844386, 0.9659258262890683, 1.0};

double sine_of_day(std::int64_t hour) {
  const auto h = hour % 24;
  if (h > 12) return -sine_of_day(h - 12);
  return kQuarter[h <= 6 ? h : 12 - h];
}
double cosine_of_day(std::int64_t hour) { return sine_of_day(hour + 6); }

}  // namespace

double RecentHours::mean_of_last(std::size_t hours) const {
  const auto count = std::min(hours, values_.size());
  double sum = 0.0;
  for (std::size_t ago = 0; ago < count; ++ago) sum += back(ago);
  return sum / static_cast<double>(count);
}

void RecentHours::push(double value) {
  if (values_.size() >= 2 * kKept) values_.erase(values_.begin(), values_.end() - kKept);
  values_.push_back(value);
  ++hours_;
  const auto hour = next_hour_of_week_ % 24;
  next_hour_of_week_ = (next_hour_of_week_ + 1) % 168;
  level_ = mean_of_last(kWeek);
  const double gain = std::max(kProfileGain, 1.0 / static_cast<double>(++profile_days_[hour]));
  profile_[hour] += gain * (value - mean_of_last(kDay) - profile_[hour]);
  const double deviation = value > level_ ? value - level_ : level_ - value;
  scale_ += (deviation - scale_) / static_cast<double>(hours_);
}

RecentHours::Origin RecentHours::origin() const {
  const auto hour_of_week = (next_hour_of_week_ + 167) % 168;
  const auto hour = hour_of_week % 24;
  Origin origin{
      .hour_of_week = hour_of_week, .level = level_, .scale = scale_, .profile = profile_, .features = {}};
  const auto deviation = [&](std::size_t ago) {
    if (ago >= values_.size()) return 0.0;
    return back(ago) - level_ - profile_[(hour + 24 - static_cast<std::int64_t>(ago)) % 24];
  };
  const double now = deviation(0);
  origin.features = {now,
                     deviation(1) - now,
                     deviation(3) - now,
                     deviation(11) - now,
                     deviation(23),
                     mean_of_last(kDay) - level_,
                     mean_of_last(3 * kDay) - level_,
                     scale_,
                     now * sine_of_day(hour),
                     now * cosine_of_day(hour),
                     now * sine_of_day(2 * hour),
                     now * cosine_of_day(2 * hour)};
  return origin;
}

void RecentHours::seasonal(std::span<double> out) const {
  std::ranges::fill(out, 0.0);
  for (const auto& mean : kSeasonalMeans) {
    // by_ago[i]: mean of the hours i, i + 24, ... ago; the latest value where that hour of the day was not seen yet.
    std::array<double, kDay> by_ago{};
    double day_error = 0.0;
    const auto day = std::min(kDay, values_.size());
    for (std::size_t ago = 0; ago < kDay; ++ago) {
      std::size_t count = 0;
      for (std::size_t at = ago; at < values_.size() && count < mean.days; at += kDay, ++count)
        by_ago[ago] += back(at);
      by_ago[ago] = count > 0 ? by_ago[ago] / static_cast<double>(count) : back(0);
      if (ago < day) day_error += (back(ago) - by_ago[ago]) / static_cast<double>(day);
    }
    const double hour_error = back(0) - by_ago[0];
    constexpr double kShare = 1.0 / static_cast<double>(std::size(kSeasonalMeans));
    double hour_left = 1.0, day_left = 1.0;
    for (std::size_t ahead = 1; ahead <= out.size(); ++ahead) {
      hour_left *= mean.hour_decay;
      day_left *= mean.day_decay;
      const double expected = by_ago[(kDay - ahead % kDay) % kDay];
      out[ahead - 1] += kShare * (expected + hour_error * hour_left + day_error * (day_left - hour_left));
    }
  }
}

}  // namespace millrace::energy
