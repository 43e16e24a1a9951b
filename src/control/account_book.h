// AccountBook: tenants, projects and users as accounts of the scheduler. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "control/workload_step.h"
#include "identity/compute_quota.h"
#include "scheduler/accounts.h"

namespace millrace::control {

/// What an owner may hold of the machines. `project` empty: the tenant as a whole.
struct OwnerQuota {
  std::string tenant, project;
  std::optional<identity::ComputeQuota>
      quota;  // nullopt: of a tenant nothing, of a project what its tenant has
  bool operator==(const OwnerQuota&) const = default;
};

/// A quota in the scheduler's terms: what it names is nominal; beyond that it may borrow, where it may, without bound.
scheduler::Quota scheduler_quota(const OwnerQuota& owner);

/// The tree site > tenant > project > user. Indexes never change.
class AccountBook {
 public:
  AccountBook();

  /// What changed, as events for the step: accounts that are new, and quotas that differ.
  std::vector<WorkloadEvent> update(const std::vector<OwnerQuota>& owners);

  /// The account that work of this user is counted on; events for what was not there before are appended. A tenant or
  /// project that was never updated gets a quota of zero.
  scheduler::AccountIndex account_of(std::string_view tenant, std::string_view project, std::string_view user,
                                     std::vector<WorkloadEvent>& events);

  /// What accounts used before, by name: told once the account is there.
  void remember(std::map<std::string, scheduler::PastUse> past) { past_ = std::move(past); }
  /// The account and those above it, but the root.
  std::vector<scheduler::AccountIndex> path_of(scheduler::AccountIndex account) const;
  /// "tenant", "tenant/project", "tenant/project/user"; unique.
  const std::string& name_of(scheduler::AccountIndex account) const { return names_[account]; }

  /// The root alone, to create a scheduler with.
  static scheduler::Accounts root();

 private:
  scheduler::AccountIndex add(const std::string& name, scheduler::AccountIndex parent,
                              const scheduler::Quota& quota, std::int32_t weight_milli,
                              std::vector<WorkloadEvent>& events);
  scheduler::AccountIndex owner(const OwnerQuota& owner, std::vector<WorkloadEvent>& events);

  std::map<std::string, scheduler::AccountIndex, std::less<>>
      indexes_;  // "tenant", "tenant/project", ".../user"
  std::map<std::string, OwnerQuota, std::less<>> owners_;
  std::map<std::string, scheduler::PastUse> past_;  // of accounts that are not there yet
  std::vector<std::string> names_;                  // by account, the root's first
  std::vector<scheduler::AccountIndex> parents_;    // by account
};

}  // namespace millrace::control
