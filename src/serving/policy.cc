#include "serving/policy.h"

#include <algorithm>
#include <map>

namespace millrace::serving {

std::optional<MonotonicPoint> next_start(const std::vector<MonotonicPoint>& failures) {
  if (failures.empty()) return MonotonicPoint::min();
  const MonotonicPoint last = failures.back();
  const auto within = [&](auto window) {
    return std::count_if(failures.begin(), failures.end(),
                         [&](MonotonicPoint at) { return last - at <= window; });
  };
  if (within(kCrashWindow) >= static_cast<std::ptrdiff_t>(kCrashLimit)) return std::nullopt;
  const auto doublings = std::min<std::ptrdiff_t>(within(std::chrono::minutes(10)) - 1, 6);
  return last + std::min<std::chrono::seconds>(kFirstBackoff * (1 << doublings), kLongestBackoff);
}

std::vector<int> assign_cpus(const std::vector<int>& available, const std::vector<std::vector<int>>& in_use,
                             std::size_t want) {
  std::map<int, int> users;
  for (const auto& cpus : in_use)
    for (const int cpu : cpus) ++users[cpu];
  std::vector<int> order = available;
  std::sort(order.begin(), order.end(),
            [&](int a, int b) { return users[a] != users[b] ? users[a] < users[b] : a < b; });
  order.resize(std::min(want, order.size()));
  std::sort(order.begin(), order.end());
  return order;
}

std::size_t default_threads(std::size_t cores, std::size_t replicas) {
  if (cores <= 2) return 1;
  const std::size_t usable = cores >= 4 ? cores - 1 : cores;
  return std::max<std::size_t>(1, usable / std::max<std::size_t>(1, replicas));
}

}  // namespace millrace::serving
