#include "scheduler/shift.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace millrace::scheduler {
namespace {

constexpr std::int64_t kHourMin = 60;

/// `taken` of the time `left`; `errors` is the sum over `count` coming hours.
double waiting_worth(double errors, std::size_t count, std::int64_t taken, std::int64_t left) {
  if (count == 0) return 0.0;
  const double share = static_cast<double>(taken) / static_cast<double>(left);
  return kWaitingWorth * (1.0 - 2.0 * share) * (errors / static_cast<double>(count));
}

double error_of(const Outlook& outlook, std::size_t hour) {
  return hour < outlook.error.size() ? outlook.error[hour] : 0.0;
}

std::int64_t begin_of(const Deferrable& work, std::size_t hour) {
  return work.hour_left_min + kHourMin * static_cast<std::int64_t>(hour);
}

/// How many coming hours begin before the deadline and are forecast.
std::size_t hours_in_reach(const Outlook& outlook, const Deferrable& work) {
  if (work.left_min <= work.hour_left_min) return 0;
  const auto begin_before_end = (work.left_min - work.hour_left_min + kHourMin - 1) / kHourMin;
  return std::min(static_cast<std::size_t>(begin_before_end), outlook.coming.size());
}

ShiftDecision shift_interruptible(const Outlook& outlook, const Deferrable& work) {
  std::vector<std::size_t> order(hours_in_reach(outlook, work));
  std::iota(order.begin(), order.end(), std::size_t{0});
  double errors = 0.0;
  for (const auto hour : order) errors += error_of(outlook, hour);
  std::ranges::sort(order, {}, [&](std::size_t hour) { return std::pair(outlook.coming[hour], hour); });
  std::int64_t covered_min = 0;
  std::size_t first = order.size();
  for (const auto hour : order) {
    covered_min += std::min(kHourMin, work.left_min - begin_of(work, hour));
    first = std::min(first, hour);
    if (covered_min < work.work_min) continue;
    const double worth = waiting_worth(errors, order.size(), work.work_min, work.left_min);
    if (outlook.now <= outlook.coming[hour] - worth) return {};
    return {.run = false, .wait_min = begin_of(work, first)};
  }
  return {};
}

/// Value x minutes from now until `minute`; all of it must be in the forecast.
double integral(const Outlook& outlook, std::span<const double> sums, const Deferrable& work,
                std::int64_t minute) {
  if (minute <= work.hour_left_min) return outlook.now * static_cast<double>(minute);
  const auto hour = static_cast<std::size_t>((minute - work.hour_left_min) / kHourMin);
  const auto rest = (minute - work.hour_left_min) % kHourMin;
  const double whole =
      outlook.now * static_cast<double>(work.hour_left_min) + sums[hour] * static_cast<double>(kHourMin);
  return rest == 0 ? whole : whole + outlook.coming[hour] * static_cast<double>(rest);
}

std::vector<double> sums_of(std::span<const double> values) {
  std::vector<double> sums(values.size() + 1, 0.0);
  std::partial_sum(values.begin(), values.end(), sums.begin() + 1);
  return sums;
}

ShiftDecision shift_whole(const Outlook& outlook, const Deferrable& work) {
  const auto hours = hours_in_reach(outlook, work);
  const auto sums = sums_of(outlook.coming.first(hours));
  const std::int64_t seen_min = std::min(work.left_min, begin_of(work, hours));
  const std::int64_t last_min = seen_min - work.work_min;
  if (last_min <= 0) return {};
  const auto cost = [&](std::int64_t start) {
    return integral(outlook, sums, work, start + work.work_min) - integral(outlook, sums, work, start);
  };
  std::vector<std::int64_t> starts;
  for (std::size_t hour = 0; hour < hours && begin_of(work, hour) <= last_min; ++hour) {
    starts.push_back(begin_of(work, hour));
  }
  if (starts.empty() || starts.back() < last_min) starts.push_back(last_min);
  const auto best = *std::ranges::min_element(starts, {}, cost);
  if (cost(0) <= cost(best)) return {};
  return {.run = false, .wait_min = best};
}

}  // namespace

ShiftDecision shift(const Outlook& outlook, const Deferrable& work) {
  if (work.work_min >= work.left_min) return {};
  return work.interruptible ? shift_interruptible(outlook, work) : shift_whole(outlook, work);
}

std::vector<std::int32_t> least_work_that_runs(const Outlook& outlook, std::int32_t work_max_h) {
  std::vector<std::int32_t> least(outlook.coming.size() + 2, 1);
  std::vector<double> cheapest;  // of the hours after now, ascending; at most work_max_h
  double errors = 0.0;
  for (std::size_t left = 2; left < least.size(); ++left) {
    const double value = outlook.coming[left - 2];
    errors += error_of(outlook, left - 2);
    if (cheapest.size() < static_cast<std::size_t>(work_max_h) || value < cheapest.back()) {
      if (cheapest.size() == static_cast<std::size_t>(work_max_h)) cheapest.pop_back();
      cheapest.insert(std::ranges::upper_bound(cheapest, value), value);
    }
    // More work means dearer hours and less worth in waiting: once work runs, all longer work does.
    const auto waits = [&](std::int32_t work_h) {
      return outlook.now >
             cheapest[work_h - 1] - waiting_worth(errors, left - 1, work_h, static_cast<std::int64_t>(left));
    };
    std::int32_t low = 1;
    auto high = static_cast<std::int32_t>(cheapest.size()) + 1;
    while (low < high) {
      const auto middle = low + (high - low) / 2;
      if (waits(middle)) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    least[left] = low;
  }
  return least;
}

std::vector<bool> starts_now(const Outlook& outlook, std::int32_t work_h) {
  const auto work = static_cast<std::size_t>(work_h);
  if (outlook.coming.size() + 1 < work) return {};
  const auto sums = sums_of(outlook.coming);
  // A later start at the end of hour k takes coming[k] to coming[k + work - 1].
  const double now = outlook.now + sums[work - 1];
  std::vector<bool> starts(outlook.coming.size() + 2 - work, true);
  double best = 0.0;
  for (std::size_t slack = 1; slack < starts.size(); ++slack) {
    const double later = sums[slack - 1 + work] - sums[slack - 1];
    best = slack == 1 ? later : std::min(best, later);
    starts[slack] = now <= best;
  }
  return starts;
}

}  // namespace millrace::scheduler
