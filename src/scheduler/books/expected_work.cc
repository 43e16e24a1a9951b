#include "scheduler/books/expected_work.h"

#include <algorithm>
#include <map>

namespace millrace::scheduler {

void ExpectedWork::came(const Demand& demand, std::uint64_t kinds, std::int32_t tasks) {
  constexpr std::int32_t kTasksMax = 256;
  const std::int32_t counted = std::min(tasks, kTasksMax);
  const Key key{demand.accelerators, demand.accelerator_milli, demand.cpu_milli, demand.memory_mib, kinds};
  const auto [it, added] =
      seen_.try_emplace(key, TypicalDemand{.demand = demand, .kinds = kinds, .weight = 0});
  it->second.weight += counted;
  came_ += counted;
}

std::optional<std::vector<TypicalDemand>> ExpectedWork::news() {
  if (came_ < next_) return std::nullopt;
  std::multimap<std::int64_t, const TypicalDemand*> rarest_first;
  for (const auto& [key, one] : seen_) rarest_first.emplace(one.weight, &one);
  std::vector<TypicalDemand> told;
  for (auto it = rarest_first.rbegin(); it != rarest_first.rend() && told.size() < kToldMax; ++it)
    told.push_back(*it->second);
  while (next_ <= came_ && next_ < kWindow) next_ *= 2;
  if (came_ >= kWindow) {
    came_ = 0;
    for (auto& [key, one] : seen_) one.weight /= 2;
    std::erase_if(seen_, [](const auto& each) { return each.second.weight == 0; });
  }
  return told;
}

}  // namespace millrace::scheduler
