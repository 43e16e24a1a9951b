#include "scheduler/placement/horizon.h"

#include <algorithm>
#include <utility>

#include "core/rng.h"
#include "scheduler/placement/devices.h"
#include "scheduler/placement/tightest.h"

namespace millrace::scheduler {
namespace {

constexpr std::int64_t kUnit = 1024;  // of a score, in a thousandth of a device
constexpr std::int64_t kNowUnit =
    kUnit / 4;  // weight of the second term where each task asks for one device or less
constexpr std::int64_t kNowUnitOfSeveral = 2 * kUnit;  // and where each asks for several
constexpr std::int64_t kCpuTieMilli = 128;  // as much free cpu as counts like a thousandth of a device
constexpr std::uint64_t kSeed = 7;          // of the orders; any other serves as well
constexpr std::size_t kKnownMax = std::size_t{1} << 18;  // about 25 MB

std::int64_t below(SeededRng& rng, std::int64_t bound) {
  return static_cast<std::int64_t>(rng.next() % static_cast<std::uint64_t>(bound));
}

/// Between the two, by the share in the device time that is asked for of tasks that ask for several.
std::int64_t now_unit(std::span<const TypicalDemand> typical) {
  std::int64_t several = 0;
  std::int64_t all = 0;
  for (const auto& one : typical) {
    const std::int64_t milli = one.weight * one.demand.accelerators * one.demand.accelerator_milli;
    all += milli;
    if (one.demand.accelerators > 1) several += milli;
  }
  if (all == 0) return kNowUnit;
  return kNowUnit + (kNowUnitOfSeveral - kNowUnit) * (several / 1000) / std::max<std::int64_t>(all / 1000, 1);
}

}  // namespace

void HorizonFit::expect(std::span<const TypicalDemand> typical) {
  typical_.clear();
  std::vector<TypicalDemand> by_device;
  for (const auto& one : typical) {
    if (one.demand.accelerators == 0 || one.weight <= 0) continue;
    typical_.push_back(one);
    by_device.push_back(one);
    by_device.back().weight *= one.demand.accelerators;
  }
  now_ = Fragmentation(std::move(by_device));
  now_unit_ = now_unit(typical);
  futures_.clear();
  known_.clear();
}

const HorizonFit::Future& HorizonFit::future_of(KindIndex kind) {
  if (kind >= futures_.size()) futures_.resize(kind + std::size_t{1});
  auto& future = futures_[kind];
  if (future.drawn) return future;
  future.drawn = true;
  std::vector<std::int64_t> until;  // cumulative weight, by shape
  std::int64_t total = 0;
  for (const auto& one : typical_) {
    if (!allows(one.kinds, kind)) continue;
    total += one.weight;
    until.push_back(total);
    future.shapes.push_back(one.demand);
  }
  if (total == 0) return future;
  SeededRng rng(kSeed);
  for (std::int64_t order = 0; order < kOrders; ++order) {
    // One draw from each of kArrivals equal parts of the whole weight, then shuffled.
    for (std::int64_t i = 0; i < kArrivals; ++i) {
      const auto at = (i * total + below(rng, total)) / kArrivals;
      future.arrivals.push_back(
          static_cast<std::uint32_t>(std::ranges::upper_bound(until, at) - until.begin()));
    }
    const auto begin = future.arrivals.end() - kArrivals;
    for (std::int64_t i = kArrivals - 1; i > 0; --i) std::swap(begin[i], begin[below(rng, i + 1)]);
  }
  return future;
}

std::int64_t HorizonFit::stranded(const FreeNode& node) {
  const auto& future = future_of(node.kind);
  // What does not fit now never will: room only shrinks.
  may_fit_.assign(future.shapes.size(), 0);
  Demand least;
  bool any = false;
  for (std::size_t i = 0; i < future.shapes.size(); ++i) {
    const auto& shape = future.shapes[i];
    if (!node.fits(shape)) continue;
    may_fit_[i] = 1;
    if (!any) least = shape;
    any = true;
    least.cpu_milli = std::min(least.cpu_milli, shape.cpu_milli);
    least.memory_mib = std::min(least.memory_mib, shape.memory_mib);
    least.accelerator_milli = std::min(least.accelerator_milli, shape.accelerator_milli);
  }
  if (!any) return kOrders * node.devices_milli;
  std::int64_t sum = 0;
  for (auto begin = future.arrivals.begin(); begin != future.arrivals.end(); begin += kArrivals) {
    FreeNode state = node;
    for (auto next = begin; next != begin + kArrivals; ++next) {
      if (may_fit_[*next] == 0 || !state.take(future.shapes[*next])) continue;
      if (state.devices == 0 || state.device_milli[0] < least.accelerator_milli ||
          state.cpu_milli < least.cpu_milli || state.memory_mib < least.memory_mib) {
        break;
      }
    }
    sum += state.devices_milli;
  }
  return sum;
}

std::int64_t HorizonFit::loss(const FreeNode& node) {
  if (typical_.empty() || node.devices == 0) return 0;
  if (const auto known = known_.find(node); known != known_.end()) return known->second;
  const auto value = kUnit / kOrders * stranded(node) + now_unit_ * now_.unusable(node) / now_.weight();
  // Starting anew changes no answer, only what it costs.
  if (known_.size() >= kKnownMax) known_.clear();
  known_.emplace(node, value);
  return value;
}

std::optional<Fit> HorizonFit::score(const NodeState& node, const Demand& demand) {
  if (typical_.empty()) return TightestFit().score(node, demand);
  if (!fits(node, demand)) return std::nullopt;
  const auto before = loss(free_of(node));
  std::optional<Fit> best;
  for_each_way(node, demand, [&](std::uint32_t devices) {
    NodeState after = node;
    take(after, demand, devices);
    const auto free = free_of(after);
    const auto score = loss(free) - before + free.devices_milli + free.cpu_milli / kCpuTieMilli;
    if (!best || score < best->score) best = Fit{.score = score, .devices = devices};
  });
  return best;
}

}  // namespace millrace::scheduler
