#include "scheduler/fragmentation.h"

#include <algorithm>
#include <functional>
#include <tuple>

namespace millrace::scheduler {
namespace {

auto shape_of(const TypicalDemand& typical) {
  const auto& demand = typical.demand;
  return std::tuple(demand.cpu_milli, demand.accelerator_milli, demand.accelerators, typical.kinds);
}

}  // namespace

FreeNode free_of(const NodeState& node) {
  FreeNode free{.cpu_milli = node.cpu_milli_free, .memory_mib = node.memory_mib_free, .kind = node.kind};
  for (int i = 0; i < node.accelerators; ++i) {
    const auto milli = node.device_milli_free[static_cast<std::size_t>(i)];
    if (milli == 0) continue;
    free.devices_milli += milli;
    std::size_t at = free.devices++;
    for (; at > 0 && free.device_milli[at - 1] < milli; --at)
      free.device_milli[at] = free.device_milli[at - 1];
    free.device_milli[at] = milli;
  }
  return free;
}

bool FreeNode::fits(const Demand& demand) const {
  return demand.cpu_milli <= cpu_milli && demand.memory_mib <= memory_mib &&
         (demand.accelerators == 0 ||
          with_room(demand.accelerator_milli) >= static_cast<std::size_t>(demand.accelerators));
}

bool FreeNode::take(const Demand& demand) {
  if (demand.cpu_milli > cpu_milli || demand.memory_mib > memory_mib) return false;
  if (demand.accelerators > 0) {
    const auto able = with_room(demand.accelerator_milli),
               wanted = static_cast<std::size_t>(demand.accelerators);
    if (able < wanted) return false;
    // Last first: what was taken from has less now than what came after it.
    for (std::size_t i = able; i-- > able - wanted;) {
      const auto left = static_cast<std::int16_t>(device_milli[i] - demand.accelerator_milli);
      std::size_t at = i;
      for (; at + 1 < devices && device_milli[at + 1] > left; ++at) device_milli[at] = device_milli[at + 1];
      device_milli[at] = left;
    }
    while (devices > 0 && device_milli[devices - 1U] == 0) --devices;
    devices_milli -= demand.accelerators * demand.accelerator_milli;
  }
  cpu_milli -= demand.cpu_milli;
  memory_mib -= demand.memory_mib;
  return true;
}

std::size_t FreeNodeHash::operator()(const FreeNode& node) const {
  std::uint64_t hash = static_cast<std::uint64_t>(node.cpu_milli) * 0x9E3779B97F4A7C15ULL + node.kind;
  const auto mix = [&hash](std::uint64_t value) {
    hash = (hash ^ value) * 0xFF51AFD7ED558CCDULL;
    hash ^= hash >> 29;
  };
  mix(static_cast<std::uint64_t>(node.memory_mib));
  for (std::size_t i = 0; i < node.devices; i += 4) {
    std::uint64_t four = 0;
    for (std::size_t k = 0; k < 4; ++k)
      four = (four << 16) | static_cast<std::uint16_t>(node.device_milli[i + k]);
    mix(four);
  }
  return hash;
}

std::vector<TypicalDemand> most_common(std::span<const TypicalDemand> typical, std::int64_t percent) {
  std::vector<TypicalDemand> all(typical.begin(), typical.end());
  std::int64_t total = 0;
  for (auto& one : all) {
    one.demand.memory_mib = 0;
    total += one.weight;
  }
  std::ranges::sort(all, {}, shape_of);
  std::vector<TypicalDemand> merged;
  for (const auto& one : all) {
    if (!merged.empty() && shape_of(merged.back()) == shape_of(one)) {
      merged.back().weight += one.weight;
    } else {
      merged.push_back(one);
    }
  }
  std::ranges::sort(merged, std::greater(),
                    [](const TypicalDemand& one) { return std::tuple(one.weight, shape_of(one)); });
  std::int64_t covered = 0;
  std::size_t count = 0;
  while (count < merged.size() && covered * 100 < total * percent) covered += merged[count++].weight;
  merged.resize(count);
  return merged;
}

Fragmentation::Fragmentation(std::vector<TypicalDemand> typical) : typical_(std::move(typical)) {
  for (const auto& one : typical_) weight_ += one.weight;
}

std::int64_t Fragmentation::unusable(const FreeNode& node) const {
  if (node.devices_milli == 0) return 0;
  std::int64_t sum = 0;
  for (const auto& [demand, kinds, weight] : typical_) {
    std::int64_t useless = node.devices_milli;
    if (demand.accelerators > 0 && demand.cpu_milli <= node.cpu_milli &&
        demand.memory_mib <= node.memory_mib && allows(kinds, node.kind)) {
      std::int64_t usable = 0;
      std::size_t able = 0;
      while (able < node.devices && node.device_milli[able] >= demand.accelerator_milli) {
        usable += node.device_milli[able++];
      }
      if (able >= static_cast<std::size_t>(demand.accelerators)) useless -= usable;
    }
    sum += weight * useless;
  }
  return sum;
}

}  // namespace millrace::scheduler
