#include "control/account_book.h"

#include <fmt/format.h>

namespace millrace::control {
namespace {

std::string key_of(std::string_view tenant, std::string_view project) {
  return project.empty() ? std::string(tenant) : fmt::format("{}/{}", tenant, project);
}

std::int32_t weight_of(const OwnerQuota& owner) { return owner.quota ? owner.quota->weight_milli : 1000; }

}  // namespace

scheduler::Quota scheduler_quota(const OwnerQuota& owner) {
  using scheduler::kUnlimited;
  if (!owner.quota) return owner.project.empty() ? scheduler::Quota{} : scheduler::kUnlimitedQuota;
  const auto& quota = *owner.quota;
  scheduler::Quota out;
  out.nominal = {.accelerators_milli = quota.accelerators_milli.value_or(kUnlimited),
                 .cpu_milli = quota.cpu_milli.value_or(kUnlimited),
                 .memory_mib = quota.memory_mib.value_or(kUnlimited)};
  if (quota.borrow) out.borrow = scheduler::kUnlimitedAmount;
  return out;
}

AccountBook::AccountBook() : names_{"site"}, parents_{scheduler::kNoAccount} {}

scheduler::Accounts AccountBook::root() {
  scheduler::Account site;
  site.name = "site";
  site.quota = scheduler::kUnlimitedQuota;
  return {site};
}

scheduler::AccountIndex AccountBook::add(const std::string& name, scheduler::AccountIndex parent,
                                         const scheduler::Quota& quota, std::int32_t weight_milli,
                                         std::vector<WorkloadEvent>& events) {
  scheduler::Account account;
  account.name = name;
  account.parent = parent;
  account.weight_milli = weight_milli;
  account.quota = quota;
  const auto index = static_cast<scheduler::AccountIndex>(names_.size());
  events.emplace_back(AccountAdded{.index = index, .account = std::move(account)});
  if (const auto past = past_.extract(name); !past.empty())
    events.emplace_back(PastUseKnown{.account = index, .past = past.mapped()});
  indexes_.emplace(name, index);
  names_.push_back(name);
  parents_.push_back(parent);
  return index;
}

std::vector<scheduler::AccountIndex> AccountBook::path_of(scheduler::AccountIndex account) const {
  std::vector<scheduler::AccountIndex> path;
  for (; parents_[account] != scheduler::kNoAccount; account = parents_[account]) path.push_back(account);
  return path;
}

scheduler::AccountIndex AccountBook::owner(const OwnerQuota& owner, std::vector<WorkloadEvent>& events) {
  const std::string key = key_of(owner.tenant, owner.project);
  if (const auto known = indexes_.find(key); known != indexes_.end()) {
    OwnerQuota& before = owners_.at(key);
    if (before.quota != owner.quota) {
      before.quota = owner.quota;
      events.emplace_back(QuotaChanged{
          .account = known->second, .quota = scheduler_quota(owner), .weight_milli = weight_of(owner)});
    }
    return known->second;
  }
  scheduler::AccountIndex parent = 0;
  if (!owner.project.empty()) {
    const auto tenant = indexes_.find(owner.tenant);
    parent = tenant != indexes_.end()
                 ? tenant->second
                 : this->owner({.tenant = owner.tenant, .project = {}, .quota = {}}, events);
  }
  owners_.emplace(key, owner);
  return add(key, parent, scheduler_quota(owner), weight_of(owner), events);
}

std::vector<WorkloadEvent> AccountBook::update(const std::vector<OwnerQuota>& owners) {
  std::vector<WorkloadEvent> events;
  for (const OwnerQuota& each : owners) owner(each, events);
  return events;
}

scheduler::AccountIndex AccountBook::account_of(std::string_view tenant, std::string_view project,
                                                std::string_view user, std::vector<WorkloadEvent>& events) {
  const std::string of_project = key_of(tenant, project);
  const std::string key = fmt::format("{}/{}", of_project, user);
  if (const auto known = indexes_.find(key); known != indexes_.end()) return known->second;
  const auto found = indexes_.find(of_project);
  const scheduler::AccountIndex parent =
      found != indexes_.end()
          ? found->second
          : owner({.tenant = std::string(tenant), .project = std::string(project), .quota = {}}, events);
  return add(key, parent, scheduler::kUnlimitedQuota, 1000, events);
}

}  // namespace millrace::control
