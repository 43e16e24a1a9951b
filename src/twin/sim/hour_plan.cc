#include "twin/sim/hour_plan.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include "twin/sim/inputs.h"

namespace millrace::twin {
namespace {

constexpr VirtualTime kHourUs = 3'600'000'000;

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

VirtualTime HourPlan::start(VirtualTime now, VirtualTime work_us, VirtualTime deadline,
                            bool interruptible) const {
  const VirtualTime hour = now / kHourUs * kHourUs;
  const VirtualTime latest = std::max(deadline - work_us, now);
  const Difference work_h = std::max<Difference>((work_us + kHourUs - 1) / kHourUs, 1);
  const Difference left_h =
      std::min<Difference>((deadline - hour) / kHourUs - 1, std::ssize(outlook_.coming));
  if (left_h < work_h) return std::min(hour + kHourUs, latest);
  const std::span<const double> coming(outlook_.coming.data(), static_cast<std::size_t>(left_h));
  const Difference at = interruptible ? first_of_cheapest(coming, work_h) : cheapest_stretch(coming, work_h);
  return std::min(hour + (at + 1) * kHourUs, latest);
}

}  // namespace millrace::twin
