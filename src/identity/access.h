// Access: which role may do what, and how far it reaches. Pure; what is not in the table is denied (invariant I4).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/result.h"
#include "identity/policy.h"

namespace millrace::identity {

enum class Action {
  kUse,       // inference on any endpoint
  kReadSelf,  // who am I
  kReadKeys,
  kManageKeys,  // create, revoke
  kReadTenants,
  kManageTenants,
  kReadProjects,
  kManageProjects,
  kReadQuotas,
  kManageTenantQuota,
  kManageProjectQuota,
  kReadModels,
  kManageModels,
  kReadEndpoints,  // replicas included
  kManageEndpoints,
  kReadPrices,
  kManagePrices,
  kReadUsage,
  kReadEnergy,
  kReadReplicaLogs,
  kSubmitJobs,     // working folders included
  kReadJobs,       // their figures and reasons
  kReadJobOutput,  // logs and files
  kManageJobs,     // cancel
  kReadSecrets,    // names only
  kManageSecrets,
  kReadNodes,
  kManageNodes,       // cordon, drain
  kManageSiteEvents,  // less power for a time
  kReadEnvironments,
  kManageEnvironments,  // create, start, stop, delete
  kOpenEnvironments,    // come in
  kReadStatus,          // processes, limits, live figures of the whole site
};

/// All of them, in order: for matrices and tests.
std::span<const Action> all_actions();
std::span<const Role> all_roles();
/// "use", "manage-keys", ... as shown in the OpenAPI document.
std::string_view name_of(Action action);

/// How far a right goes from the principal that has it. Ordered: each includes the one before.
enum class Reach { kNone, kProject, kTenant, kAll };

/// The matrix. kNone: denied.
Reach reach(Role role, Action action);
inline bool allowed(Role role, Action action) { return reach(role, action) != Reach::kNone; }

/// Who asks: what a key stands for.
struct Principal {
  std::string key_id, principal_id, tenant, project;
  Role role = Role::kViewer;
};

/// What is asked for. Both empty: the platform as a whole, which only kAll reaches.
struct Subject {
  std::string_view tenant, project;
};

/// True if the principal's role allows the action on that subject. Things without an owner (models, endpoints,
/// prices, the principal itself) are asked with `allowed` instead.
bool permits(const Principal& principal, Action action, const Subject& subject);

/// True if a key of role `granter` may create a key of role `granted`: nobody hands out more than they have.
bool may_grant(Role granter, Role granted);

}  // namespace millrace::identity
