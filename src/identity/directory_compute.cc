// Quotas of the machines.
#include <fmt/format.h>

#include <map>

#include "identity/directory.h"
#include "identity/directory_records.h"

namespace millrace::identity {
namespace {

std::string quota_key(std::string_view owner, std::string_view name) {
  return fmt::format("{}{}{}", kComputeQuotaPrefix, owner, name);
}

Result<std::optional<ComputeQuota>> quota_at(const store::Store& store, const std::string& key) {
  const auto record = TRY(store.find(key));
  return record ? std::optional{TRY(parse_compute_quota(record->value))} : std::nullopt;
}

Result<void> set_quota(store::Store& store, const std::string& owner, std::string key,
                       const std::optional<ComputeQuota>& quota) {
  const auto record = TRY(store.get(owner));
  store::Transaction change;
  change.expect = {{record.key, record.revision}};
  if (quota) {
    TRY_VOID(check_compute_quota(*quota));
    change.put = {{std::move(key), encode(*quota)}};
  } else {
    change.erase = {std::move(key)};
  }
  const auto done = store.commit(std::move(change));
  if (done) return {};
  if (done.error().code != ErrorCode::kConflict) return std::unexpected(done.error());
  return failure(ErrorCode::kConflict, "it was changed at the same moment; try again");
}

/// Every record under `prefix`. An error names the record.
template <typename Visit>
Result<void> for_each(const store::Store& store, std::string_view prefix, Visit visit) {
  std::string last;
  for (;;) {
    const auto records = TRY(store.list(prefix, last, kScanRecords));
    for (const store::Record& record : records) {
      const Result<void> visited = visit(record);
      if (visited) continue;
      return failure(visited.error().code, fmt::format("record {}: {}", record.key, visited.error().message));
    }
    if (records.size() < kScanRecords) return {};
    last = records.back().key;
  }
}

}  // namespace

Result<std::optional<ComputeQuota>> Directory::tenant_compute_quota(std::string_view name) const {
  TRY_VOID(tenant(name));
  return quota_at(store_, quota_key(kTenantPrefix, name));
}

Result<std::optional<ComputeQuota>> Directory::project_compute_quota(std::string_view name) const {
  TRY_VOID(project(name));
  return quota_at(store_, quota_key(kProjectPrefix, name));
}

Result<void> Directory::set_tenant_compute_quota(std::string_view name,
                                                 const std::optional<ComputeQuota>& quota) {
  TRY_VOID(tenant(name));
  return set_quota(store_, std::string(kTenantPrefix) + std::string(name), quota_key(kTenantPrefix, name),
                   quota);
}

Result<void> Directory::set_project_compute_quota(std::string_view name,
                                                  const std::optional<ComputeQuota>& quota) {
  TRY_VOID(project(name));
  return set_quota(store_, std::string(kProjectPrefix) + std::string(name), quota_key(kProjectPrefix, name),
                   quota);
}

Result<ComputeQuota> Directory::compute_quota_in_force(std::string_view name) const {
  if (const auto own = TRY(tenant_compute_quota(name))) return *own;
  const auto limits = TRY(tenant_quota(name));
  return limits && *limits == Limits{} ? ComputeQuota{} : kNoCompute;
}

Result<std::vector<ComputeAccount>> Directory::compute_quotas() const {
  std::map<std::string, std::vector<ComputeAccount>> tenants;
  TRY_VOID(for_each(store_, kTenantPrefix, [&](const store::Record& record) -> Result<void> {
    const Tenant tenant = TRY(parse_stored_tenant(record.value));
    tenants[tenant.name].push_back({tenant.name, "", TRY(compute_quota_in_force(tenant.name))});
    return {};
  }));
  TRY_VOID(for_each(store_, kProjectPrefix, [&](const store::Record& record) -> Result<void> {
    const Project project = TRY(parse_stored_project(record.value));
    const auto own = TRY(quota_at(store_, quota_key(kProjectPrefix, project.name)));
    // A tenant made after its own list was read comes with the next change.
    if (const auto owner = tenants.find(project.tenant); owner != tenants.end()) {
      owner->second.push_back({project.tenant, project.name, own.value_or(ComputeQuota{})});
    }
    return {};
  }));
  std::vector<ComputeAccount> all;
  for (auto& [name, accounts] : tenants) all.insert(all.end(), accounts.begin(), accounts.end());
  return all;
}

}  // namespace millrace::identity
