#include "control/crowd.h"

#include <algorithm>
#include <cmath>

namespace millrace::control {
namespace {

using scheduler::Amount;

std::size_t pool_of(const Amount& request) { return request.accelerators_milli > 0 ? 0 : 1; }

double of_pool(const Amount& amount, std::size_t pool) {
  return static_cast<double>(pool == 0 ? amount.accelerators_milli : amount.cpu_milli);
}

/// The latest deadline by which too much is due.
TimePoint latest_crowded(TimePoint now, std::vector<CrowdMember> due, std::size_t pool, double left) {
  std::ranges::sort(due, {}, &CrowdMember::deadline);
  TimePoint result = TimePoint::min();
  double demand = 0.0;  // thousandths of an accelerator (or core), microseconds
  std::size_t members = 0;
  for (const CrowdMember& member : due) {
    // What does not fit beside others as often as it is large leaves a part of the machines idle.
    const double asks = of_pool(member.request, pool);
    const double blocks = asks < left ? left / std::floor(left / asks) : left;
    demand += blocks * static_cast<double>(member.left.count());
    ++members;
    const std::chrono::microseconds time = member.deadline - now - std::chrono::hours(2);
    if (members > 1 && demand > left * static_cast<double>(time.count())) result = member.deadline;
  }
  return result;
}

}  // namespace

void Crowd::set(TimePoint now, const std::vector<CrowdMember>& members, const Amount& used,
                const Amount& capacity) {
  for (std::size_t pool = 0; pool < go_until_.size(); ++pool) {
    std::vector<CrowdMember> due;
    double left = of_pool(capacity, pool) - of_pool(used, pool);
    for (const CrowdMember& member : members) {
      if (member.runs) left += of_pool(member.request, pool);
      if (pool_of(member.request) == pool) due.push_back(member);
    }
    go_until_[pool] = latest_crowded(now, std::move(due), pool, std::max(left, 1.0));
  }
}

bool Crowd::must_go(const Amount& request, TimePoint deadline) const {
  return deadline <= go_until_[pool_of(request)];
}

}  // namespace millrace::control
