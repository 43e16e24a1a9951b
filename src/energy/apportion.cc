#include "energy/apportion.h"

#include <algorithm>

namespace millrace::energy {

void Apportioner::read_cpu(std::int64_t cpu_ns) {
  if (!has_origin_ || cpu_ns < last_cpu_ns_) {
    has_origin_ = true;
    origin_cpu_ns_ = last_cpu_ns_ = cpu_ns;
    divided_uj_ = 0;
    return;
  }
  last_cpu_ns_ = cpu_ns;
  // From the origin, not from the last reading: rounding does not add up.
  const std::int64_t total_uj = dynamic_energy_uj(model_, cpu_ns - origin_cpu_ns_);
  divide(total_uj - divided_uj_);
  divided_uj_ = total_uj;
}

void Apportioner::divide(std::int64_t energy_uj) {
  if (shares_.empty()) {
    unattributed_uj_ += energy_uj;
    return;
  }
  std::int64_t work_total = 0;
  for (const Share& share : shares_) work_total += share.work;
  const bool equal = work_total == 0;
  if (equal) work_total = static_cast<std::int64_t>(shares_.size());

  // Cumulative rounding: each share ends where the running total of work says, so the parts sum to the whole.
  std::int64_t work_before = 0;
  std::int64_t given = 0;
  for (Share& share : shares_) {
    work_before += equal ? 1 : share.work;
    const auto upto = static_cast<std::int64_t>(static_cast<__int128>(energy_uj) * work_before / work_total);
    share.energy_uj += upto - given;
    given = upto;
    share.work = 0;
  }
}

void Apportioner::begin(std::uint64_t key) { shares_.push_back({.key = key}); }

Apportioner::Share* Apportioner::find(std::uint64_t key) {
  const auto it = std::ranges::find(shares_, key, &Share::key);
  return it == shares_.end() ? nullptr : &*it;
}

void Apportioner::add_work(std::uint64_t key, std::int64_t work) {
  if (Share* share = find(key); share != nullptr && work > 0) share->work += work;
}

std::int64_t Apportioner::energy_uj(std::uint64_t key) const {
  const auto it = std::ranges::find(shares_, key, &Share::key);
  return it == shares_.end() ? 0 : it->energy_uj;
}

std::int64_t Apportioner::end(std::uint64_t key) {
  const auto it = std::ranges::find(shares_, key, &Share::key);
  if (it == shares_.end()) return 0;
  const std::int64_t energy_uj = it->energy_uj;
  shares_.erase(it);
  return energy_uj;
}

}  // namespace millrace::energy
