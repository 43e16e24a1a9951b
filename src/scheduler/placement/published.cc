#include "scheduler/placement/published.h"

#include <algorithm>

#include "scheduler/placement/devices.h"

namespace millrace::scheduler {

std::optional<Fit> RandomFit::score(const NodeState& node, const Demand& demand) {
  if (!fits(node, demand)) return std::nullopt;
  Fit fit{.score = static_cast<std::int64_t>(rng_.next() >> 1)};
  if (!is_fraction(demand)) {
    fit.devices = first_idle(node, demand);
    return fit;
  }
  std::uint64_t able = 0;  // each device that fits replaces the one before with probability 1 / so many
  for (int i = 0; i < node.accelerators; ++i) {
    if (device_free(node, i) >= demand.accelerator_milli && rng_.next() % ++able == 0) fit.devices = 1U << i;
  }
  return fit;
}

std::optional<Fit> DotProductFit::score(const NodeState& node, const Demand& demand) {
  if (!fits(node, demand)) return std::nullopt;
  // Over the common denominator kScaleCpuMilli squared.
  constexpr std::int64_t kCommon = kScaleCpuMilli * kScaleCpuMilli;
  constexpr std::int64_t kDevices = kCommon / (kScaleDevicesMilli * kScaleDevicesMilli);
  const auto asked = std::int64_t{demand.accelerators} * demand.accelerator_milli;
  const auto dot = node.cpu_milli_free * demand.cpu_milli + kDevices * devices_free(node) * asked;
  return Fit{.score = -((100 * kCommon - 50 * dot) / kCommon), .devices = usual_devices(node, demand)};
}

std::optional<Fit> GpuClusteringFit::score(const NodeState& node, const Demand& demand) {
  if (!fits(node, demand)) return std::nullopt;
  const auto devices = usual_devices(node, demand);
  const auto size = size_bit(demand);
  if (size == 0) return Fit{.score = 0, .devices = devices};
  std::int64_t score = 25 * (kScaleDevicesMilli - devices_free(node)) / kScaleDevicesMilli;
  if ((node.sizes_held & size) != 0) {
    score += node.sizes_held == size ? 75 : 50;
  } else if (node.sizes_held == 0) {
    score += 25;
  }
  return Fit{.score = -score, .devices = devices};
}

std::optional<Fit> GpuPackingFit::score(const NodeState& node, const Demand& demand) {
  if (!fits(node, demand)) return std::nullopt;
  const auto devices = usual_devices(node, demand);
  if (demand.accelerators == 0) return Fit{.score = 0, .devices = devices};
  const auto idle = devices_idle(node);
  constexpr std::int64_t kEmptyNodeBest = 33, kIdleDeviceBest = 50;
  if (idle == node.accelerators)
    return Fit{.score = -std::max(kEmptyNodeBest - idle, idle), .devices = devices};
  const auto room = device_free(node, std::countr_zero(devices));
  if (room == 1000) {
    return Fit{.score = -std::max(kIdleDeviceBest - demand.accelerators, kEmptyNodeBest), .devices = devices};
  }
  return Fit{.score = -(100 - room / 10 / 10), .devices = devices};
}

std::optional<Fit> BestFit::score(const NodeState& node, const Demand& demand) {
  if (!fits(node, demand)) return std::nullopt;
  constexpr std::int64_t kPerDevice = kScaleCpuMilli / kScaleDevicesMilli;
  const auto left =
      node.cpu_milli_free - demand.cpu_milli +
      kPerDevice * (devices_free(node) - std::int64_t{demand.accelerators} * demand.accelerator_milli);
  return Fit{.score = -(100 * (2 * kScaleCpuMilli - left) / (2 * kScaleCpuMilli)),
             .devices = usual_devices(node, demand)};
}

namespace {

/// ln(p / (1 - p)) for p = percent / 100, as 2 artanh(2 p - 1) by its series: the C library's logarithm may differ in the
/// last bit between machines. Every term beyond is below 1e-16.
constexpr double logit(int percent) {
  const double y = (2.0 * percent - 100.0) / 100.0;
  double power = y, sum = 0;
  for (int n = 1; n < 1600; n += 2) {
    sum += power / n;
    power *= y * y;
  }
  return 2 * sum;
}

/// kLogit[k]: from where on 100 sigmoid(x) is at least k + 1.
constexpr auto kLogit = [] {
  std::array<double, 99> table{};
  for (int k = 0; k < 99; ++k) table[static_cast<std::size_t>(k)] = logit(k + 1);
  return table;
}();

}  // namespace

void FgdFit::expect(std::span<const TypicalDemand> typical) {
  fragmentation_ = Fragmentation(most_common(typical, kTypicalPercent));
}

std::optional<Fit> FgdFit::score(const NodeState& node, const Demand& demand) {
  if (!fits(node, demand)) return std::nullopt;
  const auto before = fragmentation_.unusable(free_of(node));
  const auto scale = 1000.0 * static_cast<double>(std::max<std::int64_t>(1, fragmentation_.weight()));
  std::optional<Fit> best;
  for_each_way(node, demand, [&](std::uint32_t devices) {
    NodeState after = node;
    take(after, demand, devices);
    const auto shrinks = static_cast<double>(before - fragmentation_.unusable(free_of(after))) / scale;
    const auto score = kLogit.begin() - std::ranges::upper_bound(kLogit, shrinks);
    if (!best || score < best->score) best = Fit{.score = score, .devices = devices};
  });
  return best;
}

}  // namespace millrace::scheduler
