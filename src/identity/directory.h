// Directory: tenants, projects, principals, keys and quotas, kept in the store; each change is one transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/result.h"
#include "core/rng.h"
#include "identity/access.h"
#include "identity/compute_quota.h"
#include "identity/key.h"
#include "identity/page.h"
#include "identity/policy.h"
#include "store/store.h"

namespace millrace::identity {

struct Tenant {
  std::string name;
  TimePoint created_at{};
};

struct Project {
  std::string name, tenant;
  TimePoint created_at{};
};

enum class PrincipalKind { kUser, kService };
std::string_view name_of(PrincipalKind kind);

/// Who stands behind a key.
struct PrincipalRecord {
  std::string id, name, tenant;
  PrincipalKind kind = PrincipalKind::kService;
  TimePoint created_at{};
};

/// A key without its text, which nobody can get back.
struct Key {
  std::string id, prefix, tenant, project, principal_id;
  Role role = Role::kDeveloper;
  Limits limits;
  TimePoint created_at{};
  std::optional<TimePoint> expires, revoked_at;
};

struct KeyRequest {
  std::string project;
  Role role = Role::kDeveloper;
  Limits limits;
  std::optional<TimePoint> expires;
  std::string principal_id;              // empty: a service principal is made for this key
  std::optional<std::string> user_name;  // instead: a user principal of that name is made
};

struct CreatedKey {
  Key key;
  std::string text;  // secret; shown once
};

struct KeyFilter {
  std::string tenant, project;  // empty: all
};

/// The quota in force of one tenant, or of one project of it.
struct ComputeAccount {
  std::string tenant, project;  // project empty: the tenant as a whole
  ComputeQuota quota;
  bool operator==(const ComputeAccount&) const = default;
};

/// Every method is safe from any thread, and durable on return. Failures common to all: kInvalidArgument for a
/// malformed name or limit, kNotFound for a tenant, project, principal or key that does not exist, kConflict for a
/// name that is taken.
class Directory {
 public:
  /// All are borrowed and outlive the directory. `rng` must be cryptographic and thread-safe.
  Directory(store::Store& store, const Clock& clock, Rng& rng, const Pepper& pepper);

  Result<Tenant> create_tenant(std::string_view name);
  Result<Tenant> tenant(std::string_view name) const;
  Result<Page<Tenant>> tenants(std::size_t limit, std::string_view after = {}) const;

  /// Names of projects are unique in the installation.
  Result<Project> create_project(std::string_view name, std::string_view tenant);
  Result<Project> project(std::string_view name) const;
  /// Of one tenant, or of all where `tenant` is empty.
  Result<Page<Project>> projects(std::string_view tenant, std::size_t limit,
                                 std::string_view after = {}) const;

  Result<PrincipalRecord> principal(std::string_view id) const;

  /// kInvalidArgument also for an expiry that has passed.
  Result<CreatedKey> create_key(const KeyRequest& request);
  /// The same for a text that the caller made with `make_key_text` and has stored already (bootstrap). kConflict if
  /// that key is known.
  Result<Key> register_key(std::string_view text, const KeyRequest& request);
  Result<Key> key(std::string_view id) const;
  /// Revoked and expired ones included.
  Result<Page<Key>> keys(const KeyFilter& filter, std::size_t limit, std::string_view after = {}) const;
  /// Final. Revoking twice keeps the first time.
  Result<Key> revoke_key(std::string_view id);

  /// kDenied, with no hint why, for a text that is unknown, revoked or expired.
  Result<Principal> authenticate(std::string_view key_text) const;

  /// nullopt: none was given. For a tenant that means zero; for a project, that its tenant's alone applies.
  /// A quota without any limit in it is unlimited.
  Result<std::optional<Limits>> tenant_quota(std::string_view tenant) const;
  Result<std::optional<Limits>> project_quota(std::string_view project) const;
  Result<void> set_tenant_quota(std::string_view tenant, const std::optional<Limits>& quota);
  Result<void> set_project_quota(std::string_view project, const std::optional<Limits>& quota);

  /// Of the machines; as it was given, nullopt if none was.
  Result<std::optional<ComputeQuota>> tenant_compute_quota(std::string_view tenant) const;
  Result<std::optional<ComputeQuota>> project_compute_quota(std::string_view project) const;
  Result<void> set_tenant_compute_quota(std::string_view tenant, const std::optional<ComputeQuota>& quota);
  Result<void> set_project_compute_quota(std::string_view project, const std::optional<ComputeQuota>& quota);
  /// What holds: the tenant's own; without one, no limits where its quota of requests is unlimited, else kNoCompute.
  Result<ComputeQuota> compute_quota_in_force(std::string_view tenant) const;
  /// What holds for every tenant and project, a tenant before its projects. A project without a quota of its own has
  /// no limits but its tenant's. Changes with records under "compute-quota/", "quota/tenant/", "tenant/", "project/".
  Result<std::vector<ComputeAccount>> compute_quotas() const;

  /// Everything that gateways are told of the directory, as policy records: "key/<id>" (neither revoked nor expired),
  /// "tenant/<name>", "project/<name>". `version` and `full` are left for the caller.
  Result<PolicyChange> policy() const;
  /// The part of it that this committed transaction changed; empty if it touched nothing of the directory. Reads the
  /// store as it is now, so a later state may be told early; never an earlier one.
  Result<PolicyChange> policy_after(const store::Transaction& transaction) const;

 private:
  struct Owner;
  Result<Owner> owner_of(const KeyRequest& request, const Key& key);
  Result<void> add_policy(const std::string& record, PolicyChange& change) const;

  store::Store& store_;
  const Clock& clock_;
  Rng& rng_;
  const Pepper& pepper_;
};

/// kInvalidArgument naming the field if a limit is negative or beyond 10^15.
Result<void> check_limits(const Limits& limits);

/// The JSON form of limits in policy and store records: {"requests_per_minute":60,...,"microeur_per_month":1};
/// absent fields are no limit.
std::string encode(const Limits& limits);
Result<Limits> parse_limits(std::string_view json);

}  // namespace millrace::identity
