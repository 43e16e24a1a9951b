// tenants, projects, keys, and who the caller is
#include <chrono>

#include "api/handlers/handlers.h"

namespace millrace::api {

namespace json = boost::json;
using identity::Action;

namespace {

constexpr std::chrono::seconds kAckTimeout{5};

json::object tenant_json(const identity::Tenant& tenant) {
  return {{"name", tenant.name}, {"created_at", to_rfc3339(tenant.created_at)}};
}

json::object project_json(const identity::Project& project) {
  return {{"name", project.name}, {"tenant", project.tenant}, {"created_at", to_rfc3339(project.created_at)}};
}

json::object key_json(const identity::Key& key, TimePoint now) {
  const bool expired = key.expires && *key.expires <= now;
  return {{"id", key.id},
          {"prefix", key.prefix},
          {"tenant", key.tenant},
          {"project", key.project},
          {"principal_id", key.principal_id},
          {"role", identity::name_of(key.role)},
          {"limits", limits_json(key.limits)},
          {"created_at", to_rfc3339(key.created_at)},
          {"expires", time_json(key.expires)},
          {"revoked_at", time_json(key.revoked_at)},
          {"state", key.revoked_at ? "revoked"
                    : expired      ? "expired"
                                   : "active"}};
}

std::string_view text_at(const json::value& body, std::string_view name) {
  return body.as_object().at(name).as_string();
}

Result<Reply> whoami(Services&, const Call& call) {
  json::object actions;
  for (const Action action : identity::all_actions()) {
    switch (identity::reach(call.principal.role, action)) {
      case identity::Reach::kNone:
        break;
      case identity::Reach::kProject:
        actions[identity::name_of(action)] = "project";
        break;
      case identity::Reach::kTenant:
        actions[identity::name_of(action)] = "tenant";
        break;
      case identity::Reach::kAll:
        actions[identity::name_of(action)] = "all";
        break;
    }
  }
  return json_reply(200, json::object{{"key_id", call.principal.key_id},
                                      {"principal_id", call.principal.principal_id},
                                      {"tenant", call.principal.tenant},
                                      {"project", call.principal.project},
                                      {"role", identity::name_of(call.principal.role)},
                                      {"actions", std::move(actions)}});
}

Result<Reply> list_tenants(Services& services, const Call& call) {
  const Reachable within = TRY(reachable(call, Action::kReadTenants));
  if (within.tenant.empty()) {
    const auto page = TRY(services.directory.tenants(limit_of(call), call.query_text("after")));
    return page_reply(page, tenant_json);
  }
  std::vector<identity::Tenant> own;
  if (within.tenant > call.query_text("after")) own.push_back(TRY(services.directory.tenant(within.tenant)));
  return page_reply(own, std::nullopt, tenant_json);
}

Result<Reply> create_tenant(Services& services, const Call& call) {
  return json_reply(201, tenant_json(TRY(services.directory.create_tenant(text_at(call.body, "name")))));
}

Result<Reply> show_tenant(Services& services, const Call& call) {
  return json_reply(200, tenant_json(TRY(services.directory.tenant(call.path_text("name")))));
}

Result<Reply> list_projects(Services& services, const Call& call) {
  const Reachable within = TRY(reachable(call, Action::kReadProjects));
  if (within.project.empty()) {
    const auto page =
        TRY(services.directory.projects(within.tenant, limit_of(call), call.query_text("after")));
    return page_reply(page, project_json);
  }
  std::vector<identity::Project> own;
  if (within.project > call.query_text("after"))
    own.push_back(TRY(services.directory.project(within.project)));
  return page_reply(own, std::nullopt, project_json);
}

Result<Reply> create_project(Services& services, const Call& call) {
  const auto project =
      TRY(services.directory.create_project(text_at(call.body, "name"), text_at(call.body, "tenant")));
  return json_reply(201, project_json(project));
}

Result<Reply> show_project(Services& services, const Call& call) {
  return json_reply(200, project_json(TRY(services.directory.project(call.path_text("name")))));
}

Result<Reply> list_keys(Services& services, const Call& call) {
  const Reachable within = TRY(reachable(call, Action::kReadKeys));
  const auto page =
      TRY(services.directory.keys({within.tenant, within.project}, limit_of(call), call.query_text("after")));
  const TimePoint now = services.clock.now();
  return page_reply(page, [&](const identity::Key& key) { return key_json(key, now); });
}

Result<Reply> create_key(Services& services, const Call& call) {
  const json::object& body = call.body.as_object();
  identity::KeyRequest request;
  request.project = text_at(call.body, "project");
  if (const auto* role = body.if_contains("role"))
    request.role = TRY(identity::parse_role(role->as_string()));
  if (const auto* limits = body.if_contains("limits")) request.limits = limits_of(limits->as_object());
  if (const auto* expires = body.if_contains("expires"); expires && expires->is_string()) {
    request.expires = TRY(parse_rfc3339(expires->as_string()));
  }
  if (!identity::may_grant(call.principal.role, request.role)) {
    return failure(ErrorCode::kDenied, "nobody hands out more rights than they have: choose a lesser role");
  }
  const auto created = TRY(services.directory.create_key(request));
  json::object answer = key_json(created.key, services.clock.now());
  answer["key"] = created.text;
  return json_reply(201, answer);
}

Result<Reply> show_key(Services& services, const Call& call) {
  return json_reply(200, key_json(TRY(services.directory.key(call.path_text("id"))), services.clock.now()));
}

Result<Reply> revoke_key(Services& services, const Call& call) {
  const auto key = TRY(services.directory.revoke_key(call.path_text("id")));
  const AckReport report = TRY(services.publisher.publish_and_wait(kAckTimeout));
  return json_reply(
      200,
      json::object{
          {"id", key.id},
          {"revoked_at", time_json(key.revoked_at)},
          {"gateways",
           json::object{{"acknowledged", json::array(report.acknowledged.begin(), report.acknowledged.end())},
                        {"dropped", json::array(report.dropped.begin(), report.dropped.end())}}}});
}

constexpr Parameter kByName = {"name", kNameSchema, "Its name."};
constexpr Parameter kById = {"id", kIdSchema, "Its id."};
constexpr Parameter kTenantFilter = {"tenant", kNameSchema, "Only those of this tenant."};
constexpr Parameter kProjectFilter = {"project", kNameSchema, "Only those of this project."};

void add_tenant_routes(std::vector<Route>& routes) {
  routes.push_back({.method = "GET",
                    .path = "/api/v1/tenants",
                    .id = "listTenants",
                    .tag = "identity",
                    .summary = "The tenants the caller may see",
                    .access = needs(Action::kReadTenants, Scope::kReach),
                    .handler = list_tenants,
                    .query = page_parameters(),
                    .answer = "TenantPage"});
  routes.push_back({.method = "POST",
                    .path = "/api/v1/tenants",
                    .id = "createTenant",
                    .tag = "identity",
                    .summary = "Make a tenant, which can do nothing until it is given a quota",
                    .access = needs(Action::kManageTenants, Scope::kPlatform),
                    .handler = create_tenant,
                    .body = "TenantCreate",
                    .success = 201,
                    .answer = "Tenant",
                    .takes_idempotency_key = true,
                    .links = {"showTenant", "showTenantQuota", "setTenantQuota"}});
  routes.push_back({.method = "GET",
                    .path = "/api/v1/tenants/{name}",
                    .id = "showTenant",
                    .tag = "identity",
                    .summary = "One tenant",
                    .access = needs(Action::kReadTenants, Scope::kPathTenant),
                    .handler = show_tenant,
                    .path_parameters = {kByName},
                    .answer = "Tenant"});
}

void add_project_routes(std::vector<Route>& routes) {
  routes.push_back({.method = "GET",
                    .path = "/api/v1/projects",
                    .id = "listProjects",
                    .tag = "identity",
                    .summary = "The projects the caller may see",
                    .access = needs(Action::kReadProjects, Scope::kReach),
                    .handler = list_projects,
                    .query = page_parameters({kTenantFilter}),
                    .answer = "ProjectPage"});
  routes.push_back(
      {.method = "POST",
       .path = "/api/v1/projects",
       .id = "createProject",
       .tag = "identity",
       .summary = "Make a project, which shares its tenant's quota until it is given one of its own",
       .access = needs(Action::kManageProjects, Scope::kBodyTenant),
       .handler = create_project,
       .body = "ProjectCreate",
       .success = 201,
       .answer = "Project",
       .takes_idempotency_key = true,
       .errors = {404},
       .links = {"showProject", "showProjectQuota", "setProjectQuota"}});
  routes.push_back({.method = "GET",
                    .path = "/api/v1/projects/{name}",
                    .id = "showProject",
                    .tag = "identity",
                    .summary = "One project",
                    .access = needs(Action::kReadProjects, Scope::kPathProject),
                    .handler = show_project,
                    .path_parameters = {kByName},
                    .answer = "Project"});
}

void add_key_routes(std::vector<Route>& routes) {
  routes.push_back({.method = "GET",
                    .path = "/api/v1/keys",
                    .id = "listKeys",
                    .tag = "identity",
                    .summary = "The keys the caller may see, revoked and expired ones included",
                    .access = needs(Action::kReadKeys, Scope::kReach),
                    .handler = list_keys,
                    .query = page_parameters({kTenantFilter, kProjectFilter}),
                    .answer = "KeyPage"});
  routes.push_back({.method = "POST",
                    .path = "/api/v1/keys",
                    .id = "createKey",
                    .tag = "identity",
                    .summary = "Make a key, whose text is in this answer only",
                    .access = needs(Action::kManageKeys, Scope::kBodyProject),
                    .handler = create_key,
                    .body = "KeyCreate",
                    .success = 201,
                    .answer = "KeyCreated",
                    .takes_idempotency_key = true,
                    .errors = {404},
                    .links = {"showKey", "revokeKey"}});
  routes.push_back({.method = "GET",
                    .path = "/api/v1/keys/{id}",
                    .id = "showKey",
                    .tag = "identity",
                    .summary = "One key, without its text",
                    .access = needs(Action::kReadKeys, Scope::kPathKey),
                    .handler = show_key,
                    .path_parameters = {kById},
                    .answer = "Key"});
  routes.push_back({.method = "DELETE",
                    .path = "/api/v1/keys/{id}",
                    .id = "revokeKey",
                    .tag = "identity",
                    .summary = "Revoke a key; answered after every connected gateway has acknowledged it",
                    .access = needs(Action::kManageKeys, Scope::kPathKey),
                    .handler = revoke_key,
                    .path_parameters = {kById},
                    .answer = "KeyRevoked"});
}

}  // namespace

void add_identity_routes(std::vector<Route>& routes) {
  routes.push_back({.method = "GET",
                    .path = "/api/v1/whoami",
                    .id = "whoami",
                    .tag = "identity",
                    .summary = "Who the key stands for, and what it may do",
                    .access = needs(Action::kReadSelf, Scope::kShared),
                    .handler = whoami,
                    .answer = "Whoami"});
  add_tenant_routes(routes);
  add_project_routes(routes);
  add_key_routes(routes);
}

}  // namespace millrace::api
