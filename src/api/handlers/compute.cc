// quotas of the machines, and secrets of projects
#include <cmath>

#include "api/handlers/handlers.h"

namespace millrace::api {

namespace json = boost::json;
using identity::Action;
using identity::ComputeQuota;

namespace {

json::value form_of(const ComputeQuota& quota) {
  if (quota == ComputeQuota{}) return json::object{{"unlimited", true}};
  json::object form;
  if (quota.accelerators_milli) form["accelerators"] = double(*quota.accelerators_milli) / 1e3;
  if (quota.cpu_milli) form["cpus"] = double(*quota.cpu_milli) / 1e3;
  if (quota.memory_mib) form["memory_bytes"] = *quota.memory_mib << 20;
  form["borrow"] = quota.borrow;
  form["share"] = double(quota.weight_milli) / 1e3;
  return form;
}

std::optional<ComputeQuota> quota_of(const json::value& body) {
  if (body.is_null()) return std::nullopt;
  const json::object& form = body.as_object();
  const auto milli = [&](std::string_view name) -> std::optional<std::int64_t> {
    const auto* value = form.if_contains(name);
    return value ? std::optional<std::int64_t>(std::llround(value->to_number<double>() * 1e3)) : std::nullopt;
  };
  ComputeQuota quota;
  quota.accelerators_milli = milli("accelerators");
  quota.cpu_milli = milli("cpus");
  if (const auto* memory = form.if_contains("memory_bytes")) quota.memory_mib = memory->as_int64() >> 20;
  if (const auto* borrow = form.if_contains("borrow")) quota.borrow = borrow->as_bool();
  quota.weight_milli = std::int32_t(milli("share").value_or(1000));
  return quota;
}

Reply state_reply(json::value quota, bool inherited) {
  return json_reply(200, json::object{{"quota", std::move(quota)}, {"inherited", inherited}});
}

Result<Reply> tenant_reply(Services& services, std::string_view name, bool of_project) {
  const auto own = TRY(services.directory.tenant_compute_quota(name));
  if (own) return state_reply(form_of(*own), of_project);
  const auto quota = TRY(services.directory.compute_quota_in_force(name));
  const bool none = quota == identity::kNoCompute;
  return state_reply(none ? json::value() : form_of(quota), of_project || !none);
}

Result<Reply> project_reply(Services& services, std::string_view name) {
  if (const auto own = TRY(services.directory.project_compute_quota(name)))
    return state_reply(form_of(*own), false);
  return tenant_reply(services, TRY(services.directory.project(name)).tenant, true);
}

Result<Reply> show_tenant(Services& services, const Call& call) {
  return tenant_reply(services, call.path_text("name"), false);
}
Result<Reply> set_tenant(Services& services, const Call& call) {
  TRY_VOID(services.directory.set_tenant_compute_quota(call.path_text("name"), quota_of(call.body)));
  return show_tenant(services, call);
}
Result<Reply> show_project(Services& services, const Call& call) {
  return project_reply(services, call.path_text("name"));
}
Result<Reply> set_project(Services& services, const Call& call) {
  TRY_VOID(services.directory.set_project_compute_quota(call.path_text("name"), quota_of(call.body)));
  return show_project(services, call);
}

Result<Reply> put_secret(Services& services, const Call& call) {
  const auto info = TRY(services.secrets.put(call.path_text("name"), call.path_text("secret"),
                                             call.body.as_object().at("text").as_string()));
  return json_reply(200, json::object{{"name", info.name}, {"bytes", std::int64_t(info.bytes)}});
}

Result<Reply> list_secrets(Services& services, const Call& call) {
  json::array all;
  for (const auto& info : TRY(services.secrets.list(call.path_text("name"))))
    all.push_back(json::object{{"name", info.name}, {"bytes", std::int64_t(info.bytes)}});
  return json_reply(200, json::object{{"data", std::move(all)}});
}

Result<Reply> delete_secret(Services& services, const Call& call) {
  TRY_VOID(services.secrets.remove(call.path_text("name"), call.path_text("secret")));
  return Reply{204, "", "", {}};
}

constexpr Parameter kByName = {"name", kNameSchema, "Its name."};

void add_owner_routes(std::vector<Route>& routes, std::string_view path, std::string_view show_id,
                      std::string_view set_id, Scope scope, Action action, Handler show, Handler set) {
  routes.push_back({.method = "GET",
                    .path = path,
                    .id = show_id,
                    .tag = "quotas",
                    .summary = "How much of the machines it may hold at once, and its share of them",
                    .access = needs(Action::kReadQuotas, scope),
                    .handler = show,
                    .path_parameters = {kByName},
                    .answer = "ComputeQuotaState"});
  routes.push_back({.method = "PUT",
                    .path = path,
                    .id = set_id,
                    .tag = "quotas",
                    .summary = "Set how much of the machines it may hold; null: as if none was given",
                    .access = needs(action, scope),
                    .handler = set,
                    .path_parameters = {kByName},
                    .body = "ComputeQuota",
                    .answer = "ComputeQuotaState",
                    .errors = {409},
                    .changes_policy = false});
}

}  // namespace

void add_compute_quota_routes(std::vector<Route>& routes) {
  add_owner_routes(routes, "/api/v1/quotas/tenants/{name}/compute", "showTenantComputeQuota",
                   "setTenantComputeQuota", Scope::kPathTenant, Action::kManageTenantQuota, show_tenant,
                   set_tenant);
  add_owner_routes(routes, "/api/v1/quotas/projects/{name}/compute", "showProjectComputeQuota",
                   "setProjectComputeQuota", Scope::kPathProject, Action::kManageProjectQuota, show_project,
                   set_project);
}

void add_secret_routes(std::vector<Route>& routes) {
  const Parameter project = {"name", kNameSchema, "The project."};
  const Parameter secret = {"secret", kIdSchema, "The secret's name."};
  routes.push_back({.method = "GET",
                    .path = "/api/v1/projects/{name}/secrets",
                    .id = "listSecrets",
                    .tag = "jobs",
                    .summary = "The names of a project's secrets, all of them; never their texts",
                    .access = needs(Action::kReadSecrets, Scope::kPathProject),
                    .handler = list_secrets,
                    .path_parameters = {project},
                    .answer = "SecretList"});
  routes.push_back({.method = "PUT",
                    .path = "/api/v1/projects/{name}/secrets/{secret}",
                    .id = "putSecret",
                    .tag = "jobs",
                    .summary = "Keep a text that jobs of the project may get as a file",
                    .access = needs(Action::kManageSecrets, Scope::kPathProject),
                    .handler = put_secret,
                    .path_parameters = {project, secret},
                    .body = "SecretText",
                    .answer = "Secret",
                    .changes_policy = false});
  routes.push_back({.method = "DELETE",
                    .path = "/api/v1/projects/{name}/secrets/{secret}",
                    .id = "deleteSecret",
                    .tag = "jobs",
                    .summary = "Forget a secret; what runs keeps its copy",
                    .access = needs(Action::kManageSecrets, Scope::kPathProject),
                    .handler = delete_secret,
                    .path_parameters = {project, secret},
                    .success = 204,
                    .answer_type = "",
                    .changes_policy = false});
}

}  // namespace millrace::api
