#include "identity/directory.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/id.h"
#include "host/sha256.h"
#include "host/utf8.h"
#include "identity/directory_records.h"
#include "identity/policy_fields.h"

namespace millrace::identity {
namespace {

constexpr std::size_t kMaxUserNameBytes = 128;

std::string path(std::string_view prefix, std::string_view name) {
  return std::string(prefix) + std::string(name);
}

Result<void> check_name(std::string_view what, std::string_view name) {
  if (is_name(name)) return {};
  return failure(
      ErrorCode::kInvalidArgument,
      fmt::format("{}: want 1 to 63 of a-z, 0-9, '.' and '-', starting and ending with a letter or digit",
                  what));
}

/// The record, with a message for people when there is none. `name` may be anything a client wrote.
Result<store::Record> must_get(const store::Store& store, std::string_view prefix, std::string_view what,
                               std::string_view name) {
  auto record = store.get(path(prefix, name));
  if (!record && record.error().code == ErrorCode::kNotFound) {
    return failure(ErrorCode::kNotFound, fmt::format("there is no {} '{}'", what, name.substr(0, 64)));
  }
  return record;
}

/// Commits; a broken expectation becomes `conflict`.
Result<void> commit(store::Store& store, store::Transaction transaction, std::string_view conflict) {
  const auto done = store.commit(std::move(transaction));
  if (done) return {};
  if (done.error().code == ErrorCode::kConflict) return failure(ErrorCode::kConflict, std::string(conflict));
  return std::unexpected(done.error());
}

Result<Key> parse_key_only(std::string_view json) { return TRY(parse_stored_key(json)).key; }

bool is_live(const Key& key, TimePoint now) {
  return !key.revoked_at && (!key.expires || *key.expires > now);
}

Result<std::optional<Limits>> quota_at(const store::Store& store, const std::string& key) {
  const auto record = TRY(store.find(key));
  return record ? std::optional{TRY(parse_limits(record->value))} : std::nullopt;
}

KeyPolicy policy_of(const StoredKey& stored) {
  const Key& key = stored.key;
  return {.id = key.id,
          .prefix = key.prefix,
          .tenant = key.tenant,
          .project = key.project,
          .digest = stored.digest,
          .role = key.role,
          .limits = key.limits,
          .expires = key.expires};
}

}  // namespace

Directory::Directory(store::Store& store, const Clock& clock, Rng& rng, const Pepper& pepper)
    : store_(store), clock_(clock), rng_(rng), pepper_(pepper) {}

Result<Tenant> Directory::create_tenant(std::string_view name) {
  TRY_VOID(check_name("tenant name", name));
  Tenant tenant{.name = std::string(name), .created_at = clock_.now()};
  const std::string key = path(kTenantPrefix, name);
  TRY_VOID(commit(store_, {.expect = {{key, 0}}, .put = {{key, encode(tenant)}}, .erase = {}},
                  fmt::format("tenant '{}' exists already", name)));
  return tenant;
}

Result<Tenant> Directory::tenant(std::string_view name) const {
  return parse_stored_tenant(TRY(must_get(store_, kTenantPrefix, "tenant", name)).value);
}

Result<Page<Tenant>> Directory::tenants(std::size_t limit, std::string_view after) const {
  return page_of<Tenant>(store_, kTenantPrefix, limit, after, parse_stored_tenant,
                         [](const Tenant&) { return true; });
}

Result<Project> Directory::create_project(std::string_view name, std::string_view tenant) {
  TRY_VOID(check_name("project name", name));
  const auto owner = TRY(must_get(store_, kTenantPrefix, "tenant", tenant));
  Project project{.name = std::string(name), .tenant = std::string(tenant), .created_at = clock_.now()};
  const std::string key = path(kProjectPrefix, name);
  TRY_VOID(commit(
      store_,
      {.expect = {{key, 0}, {owner.key, owner.revision}}, .put = {{key, encode(project)}}, .erase = {}},
      fmt::format("project '{}' exists already", name)));
  return project;
}

Result<Project> Directory::project(std::string_view name) const {
  return parse_stored_project(TRY(must_get(store_, kProjectPrefix, "project", name)).value);
}

Result<Page<Project>> Directory::projects(std::string_view tenant, std::size_t limit,
                                          std::string_view after) const {
  return page_of<Project>(store_, kProjectPrefix, limit, after, parse_stored_project,
                          [&](const Project& project) { return tenant.empty() || project.tenant == tenant; });
}

Result<PrincipalRecord> Directory::principal(std::string_view id) const {
  return parse_stored_principal(TRY(must_get(store_, kPrincipalPrefix, "principal", id)).value);
}

Result<CreatedKey> Directory::create_key(const KeyRequest& request) {
  std::string text = make_key_text(rng_);
  Key key = TRY(register_key(text, request));
  return CreatedKey{.key = std::move(key), .text = std::move(text)};
}

/// Who a new key belongs to, and the principal's record where it is made with the key.
struct Directory::Owner {
  std::string id;
  std::optional<PrincipalRecord> made;
};

Result<Directory::Owner> Directory::owner_of(const KeyRequest& request, const Key& key) {
  if (!request.principal_id.empty()) {
    const auto found = TRY(principal(request.principal_id));
    if (found.tenant != key.tenant) {
      return failure(
          ErrorCode::kInvalidArgument,
          fmt::format("principal '{}' belongs to another tenant than project '{}'", found.id, key.project));
    }
    return Owner{.id = found.id, .made = std::nullopt};
  }
  PrincipalRecord made{.id = make_id("principal", key.created_at, rng_),
                       .name = request.user_name.value_or(key.id),
                       .tenant = key.tenant,
                       .kind = request.user_name ? PrincipalKind::kUser : PrincipalKind::kService,
                       .created_at = key.created_at};
  const bool printable =
      std::ranges::all_of(made.name, [](char c) { return static_cast<unsigned char>(c) >= ' '; });
  if (made.name.empty() || made.name.size() > kMaxUserNameBytes || !printable || !host::is_utf8(made.name)) {
    return failure(ErrorCode::kInvalidArgument,
                   fmt::format("user: want 1 to {} bytes of printable UTF-8", kMaxUserNameBytes));
  }
  return Owner{.id = made.id, .made = made};
}

Result<Key> Directory::register_key(std::string_view text, const KeyRequest& request) {
  if (!is_key_text(text)) {
    return failure(ErrorCode::kInvalidArgument, "key: want 'mr_' and 43 characters of URL-safe base64");
  }
  TRY_VOID(check_limits(request.limits));
  const TimePoint now = clock_.now();
  if (request.expires && *request.expires <= now) {
    return failure(ErrorCode::kInvalidArgument,
                   fmt::format("expires: {} has passed", to_rfc3339(*request.expires)));
  }
  const auto project_record = TRY(must_get(store_, kProjectPrefix, "project", request.project));
  const Project owner_project = TRY(parse_stored_project(project_record.value));
  StoredKey stored;
  Key& key = stored.key;
  key = {.id = make_id("key", now, rng_),
         .prefix = std::string(key_prefix(text)),
         .tenant = owner_project.tenant,
         .project = owner_project.name,
         .principal_id = {},
         .role = request.role,
         .limits = request.limits,
         .created_at = now,
         .expires = request.expires,
         .revoked_at = std::nullopt};
  stored.digest = digest_key(pepper_, text);
  const Owner owner = TRY(owner_of(request, key));
  key.principal_id = owner.id;

  const std::string digest_path = path(kDigestPrefix, host::to_hex(stored.digest));
  store::Transaction change;
  change.expect = {
      {digest_path, 0}, {path(kKeyPrefix, key.id), 0}, {project_record.key, project_record.revision}};
  change.put = {{path(kKeyPrefix, key.id), encode(stored)}, {digest_path, key.id}};
  if (owner.made) change.put.push_back({path(kPrincipalPrefix, owner.id), encode(*owner.made)});
  TRY_VOID(commit(store_, std::move(change), "this key is known already"));
  return key;
}

Result<Key> Directory::key(std::string_view id) const {
  return parse_key_only(TRY(must_get(store_, kKeyPrefix, "key", id)).value);
}

Result<Page<Key>> Directory::keys(const KeyFilter& filter, std::size_t limit, std::string_view after) const {
  return page_of<Key>(store_, kKeyPrefix, limit, after, parse_key_only, [&](const Key& key) {
    return (filter.tenant.empty() || key.tenant == filter.tenant) &&
           (filter.project.empty() || key.project == filter.project);
  });
}

Result<Key> Directory::revoke_key(std::string_view id) {
  for (;;) {
    const auto record = TRY(must_get(store_, kKeyPrefix, "key", id));
    StoredKey stored = TRY(parse_stored_key(record.value));
    if (stored.key.revoked_at) return stored.key;
    stored.key.revoked_at = clock_.now();
    const auto done = store_.commit(
        {.expect = {{record.key, record.revision}}, .put = {{record.key, encode(stored)}}, .erase = {}});
    if (done) return stored.key;
    if (done.error().code != ErrorCode::kConflict) return std::unexpected(done.error());
  }
}

Result<Principal> Directory::authenticate(std::string_view key_text) const {
  const auto denied = [] { return failure(ErrorCode::kDenied, "the API key is not valid"); };
  if (!is_key_text(key_text)) return denied();
  const auto entry = store_.get(path(kDigestPrefix, host::to_hex(digest_key(pepper_, key_text))));
  if (!entry && entry.error().code == ErrorCode::kNotFound) return denied();
  if (!entry) return std::unexpected(entry.error());
  const auto record = TRY(store_.get(path(kKeyPrefix, entry->value)));
  const Key key = TRY(parse_key_only(record.value));
  if (!is_live(key, clock_.now())) return denied();
  return Principal{.key_id = key.id,
                   .principal_id = key.principal_id,
                   .tenant = key.tenant,
                   .project = key.project,
                   .role = key.role};
}

Result<std::optional<Limits>> Directory::tenant_quota(std::string_view name) const {
  TRY_VOID(tenant(name));
  return quota_at(store_, path(kTenantQuotaPrefix, name));
}

Result<std::optional<Limits>> Directory::project_quota(std::string_view name) const {
  TRY_VOID(project(name));
  return quota_at(store_, path(kProjectQuotaPrefix, name));
}

namespace {
Result<void> set_quota(store::Store& store, const store::Record& owner, std::string key,
                       const std::optional<Limits>& quota) {
  store::Transaction change;
  change.expect = {{owner.key, owner.revision}};
  if (quota) {
    TRY_VOID(check_limits(*quota));
    change.put = {{std::move(key), encode(*quota)}};
  } else {
    change.erase = {std::move(key)};
  }
  return commit(store, std::move(change), "it was changed at the same moment; try again");
}
}  // namespace

Result<void> Directory::set_tenant_quota(std::string_view name, const std::optional<Limits>& quota) {
  const auto owner = TRY(must_get(store_, kTenantPrefix, "tenant", name));
  return set_quota(store_, owner, path(kTenantQuotaPrefix, name), quota);
}

Result<void> Directory::set_project_quota(std::string_view name, const std::optional<Limits>& quota) {
  const auto owner = TRY(must_get(store_, kProjectPrefix, "project", name));
  return set_quota(store_, owner, path(kProjectQuotaPrefix, name), quota);
}

Result<void> Directory::add_policy(const std::string& record, PolicyChange& change) const {
  const auto found = TRY(store_.find(record));
  if (!found) {
    change.del.push_back(record);
    return {};
  }
  if (record.starts_with(kKeyPrefix)) {
    const StoredKey stored = TRY(parse_stored_key(found->value));
    if (is_live(stored.key, clock_.now())) {
      change.set[record] = encode(policy_of(stored));
    } else {
      change.del.push_back(record);
    }
  } else if (record.starts_with(kTenantPrefix)) {
    const Tenant owner = TRY(parse_stored_tenant(found->value));
    const auto quota = TRY(quota_at(store_, path(kTenantQuotaPrefix, owner.name)));
    change.set[record] = encode(TenantPolicy{.name = owner.name, .quota = quota});
  } else {
    const Project owner = TRY(parse_stored_project(found->value));
    const auto quota = TRY(quota_at(store_, path(kProjectQuotaPrefix, owner.name)));
    change.set[record] = encode(ProjectPolicy{.name = owner.name, .tenant = owner.tenant, .quota = quota});
  }
  return {};
}

Result<PolicyChange> Directory::policy() const {
  PolicyChange change;
  for (const std::string_view prefix : {kTenantPrefix, kProjectPrefix, kKeyPrefix}) {
    std::string last;
    for (;;) {
      const auto records = TRY(store_.list(prefix, last, kScanRecords));
      for (const store::Record& record : records) TRY_VOID(add_policy(record.key, change));
      if (records.size() < kScanRecords) break;
      last = records.back().key;
    }
  }
  change.del.clear();  // dead keys: a full policy does not name them
  return change;
}

Result<PolicyChange> Directory::policy_after(const store::Transaction& transaction) const {
  std::vector<std::string> touched;
  const auto touch = [&](std::string_view key) {
    constexpr std::string_view kQuotas = "quota/";
    if (key.starts_with(kTenantQuotaPrefix) || key.starts_with(kProjectQuotaPrefix)) {
      touched.emplace_back(key.substr(kQuotas.size()));
    } else if (key.starts_with(kTenantPrefix) || key.starts_with(kProjectPrefix) ||
               key.starts_with(kKeyPrefix)) {
      touched.emplace_back(key);
    }
  };
  for (const auto& put : transaction.put) touch(put.key);
  for (const std::string& key : transaction.erase) touch(key);
  std::ranges::sort(touched);
  touched.erase(std::ranges::unique(touched).begin(), touched.end());
  PolicyChange change;
  for (const std::string& record : touched) TRY_VOID(add_policy(record, change));
  return change;
}

}  // namespace millrace::identity
