#include "identity/directory_records.h"

#include <fmt/format.h>

#include "host/json.h"
#include "host/sha256.h"
#include "identity/policy_fields.h"

namespace millrace::identity {
namespace {

using host::JsonObject;
using host::JsonWriter;

constexpr std::int64_t kMaxLimit = 1'000'000'000'000'000;

}  // namespace

std::string_view name_of(PrincipalKind kind) { return kind == PrincipalKind::kUser ? "user" : "service"; }

std::string encode(const Limits& limits) {
  JsonWriter out;
  write_limits(out, limits);
  return out.take();
}

Result<Limits> parse_limits(std::string_view json) { return parse_record("limits", json, read_limits); }

Result<void> check_limits(const Limits& limits) {
  const std::pair<const char*, std::optional<std::int64_t>> fields[] = {
      {"requests_per_minute", limits.requests_per_minute},
      {"tokens_per_minute", limits.tokens_per_minute},
      {"concurrency", limits.concurrency},
      {"tokens_per_month", limits.tokens_per_month},
      {"microeur_per_month", limits.microeur_per_month},
  };
  for (const auto& [name, value] : fields) {
    if (value && (*value < 0 || *value > kMaxLimit)) {
      return failure(ErrorCode::kInvalidArgument,
                     fmt::format("{}: must be from 0 to {}, found {}", name, kMaxLimit, *value));
    }
  }
  return {};
}

std::string encode(const Tenant& tenant) {
  JsonWriter out;
  out.begin_object()
      .field("name", tenant.name)
      .field("created_at", to_rfc3339(tenant.created_at))
      .end_object();
  return out.take();
}

Result<Tenant> parse_stored_tenant(std::string_view json) {
  return parse_record("tenant", json, [](const JsonObject& in) -> Result<Tenant> {
    TRY_VOID(in.check_no_unknown({"name", "created_at"}));
    return Tenant{.name = TRY(in.required_string("name")),
                  .created_at = TRY(required_time(in, "created_at"))};
  });
}

std::string encode(const Project& project) {
  JsonWriter out;
  out.begin_object().field("name", project.name).field("tenant", project.tenant);
  out.field("created_at", to_rfc3339(project.created_at)).end_object();
  return out.take();
}

Result<Project> parse_stored_project(std::string_view json) {
  return parse_record("project", json, [](const JsonObject& in) -> Result<Project> {
    TRY_VOID(in.check_no_unknown({"name", "tenant", "created_at"}));
    Project project;
    project.name = TRY(in.required_string("name"));
    project.tenant = TRY(in.required_string("tenant"));
    project.created_at = TRY(required_time(in, "created_at"));
    return project;
  });
}

std::string encode(const PrincipalRecord& principal) {
  JsonWriter out;
  out.begin_object()
      .field("id", principal.id)
      .field("name", principal.name)
      .field("tenant", principal.tenant);
  out.field("kind", name_of(principal.kind))
      .field("created_at", to_rfc3339(principal.created_at))
      .end_object();
  return out.take();
}

Result<PrincipalRecord> parse_stored_principal(std::string_view json) {
  return parse_record("principal", json, [](const JsonObject& in) -> Result<PrincipalRecord> {
    TRY_VOID(in.check_no_unknown({"id", "name", "tenant", "kind", "created_at"}));
    PrincipalRecord principal;
    principal.id = TRY(in.required_string("id"));
    principal.name = TRY(in.required_string("name"));
    principal.tenant = TRY(in.required_string("tenant"));
    const std::string kind = TRY(in.required_string("kind"));
    if (kind != "user" && kind != "service") return failure(ErrorCode::kCorrupt, "kind: is not known");
    principal.kind = kind == "user" ? PrincipalKind::kUser : PrincipalKind::kService;
    principal.created_at = TRY(required_time(in, "created_at"));
    return principal;
  });
}

std::string encode(const StoredKey& stored) {
  const Key& key = stored.key;
  JsonWriter out;
  out.begin_object().field("id", key.id).field("prefix", key.prefix).field("tenant", key.tenant);
  out.field("project", key.project).field("principal", key.principal_id).field("role", name_of(key.role));
  out.field("digest", host::to_hex(stored.digest)).key("limits");
  write_limits(out, key.limits);
  out.field("created_at", to_rfc3339(key.created_at));
  if (key.expires) out.field("expires", to_rfc3339(*key.expires));
  if (key.revoked_at) out.field("revoked_at", to_rfc3339(*key.revoked_at));
  out.end_object();
  return out.take();
}

Result<StoredKey> parse_stored_key(std::string_view json) {
  return parse_record("key", json, [](const JsonObject& in) -> Result<StoredKey> {
    TRY_VOID(in.check_no_unknown({"id", "prefix", "tenant", "project", "principal", "role", "digest",
                                  "limits", "created_at", "expires", "revoked_at"}));
    StoredKey stored;
    Key& key = stored.key;
    key.id = TRY(in.required_string("id"));
    key.prefix = TRY(in.required_string("prefix"));
    key.tenant = TRY(in.required_string("tenant"));
    key.project = TRY(in.required_string("project"));
    key.principal_id = TRY(in.required_string("principal"));
    const std::string role = TRY(in.required_string("role"));
    key.role = TRY(parse_role(role));
    stored.digest = TRY(digest_field(in, "digest"));
    const JsonObject limits = TRY(in.required_object("limits"));
    key.limits = TRY(read_limits(limits));
    key.created_at = TRY(required_time(in, "created_at"));
    key.expires = TRY(optional_time(in, "expires"));
    key.revoked_at = TRY(optional_time(in, "revoked_at"));
    return stored;
  });
}

}  // namespace millrace::identity
