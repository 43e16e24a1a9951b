#include "control/deferral.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <utility>

#include "scheduler/shift.h"

namespace millrace::control {

using std::chrono::hours;
using std::chrono::microseconds;

namespace {

using Difference = std::vector<double>::difference_type;

/// Of coming hours: where the cheapest `work_h` in a row begin.
Difference cheapest_stretch(std::span<const double> coming, Difference work_h) {
  double sum = std::accumulate(coming.begin(), coming.begin() + work_h, 0.0);
  double least = sum;
  Difference best = 0;
  for (Difference at = 1; at + work_h <= std::ssize(coming); ++at) {
    sum += coming[static_cast<std::size_t>(at + work_h - 1)] - coming[static_cast<std::size_t>(at - 1)];
    // Sums of equal hours in another order may differ in their last bits.
    if (sum >= least - 1e-9 * (1.0 + std::abs(least))) continue;
    least = sum;
    best = at;
  }
  return best;
}

/// The first of the `work_h` cheapest.
Difference first_of_cheapest(std::span<const double> coming, Difference work_h) {
  std::vector<double> sorted(coming.begin(), coming.end());
  const auto dearest = sorted.begin() + (work_h - 1);
  std::ranges::nth_element(sorted, dearest);
  return std::ranges::find_if(coming, [&](double value) { return value <= *dearest; }) - coming.begin();
}

}  // namespace

void Deferral::set_outlook(HourOutlook outlook) {
  outlook_ = std::move(outlook);
  known_ = true;
  const scheduler::Outlook view{.now = outlook_.now, .coming = outlook_.coming, .error = outlook_.error};
  least_work_ = scheduler::least_work_that_runs(view, static_cast<std::int32_t>(outlook_.coming.size()) + 1);
  starts_.assign(outlook_.coming.size() + 2, {});
  made_.assign(outlook_.coming.size() + 2, false);
}

const std::vector<bool>& Deferral::starts_of(std::int32_t work_h) {
  const auto at = static_cast<std::size_t>(work_h);
  if (!made_[at]) {
    made_[at] = true;
    starts_[at] = scheduler::starts_now(
        {.now = outlook_.now, .coming = outlook_.coming, .error = outlook_.error}, work_h);
  }
  return starts_[at];
}

std::optional<TimePoint> Deferral::wait_until(TimePoint now, microseconds work, TimePoint deadline,
                                              bool interruptible) {
  if (!known_ || outlook_.coming.empty()) return std::nullopt;
  const TimePoint next = outlook_.hour + hours(1);
  if (next <= now) return std::nullopt;
  const auto horizon_h = static_cast<std::int64_t>(outlook_.coming.size()) + 1;
  const std::int64_t work_h = std::max<std::int64_t>((work + hours(1) - microseconds(1)) / hours(1), 1);
  if (work_h > horizon_h) return std::nullopt;
  const std::int64_t left_h = std::min<std::int64_t>((deadline - outlook_.hour) / hours(1), horizon_h);
  if (left_h <= work_h) return std::nullopt;
  bool runs = true;
  if (interruptible) {
    runs = work_h >= least_work_[static_cast<std::size_t>(left_h)];
  } else {
    const std::vector<bool>& starts = starts_of(static_cast<std::int32_t>(work_h));
    const auto spare = static_cast<std::size_t>(left_h - work_h);
    runs = starts.empty() || starts[std::min(spare, starts.size() - 1)];
  }
  return runs ? std::nullopt : std::optional(next);
}

std::optional<TimePoint> Deferral::pause_until(TimePoint now, microseconds work, TimePoint deadline,
                                               microseconds lost) {
  const microseconds whole = work + lost;
  const auto until = wait_until(now, whole, deadline, true);
  if (!until) return std::nullopt;
  // Instead of now it would take one hour more of the coming ones: the dearest of those that it needs.
  const auto work_h = static_cast<std::size_t>((whole + hours(1) - microseconds(1)) / hours(1));
  const auto reach_h = static_cast<std::size_t>((deadline - outlook_.hour) / hours(1) - 1);
  std::vector<double> values(
      outlook_.coming.begin(),
      outlook_.coming.begin() + static_cast<std::ptrdiff_t>(std::min(reach_h, outlook_.coming.size())));
  if (work_h > values.size()) return std::nullopt;
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(work_h - 1));
  const double instead = values[work_h - 1];
  const double saving = outlook_.now - instead;
  const auto rest = static_cast<double>((outlook_.hour + hours(1) - now).count());
  const double cost = std::max(std::abs(outlook_.now), std::abs(instead)) * static_cast<double>(lost.count());
  const bool is_clear = saving >= kClearSaving * std::abs(outlook_.now) && saving * rest >= 2.0 * cost;
  return is_clear ? until : std::nullopt;
}

TimePoint Deferral::expected_start(TimePoint now, microseconds work, TimePoint deadline,
                                   bool interruptible) const {
  const TimePoint hour = std::chrono::floor<hours>(now);
  const TimePoint latest = std::max(deadline - work, now);
  const auto work_h = std::max<Difference>((work + hours(1) - microseconds(1)) / hours(1), 1);
  const auto left_h = std::min<Difference>((deadline - hour) / hours(1) - 1, std::ssize(outlook_.coming));
  if (left_h < work_h) return std::min<TimePoint>(hour + hours(1), latest);
  const std::span<const double> coming(outlook_.coming.data(), static_cast<std::size_t>(left_h));
  const Difference at = interruptible ? first_of_cheapest(coming, work_h) : cheapest_stretch(coming, work_h);
  return std::min<TimePoint>(hour + hours(at + 1), latest);
}

}  // namespace millrace::control
