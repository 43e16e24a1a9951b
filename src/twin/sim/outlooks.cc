#include "twin/sim/outlooks.h"

#include <algorithm>
#include <span>
#include <utility>

#include "twin/sim/inputs.h"

namespace millrace::twin {
namespace {

constexpr VirtualTime kHourUs = 3'600'000'000;
constexpr std::int64_t kKnownBeforeHours = 56 * 24;
constexpr std::size_t kDayAhead = 24;

/// 0 is Monday, 00:00 UTC; the first of January 1970 was a Thursday.
std::int32_t hour_of_week(VirtualTime hour) {
  return static_cast<std::int32_t>((hour / kHourUs + 3 * 24) % 168);
}

}  // namespace

Outlooks::Outlooks(const SiteConfig& config, VirtualTime start)
    : config_(config), sites_(config.sites.size()) {
  for (std::size_t i = 0; i < sites_.size(); ++i)
    sites_[i].factor = config.cluster.sites[i].pue / config.cluster.sites[0].pue;
  if (config.policy.shift != "history" && config.policy.shift != "forecast") return;
  known_ = config.policy.shift == "forecast" ? kDayAhead : 0;
  const VirtualTime hour = start / kHourUs * kHourUs;
  for (std::size_t i = 0; i < sites_.size(); ++i) learn_before(i, hour);
}

// What was before the first hour that the series holds nobody knows.
void Outlooks::learn_before(std::size_t site, VirtualTime hour) {
  VirtualTime first = hour - kKnownBeforeHours * kHourUs;
  while (first < hour && !series_of(site).at(to_time(first))) first += kHourUs;
  sites_[site].forecaster.emplace(hour_of_week(first), kHorizonHours);
  for (; first < hour; first += kHourUs) begin(site, first);
}

const energy::HourlySeries& Outlooks::series_of(std::size_t site) const {
  const SiteInfo& info = config_.sites[site];
  return config_.policy.shift_by == "price" ? info.price : info.carbon;
}

double Outlooks::value(std::size_t site, VirtualTime hour) const {
  return sites_[site].factor * static_cast<double>(series_of(site).at(to_time(hour)).value_or(0));
}

void Outlooks::begin(VirtualTime hour) {
  for (std::size_t i = 0; i < sites_.size(); ++i) begin(i, hour);
}

void Outlooks::begin(std::size_t index, VirtualTime hour) {
  Site& site = sites_[index];
  control::HourOutlook& outlook = site.outlook;
  outlook.hour = to_time(hour);
  outlook.now = value(index, hour);
  outlook.coming.resize(kHorizonHours);
  for (std::size_t i = 0; i < known_; ++i)
    outlook.coming[i] = value(index, hour + static_cast<VirtualTime>(i + 1) * kHourUs);
  if (!site.forecaster) return;
  site.forecaster->observe(outlook.now);
  site.errors.observe(outlook.now);
  const std::span<double> coming(outlook.coming);
  site.forecaster->forecast(coming.first(known_), coming.subspan(known_));
  site.errors.issued(outlook.coming);
  outlook.error.assign(site.errors.mean().begin(), site.errors.mean().end());
}

control::HourOutlook Outlooks::best_of(std::span<const scheduler::SiteIndex> sites) const {
  control::HourOutlook best = sites_[sites.front()].outlook;
  for (const scheduler::SiteIndex index : sites.subspan(1)) {
    const control::HourOutlook& other = sites_[index].outlook;
    best.now = std::min(best.now, other.now);
    for (std::size_t i = 0; i < best.coming.size(); ++i) {
      if (other.coming[i] >= best.coming[i]) continue;
      best.coming[i] = other.coming[i];
      if (i < other.error.size()) best.error[i] = other.error[i];
    }
  }
  return best;
}

control::HourOutlook Outlooks::mean_of(std::span<const scheduler::SiteIndex> sites,
                                       std::span<const double> shares) const {
  control::HourOutlook mean{.hour = sites_[sites.front()].outlook.hour, .coming = {}, .error = {}};
  const auto add = [](std::vector<double>& sum, const std::vector<double>& values, double share) {
    sum.resize(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) sum[i] += share * values[i];
  };
  for (std::size_t s = 0; s < sites.size(); ++s) {
    const control::HourOutlook& its = sites_[sites[s]].outlook;
    mean.now += shares[s] * its.now;
    add(mean.coming, its.coming, shares[s]);
    add(mean.error, its.error, shares[s]);
  }
  return mean;
}

std::vector<std::int64_t> Outlooks::site_costs() const {
  std::vector<std::int64_t> costs;
  for (const Site& site : sites_) costs.push_back(static_cast<std::int64_t>(site.outlook.now));
  return costs;
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
