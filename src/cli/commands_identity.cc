// tenant, project, key, quota
#include <fmt/format.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "core/amount.h"

namespace millrace::cli {
namespace {

namespace json = boost::json;

int print_one(const Result<json::value>& answer, bool as_json, const std::string& text) {
  if (!answer) return report(answer.error());
  if (as_json) {
    print_json(*answer);
  } else {
    fmt::print("{}\n", text);
  }
  return kOk;
}

std::string quota_path(const QuotaOptions& options) {
  return options.tenant.empty() ? "/api/v1/quotas/projects/" + url_encode(options.project)
                                : "/api/v1/quotas/tenants/" + url_encode(options.tenant);
}

std::string owner_of(const QuotaOptions& options) {
  return options.tenant.empty() ? "project " + options.project : "tenant " + options.tenant;
}

/// What is wrong with the owner that was given; empty if nothing is.
std::string one_owner(const QuotaOptions& options, std::string_view command) {
  if (options.tenant.empty() != options.project.empty()) return {};
  return fmt::format("{}: give --tenant T or --project P{}", command,
                     options.tenant.empty() ? "" : ", not both");
}

std::string quota_text(const QuotaOptions& options, const json::value& state) {
  const auto& quota = state.at("quota");
  const bool inherited = state.at("inherited").as_bool();
  std::string text = fmt::format("{}{}: ", owner_of(options), inherited ? " (as its tenant)" : "");
  if (quota.is_null()) return text + "none, and so no request is answered";
  if (quota.as_object().contains("unlimited")) return text + "unlimited";
  for (const auto& limit : quota.as_object()) {
    text += fmt::format("\n  {:20} {}", std::string_view(limit.key()), cell(quota, limit.key()));
  }
  return text;
}

}  // namespace

bool LimitOptions::any() const {
  return requests_per_minute || tokens_per_minute || concurrency || tokens_per_month || eur_per_month;
}

json::object LimitOptions::to_json() const {
  json::object limits;
  if (requests_per_minute) limits["requests_per_minute"] = *requests_per_minute;
  if (tokens_per_minute) limits["tokens_per_minute"] = *tokens_per_minute;
  if (concurrency) limits["concurrency"] = *concurrency;
  if (tokens_per_month) limits["tokens_per_month"] = *tokens_per_month;
  if (eur_per_month) limits["eur_per_month"] = *eur_per_month;
  return limits;
}

int tenant_create(const Client& client, const std::string& name, bool as_json) {
  const json::value body = {{"name", name}};
  return print_one(
      client.call("POST", "/api/v1/tenants", &body), as_json,
      fmt::format("tenant {} created; it can do nothing until it has a quota: millrace quota set --tenant {}",
                  name, name));
}

int tenant_list(const Client& client, bool as_json) {
  return print_list(client, "/api/v1/tenants", {"name", "created_at"}, as_json);
}

int project_create(const Client& client, const std::string& name, const std::string& tenant, bool as_json) {
  const json::value body = {{"name", name}, {"tenant", tenant}};
  return print_one(client.call("POST", "/api/v1/projects", &body), as_json,
                   fmt::format("project {} of tenant {} created", name, tenant));
}

int project_list(const Client& client, bool as_json) {
  return print_list(client, "/api/v1/projects", {"name", "tenant", "created_at"}, as_json);
}

int key_create(const Client& client, const KeyOptions& options, bool as_json) {
  json::object body = {{"project", options.project}, {"role", options.role}};
  if (options.limits.any()) body["limits"] = options.limits.to_json();
  if (!options.expires.empty()) body["expires"] = options.expires;
  const json::value request = body;
  const auto answer = client.call("POST", "/api/v1/keys", &request);
  if (!answer) return report(answer.error());
  if (as_json) {
    json::object shown;
    for (const char* member : {"id", "key", "prefix"}) shown[member] = answer->at(member);
    print_json(shown);
  } else {
    fmt::print("{}\n", cell(*answer, "key"));
    fmt::print(stderr, "key {} created; it is shown this once\n", cell(*answer, "id"));
  }
  return kOk;
}

int key_list(const Client& client, bool as_json) {
  return print_list(client, "/api/v1/keys",
                    {"id", "prefix", "tenant", "project", "role", "created_at", "expires", "revoked_at"},
                    as_json);
}

int key_revoke(const Client& client, const std::string& id, bool as_json) {
  return print_one(client.call("DELETE", "/api/v1/keys/" + url_encode(id)), as_json,
                   fmt::format("key {} revoked", id));
}

bool ComputeOptions::any() const { return accelerators || cpus || share || !memory.empty() || borrow; }

Result<json::object> ComputeOptions::to_json() const {
  json::object quota;
  if (accelerators) quota["accelerators"] = *accelerators;
  if (cpus) quota["cpus"] = *cpus;
  if (!memory.empty()) quota["memory_bytes"] = TRY(parse_size(memory));
  if (share) quota["share"] = *share;
  if (borrow) quota["borrow"] = *borrow;
  return quota;
}

namespace {

std::string compute_text(const QuotaOptions& options, const json::value& state) {
  const auto& quota = state.at("quota");
  if (quota.is_null()) return "machines: none, and so no job may run";
  const bool inherited = state.at("inherited").as_bool();
  std::string text = fmt::format("machines{}: ", !inherited               ? ""
                                                 : options.tenant.empty() ? " (as its tenant)"
                                                                          : " (as its requests)");
  if (quota.as_object().contains("unlimited")) return text + "unlimited";
  for (const auto& limit : quota.as_object()) {
    const bool is_size = limit.key() == "memory_bytes";
    text += fmt::format(
        "\n  {:20} {}", std::string_view(limit.key()),
        is_size ? format_size(limit.value().to_number<std::int64_t>()) : cell(quota, limit.key()));
  }
  return text;
}

/// `change` over the owner's own quota at `path`; what was inherited is not its own.
Result<json::value> changed_quota(const Client& client, const std::string& path, json::object change,
                                  bool replace) {
  const json::value state = TRY(client.call("GET", path));
  const auto& quota = state.at("quota");
  const bool keeps = !replace && quota.is_object() && !state.at("inherited").as_bool() &&
                     !quota.as_object().contains("unlimited");
  if (keeps) {
    for (const auto& [name, value] : quota.as_object()) change.emplace(name, value);
  }
  const json::value body = std::move(change);
  return client.call("PUT", path, &body);
}

/// The quota of requests, with that of machines as "compute".
Result<json::value> both_quotas(const Client& client, const QuotaOptions& options) {
  auto state = TRY(client.call("GET", quota_path(options)));
  state.as_object()["compute"] = TRY(client.call("GET", quota_path(options) + "/compute"));
  return state;
}

std::string quota_fault(const QuotaOptions& options) {
  if (auto fault = one_owner(options, "quota set"); !fault.empty()) return fault;
  const bool has_limits = options.limits.any() || options.compute.any();
  if (options.unlimited && has_limits) return "quota set: give --unlimited or limits, not both";
  if (!options.unlimited && !has_limits) {
    return "quota set: give --unlimited, or at least one limit such as --requests-per-minute 60 or "
           "--accelerators 4";
  }
  return {};
}

}  // namespace

int quota_set(const Client& client, const QuotaOptions& options, bool as_json) {
  if (const auto fault = quota_fault(options); !fault.empty()) {
    return report({ErrorCode::kInvalidArgument, fault});
  }
  const auto compute = options.compute.to_json();
  if (!compute) return report({ErrorCode::kInvalidArgument, "--memory: " + compute.error().message});
  const json::object unlimited = {{"unlimited", true}};
  Result<json::value> answer = json::value();
  const std::string path = quota_path(options);
  const bool replace = options.replace || options.unlimited;
  if (options.unlimited || options.limits.any())
    answer = changed_quota(client, path, options.unlimited ? unlimited : options.limits.to_json(), replace);
  if (answer && (options.unlimited || options.compute.any()))
    answer = changed_quota(client, path + "/compute", options.unlimited ? unlimited : *compute, replace);
  if (answer) answer = both_quotas(client, options);
  return print_one(answer, as_json, fmt::format("quota of {} set", owner_of(options)));
}

int quota_show(const Client& client, const QuotaOptions& options, bool as_json) {
  if (const auto fault = one_owner(options, "quota show"); !fault.empty()) {
    return report({ErrorCode::kInvalidArgument, fault});
  }
  const auto answer = both_quotas(client, options);
  return print_one(
      answer, as_json,
      answer ? quota_text(options, *answer) + "\n" + compute_text(options, answer->at("compute")) : "");
}

}  // namespace millrace::cli
