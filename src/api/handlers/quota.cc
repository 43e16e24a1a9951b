// quotas of tenants and projects
#include "api/handlers/handlers.h"

namespace millrace::api {

namespace json = boost::json;
using identity::Action;
using Quota = std::optional<identity::Limits>;

namespace {

Reply quota_reply(const Quota& quota, bool inherited) {
  json::value form;
  if (quota && *quota == identity::Limits{}) form = json::object{{"unlimited", true}};
  if (quota && *quota != identity::Limits{}) form = limits_json(*quota);
  return json_reply(200, json::object{{"quota", std::move(form)}, {"inherited", inherited}});
}

Quota quota_of(const json::value& body) {
  if (body.is_null()) return std::nullopt;
  return limits_of(body.as_object());  // {"unlimited":true} has no limits in it
}

Result<Reply> show_tenant_quota(Services& services, const Call& call) {
  return quota_reply(TRY(services.directory.tenant_quota(call.path_text("name"))), false);
}

Result<Reply> set_tenant_quota(Services& services, const Call& call) {
  const Quota quota = quota_of(call.body);
  TRY_VOID(services.directory.set_tenant_quota(call.path_text("name"), quota));
  return quota_reply(quota, false);
}

Result<Reply> project_quota_reply(Services& services, std::string_view name) {
  const Quota own = TRY(services.directory.project_quota(name));
  if (own) return quota_reply(own, false);
  const auto project = TRY(services.directory.project(name));
  return quota_reply(TRY(services.directory.tenant_quota(project.tenant)), true);
}

Result<Reply> show_project_quota(Services& services, const Call& call) {
  return project_quota_reply(services, call.path_text("name"));
}

Result<Reply> set_project_quota(Services& services, const Call& call) {
  TRY_VOID(services.directory.set_project_quota(call.path_text("name"), quota_of(call.body)));
  return project_quota_reply(services, call.path_text("name"));
}

}  // namespace

void add_quota_routes(std::vector<Route>& routes) {
  const Parameter name = {"name", kNameSchema, "Its name."};
  routes.push_back({.method = "GET",
                    .path = "/api/v1/quotas/tenants/{name}",
                    .id = "showTenantQuota",
                    .tag = "quotas",
                    .summary = "What a tenant may use",
                    .access = needs(Action::kReadQuotas, Scope::kPathTenant),
                    .handler = show_tenant_quota,
                    .path_parameters = {name},
                    .answer = "QuotaState"});
  routes.push_back({.method = "PUT",
                    .path = "/api/v1/quotas/tenants/{name}",
                    .id = "setTenantQuota",
                    .tag = "quotas",
                    .summary = "Set what a tenant may use; null takes it all away",
                    .access = needs(Action::kManageTenantQuota, Scope::kPathTenant),
                    .handler = set_tenant_quota,
                    .path_parameters = {name},
                    .body = "Quota",
                    .answer = "QuotaState"});
  routes.push_back({.method = "GET",
                    .path = "/api/v1/quotas/projects/{name}",
                    .id = "showProjectQuota",
                    .tag = "quotas",
                    .summary = "What a project may use within its tenant's quota",
                    .access = needs(Action::kReadQuotas, Scope::kPathProject),
                    .handler = show_project_quota,
                    .path_parameters = {name},
                    .answer = "QuotaState"});
  routes.push_back({.method = "PUT",
                    .path = "/api/v1/quotas/projects/{name}",
                    .id = "setProjectQuota",
                    .tag = "quotas",
                    .summary = "Set what a project may use; null leaves it its tenant's quota alone",
                    .access = needs(Action::kManageProjectQuota, Scope::kPathProject),
                    .handler = set_project_quota,
                    .path_parameters = {name},
                    .body = "Quota",
                    .answer = "QuotaState"});
}

}  // namespace millrace::api
