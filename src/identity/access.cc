#include "identity/access.h"

#include <array>

namespace millrace::identity {
namespace {

constexpr std::size_t kRoles = 6;
constexpr Reach N = Reach::kNone;
constexpr Reach P = Reach::kProject;
constexpr Reach T = Reach::kTenant;
constexpr Reach A = Reach::kAll;

struct Row {
  Action action;
  std::string_view name;
  std::array<Reach, kRoles> reach;  // in the order of Role
};

// Inference and jobs reach one's own project only, also for administrators: what they use is metered like anybody's.
// Nobody looks into the environments of a project that is not theirs.
constexpr std::array kMatrix = {
    //                                                    platform-          auditor  developer
    //                                                    admin  operator    tenant-admin  viewer
    Row{Action::kUse, "use", {P, P, N, P, P, N}},
    Row{Action::kReadSelf, "read-self", {A, P, P, P, P, P}},
    Row{Action::kReadKeys, "read-keys", {A, A, A, T, P, N}},
    Row{Action::kManageKeys, "manage-keys", {A, N, N, T, N, N}},
    Row{Action::kReadTenants, "read-tenants", {A, A, A, T, T, T}},
    Row{Action::kManageTenants, "manage-tenants", {A, N, N, N, N, N}},
    Row{Action::kReadProjects, "read-projects", {A, A, A, T, P, P}},
    Row{Action::kManageProjects, "manage-projects", {A, N, N, T, N, N}},
    Row{Action::kReadQuotas, "read-quotas", {A, A, A, T, P, P}},
    Row{Action::kManageTenantQuota, "manage-tenant-quota", {A, N, N, N, N, N}},
    Row{Action::kManageProjectQuota, "manage-project-quota", {A, N, N, T, N, N}},
    Row{Action::kReadModels, "read-models", {A, A, A, A, A, A}},
    Row{Action::kManageModels, "manage-models", {A, A, N, N, N, N}},
    Row{Action::kReadEndpoints, "read-endpoints", {A, A, A, A, A, A}},
    Row{Action::kManageEndpoints, "manage-endpoints", {A, A, N, N, N, N}},
    Row{Action::kReadPrices, "read-prices", {A, A, A, A, A, A}},
    Row{Action::kManagePrices, "manage-prices", {A, N, N, N, N, N}},
    Row{Action::kReadUsage, "read-usage", {A, A, A, T, P, P}},
    Row{Action::kReadEnergy, "read-energy", {A, A, A, N, N, N}},
    Row{Action::kReadReplicaLogs, "read-replica-logs", {A, A, N, N, N, N}},
    Row{Action::kSubmitJobs, "submit-jobs", {P, P, N, P, P, N}},
    Row{Action::kReadJobs, "read-jobs", {A, A, A, T, P, P}},
    Row{Action::kReadJobOutput, "read-job-output", {A, A, N, T, P, N}},
    Row{Action::kManageJobs, "manage-jobs", {A, A, N, T, P, N}},
    Row{Action::kReadSecrets, "read-secrets", {A, N, A, T, P, N}},
    Row{Action::kManageSecrets, "manage-secrets", {A, N, N, T, P, N}},
    Row{Action::kReadNodes, "read-nodes", {A, A, A, A, A, A}},
    Row{Action::kManageNodes, "manage-nodes", {A, A, N, N, N, N}},
    Row{Action::kManageSiteEvents, "manage-site-events", {A, A, N, N, N, N}},
    Row{Action::kReadEnvironments, "read-environments", {A, A, A, T, P, P}},
    Row{Action::kManageEnvironments, "manage-environments", {A, A, N, T, P, N}},
    Row{Action::kOpenEnvironments, "open-environments", {P, P, N, P, P, N}},
    Row{Action::kReadStatus, "read-status", {A, A, A, N, N, N}},
};

constexpr std::array kRoleList = {Role::kPlatformAdmin, Role::kOperator,  Role::kAuditor,
                                  Role::kTenantAdmin,   Role::kDeveloper, Role::kViewer};
static_assert(kRoleList.size() == kRoles);

constexpr auto kActionList = [] {
  std::array<Action, kMatrix.size()> list{};
  for (std::size_t i = 0; i < list.size(); ++i) list[i] = kMatrix[i].action;
  return list;
}();

const Row* row_of(Action action) {
  for (const Row& row : kMatrix) {
    if (row.action == action) return &row;
  }
  return nullptr;
}

}  // namespace

std::span<const Action> all_actions() { return kActionList; }
std::span<const Role> all_roles() { return kRoleList; }

std::string_view name_of(Action action) {
  const Row* row = row_of(action);
  return row == nullptr ? "unknown" : row->name;
}

Reach reach(Role role, Action action) {
  const Row* row = row_of(action);
  const auto column = static_cast<std::size_t>(role);
  return row == nullptr || column >= kRoles ? Reach::kNone : row->reach[column];
}

bool permits(const Principal& principal, Action action, const Subject& subject) {
  switch (reach(principal.role, action)) {
    case Reach::kNone:
      return false;
    case Reach::kProject:
      return !principal.project.empty() && subject.project == principal.project &&
             (subject.tenant.empty() || subject.tenant == principal.tenant);
    case Reach::kTenant:
      return !principal.tenant.empty() && subject.tenant == principal.tenant;
    case Reach::kAll:
      return true;
  }
  return false;
}

bool may_grant(Role granter, Role granted) {
  if (!allowed(granter, Action::kManageKeys)) return false;
  for (const Action action : all_actions()) {
    if (reach(granted, action) > reach(granter, action)) return false;
  }
  return true;
}

}  // namespace millrace::identity
