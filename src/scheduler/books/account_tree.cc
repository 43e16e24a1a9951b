#include "scheduler/books/account_tree.h"

#include <fmt/format.h>

#include <algorithm>

#include "scheduler/decay.h"

namespace millrace::scheduler {
namespace {

using Values = std::array<std::int64_t, 3>;

Values values(const Amount& a) { return {a.accelerators_milli, a.cpu_milli, a.memory_mib}; }

constexpr std::array kResources = {"accelerators", "cores", "MiB of memory"};

Values limits(const Quota& quota) {
  const Values nominal = values(quota.nominal);
  const Values borrow = values(quota.borrow);
  Values limit = values(quota.ceiling);
  for (std::size_t i = 0; i < 3; ++i) limit[i] = std::min(limit[i], nominal[i] + borrow[i]);
  return limit;
}

bool within(Amount used, const Amount& more, const Amount& bound) {
  add_to(used, more, 1);
  return is_within(used, bound);
}

}  // namespace

Result<void> AccountTree::add(const Account& account) {
  if (account.weight_milli <= 0) {
    return failure(
        ErrorCode::kInvalidArgument,
        fmt::format("account {}: its weight is {}; it must be above 0", account.name, account.weight_milli));
  }
  std::int32_t depth = 0;
  if (account.parent != kNoAccount) {
    if (account.parent >= entries_.size()) {
      return failure(
          ErrorCode::kInvalidArgument,
          fmt::format("account {}: its parent {} does not come before it", account.name, account.parent));
    }
    depth = entries_[account.parent].depth + 1;
  }
  if (depth >= kAccountDepthMax) {
    return failure(ErrorCode::kInvalidArgument,
                   fmt::format("account {}: {} levels at most", account.name, kAccountDepthMax));
  }
  Entry entry;
  entry.account = account;
  entry.depth = depth;
  entries_.push_back(std::move(entry));
  return {};
}

void AccountTree::use(AccountIndex account, const Amount& amount, int sign, TimePoint now) {
  for (AccountIndex i = account; i != kNoAccount; i = entries_[i].account.parent) {
    Entry& e = entries_[i];
    const double kept = remaining(now - e.past.as_of, half_life_);
    const Values used = values(e.used);
    for (std::size_t r = 0; r < 3; ++r) {
      const auto mean = static_cast<double>(used[r]);
      e.past.mean[r] = mean + (e.past.mean[r] - mean) * kept;
    }
    e.past.as_of = std::max(e.past.as_of, now);
    add_to(e.used, amount, sign);
    if (sign < 0) ease(i);
  }
}

void AccountTree::add_running(Job& job) {
  Entry& e = entries_[job.work.account];
  e.running.emplace(job.work.id, &job);
  if (job.work.preemptible) ++e.preemptible[job.work.priority];
}

void AccountTree::remove_running(const Job& job) {
  Entry& e = entries_[job.work.account];
  e.running.erase(job.work.id);
  if (!job.work.preemptible) return;
  const auto of_priority = e.preemptible.find(job.work.priority);
  if (--of_priority->second == 0) e.preemptible.erase(of_priority);
}

void AccountTree::count(AccountIndex account, Amount Entry::* what, const Amount& amount, int sign) {
  for (AccountIndex i = account; i != kNoAccount; i = entries_[i].account.parent) {
    add_to(entries_[i].*what, amount, sign);
  }
}

void AccountTree::claim(AccountIndex account, const Amount& amount, int sign) {
  count(account, &Entry::claimed, amount, sign);
}

void AccountTree::leave(AccountIndex account, const Amount& amount, int sign) {
  count(account, &Entry::leaving, amount, sign);
}

void AccountTree::promise(AccountIndex account, const Amount& amount, int sign) {
  count(account, &Entry::promised, amount, sign);
}

void AccountTree::shift(AccountIndex account, const Amount& amount, int sign) {
  count(account, &Entry::used, amount, sign);
}

Amount AccountTree::used_soon(AccountIndex account) const {
  Amount soon = entries_[account].used;
  add_to(soon, entries_[account].leaving, -1);
  return soon;
}

void AccountTree::ease(AccountIndex account) {
  if (!entries_[account].blocked_groups.empty() || entries_[account].kept) eased_.push_back(account);
}

void AccountTree::unkeep(AccountIndex account, std::uint64_t pass) {
  ease(account);
  entries_[account].kept.reset();
  entries_[account].unkept_pass = pass;
}

std::vector<AccountIndex> AccountTree::take_eased() {
  std::ranges::sort(eased_);
  eased_.erase(std::ranges::unique(eased_).begin(), eased_.end());
  return std::exchange(eased_, {});
}

std::optional<QuotaLack> AccountTree::lack(AccountIndex account, const Amount& request,
                                           Amount Entry::* without) const {
  const Values need = values(request);
  for (AccountIndex i = account; i != kNoAccount; i = entries_[i].account.parent) {
    const Entry& e = entries_[i];
    Amount counted = e.used;
    if (without != nullptr) add_to(counted, e.*without, -1);
    const Values used = values(counted);
    const Values limit = limits(e.account.quota);
    for (std::size_t r = 0; r < 3; ++r) {
      if (need[r] == 0 || used[r] + need[r] <= limit[r]) continue;
      const bool ever = within({}, request, {limit[0], limit[1], limit[2]});
      return QuotaLack{.account = i,
                       .needed = need[r],
                       .free = std::max<std::int64_t>(limit[r] - used[r], 0),
                       .resource = kResources[r],
                       .ever = ever};
    }
  }
  return std::nullopt;
}

bool AccountTree::is_below(AccountIndex account, AccountIndex above) const {
  for (AccountIndex i = account; i != kNoAccount; i = entries_[i].account.parent) {
    if (i == above) return true;
  }
  return false;
}

std::optional<QuotaRoom> AccountTree::room_for(AccountIndex account, const Amount& request) const {
  std::vector<const Job*> running;
  for (AccountIndex i = account; i < entries_.size(); ++i) {
    if (entries_[i].running.empty() || !is_below(i, account)) continue;
    for (const auto& [id, job] : entries_[i].running) running.push_back(job);
  }
  std::ranges::sort(running, {}, [](const Job* job) { return std::pair(job->end, job->work.id); });
  Amount used = entries_[account].used;
  const Values limit = limits(entries_[account].account.quota);
  const Amount most{limit[0], limit[1], limit[2]};
  for (const Job* job : running) {
    if (job->end >= kSomeDay) break;
    add_to(used, job->shape->request, -1);
    if (!within(used, request, most)) continue;
    Amount spare = most;
    add_to(spare, used, -1);
    add_to(spare, request, -1);
    return QuotaRoom{job->end, spare};
  }
  return std::nullopt;
}

double AccountTree::share(const Entry& e, TimePoint now) const {
  const double kept = remaining(now - e.past.as_of, half_life_);
  const Values used = values(e.used);
  const Values leaving = values(e.leaving);
  const Values promised = values(e.promised);
  const Values capacity = values(capacity_);
  double dominant = 0.0;
  for (std::size_t r = 0; r < 3; ++r) {
    if (capacity[r] <= 0) continue;
    const auto current = static_cast<double>(used[r]);
    const double past = current + (e.past.mean[r] - current) * kept;
    const auto now_or_soon = static_cast<double>(used[r] - leaving[r] + promised[r]);
    dominant = std::max(dominant, (now_or_soon + past) / static_cast<double>(capacity[r]));
  }
  return dominant * 1000.0 / static_cast<double>(e.account.weight_milli);
}

Shares AccountTree::shares(AccountIndex account, TimePoint now) const {
  Shares result{};
  for (AccountIndex i = account; i != kNoAccount; i = entries_[i].account.parent) {
    result[static_cast<std::size_t>(entries_[i].depth)] = share(entries_[i], now);
  }
  return result;
}

Levels AccountTree::borrows(AccountIndex account, bool with_more) const {
  Levels result = 0;
  for (AccountIndex i = account; i != kNoAccount; i = entries_[i].account.parent) {
    const Entry& e = entries_[i];
    const Values used = values(used_soon(i));
    const Values promised = values(e.promised);
    const Values nominal = values(e.account.quota.nominal);
    for (std::size_t r = 0; r < 3; ++r) {
      const std::int64_t left = nominal[r] - used[r] - promised[r];
      if (left < 0 || (with_more && left == 0)) result |= static_cast<Levels>(1U << e.depth);
    }
  }
  return result;
}

bool AccountTree::may_reclaim(AccountIndex waiting, const Amount& request, AccountIndex holder,
                              const Amount& more, const Amount& counted) const {
  if (waiting == holder) return false;
  AccountIndex a = waiting;
  AccountIndex b = holder;
  while (entries_[a].account.parent != entries_[b].account.parent || a == b) {
    if (a == b) return false;  // one is above the other
    AccountIndex& deeper = entries_[a].depth >= entries_[b].depth ? a : b;
    if (entries_[deeper].account.parent == kNoAccount) return false;
    deeper = entries_[deeper].account.parent;
  }
  const Values need = values(request);
  const Values mine = values(used_soon(a));
  const Values its = values(used_soon(b));
  const Values on_top = values(more);
  const Values counts = values(counted);
  const Values nominal = values(entries_[a].account.quota.nominal);
  const Values its_nominal = values(entries_[b].account.quota.nominal);
  bool takes_more = false;
  for (std::size_t r = 0; r < 3; ++r) {
    if (need[r] > 0 && mine[r] + need[r] > nominal[r]) return false;
    takes_more = takes_more || (counts[r] > 0 && its[r] + on_top[r] > its_nominal[r]);
  }
  return takes_more;
}

}  // namespace millrace::scheduler
