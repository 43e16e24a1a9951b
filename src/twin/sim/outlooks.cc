#include "twin/sim/outlooks.h"

#include <algorithm>
#include <span>
#include <utility>

#include "twin/sim/inputs.h"

namespace millrace::twin {
namespace {

constexpr VirtualTime kHourUs = 3'600'000'000;
constexpr std::int64_t kKnownBeforeHours = 28 * 24;
constexpr std::size_t kDayAhead = 24;

/// 0 is Monday, 00:00 UTC; the first of January 1970 was a Thursday.
std::int32_t hour_of_week(VirtualTime hour) {
  return static_cast<std::int32_t>((hour / kHourUs + 3 * 24) % 168);
}

}  // namespace

Outlooks::Outlooks(const SiteConfig& config, VirtualTime start) : config_(config), errors_(kHorizonHours) {
  weights_.assign(config.sites.size(), 0.0);
  for (const scheduler::Node& node : config.cluster.nodes)
    weights_[node.site] += static_cast<double>(std::max(node.accelerators, 1));
  if (config.policy.shift != "history" && config.policy.shift != "forecast") return;
  known_ = config.policy.shift == "forecast" ? kDayAhead : 0;
  const VirtualTime first = start / kHourUs * kHourUs - kKnownBeforeHours * kHourUs;
  forecaster_.emplace(hour_of_week(first), kHorizonHours);
  for (std::int64_t i = 0; i < kKnownBeforeHours; ++i) next(first + i * kHourUs);
}

double Outlooks::value(VirtualTime hour) const {
  double sum = 0.0;
  double weight = 0.0;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    const SiteInfo& site = config_.sites[i];
    const energy::HourlySeries& series = config_.policy.shift_by == "price" ? site.price : site.carbon;
    sum += weights_[i] * static_cast<double>(series.at(to_time(hour)).value_or(0));
    weight += weights_[i];
  }
  return weight > 0.0 ? sum / weight : 0.0;
}

control::HourOutlook Outlooks::next(VirtualTime hour) {
  control::HourOutlook outlook;
  outlook.hour = to_time(hour);
  outlook.now = value(hour);
  outlook.coming.resize(kHorizonHours);
  for (std::size_t i = 0; i < known_; ++i)
    outlook.coming[i] = value(hour + static_cast<VirtualTime>(i + 1) * kHourUs);
  if (!forecaster_) return outlook;
  forecaster_->observe(outlook.now);
  errors_.observe(outlook.now);
  const std::span<double> coming(outlook.coming);
  forecaster_->forecast(coming.first(known_), coming.subspan(known_));
  errors_.issued(outlook.coming);
  outlook.error.assign(errors_.mean().begin(), errors_.mean().end());
  return outlook;
}

double mean_value(const energy::HourlySeries& series, VirtualTime from, VirtualTime to) {
  if (to <= from) return static_cast<double>(series.at(to_time(from)).value_or(0));
  const auto sum = series.integral(to_time(from), to_time(to));
  return sum ? static_cast<double>(*sum) / static_cast<double>(to - from) : 0.0;
}

namespace {

double cheapest_stretch(const energy::HourlySeries& series, VirtualTime arrival, VirtualTime latest,
                        VirtualTime work_us) {
  double least =
      std::min(mean_value(series, arrival, arrival + work_us), mean_value(series, latest, latest + work_us));
  // The mean over a sliding stretch is linear between moments at which one of its ends meets an hour's border.
  for (const VirtualTime shift : {VirtualTime{0}, work_us}) {
    VirtualTime border = (arrival + shift) / kHourUs * kHourUs + kHourUs;
    for (; border - shift < latest; border += kHourUs)
      least = std::min(least, mean_value(series, border - shift, border - shift + work_us));
  }
  return least;
}

double cheapest_hours(const energy::HourlySeries& series, VirtualTime arrival, VirtualTime deadline,
                      VirtualTime work_us) {
  std::vector<std::pair<double, VirtualTime>> hours;  // value, how much of the hour there is
  for (VirtualTime at = arrival; at < deadline;) {
    const VirtualTime end = std::min(at / kHourUs * kHourUs + kHourUs, deadline);
    hours.emplace_back(static_cast<double>(series.at(to_time(at)).value_or(0)), end - at);
    at = end;
  }
  std::ranges::sort(hours);
  double sum = 0.0;
  VirtualTime left = work_us;
  for (const auto& [value, lasts] : hours) {
    const VirtualTime taken = std::min(left, lasts);
    sum += value * static_cast<double>(taken);
    left -= taken;
    if (left == 0) break;
  }
  return sum / static_cast<double>(work_us - left);
}

}  // namespace

double least_mean_value(const energy::HourlySeries& series, VirtualTime arrival, VirtualTime deadline,
                        VirtualTime work_us, bool interruptible) {
  const VirtualTime latest = deadline - work_us;
  if (work_us <= 0 || latest <= arrival) return mean_value(series, arrival, arrival + work_us);
  return interruptible ? cheapest_hours(series, arrival, deadline, work_us)
                       : cheapest_stretch(series, arrival, latest, work_us);
}

}  // namespace millrace::twin
