// environments: notebooks and shells
#include <cmath>

#include "api/handlers/handlers.h"
#include "platform/environments.h"

namespace millrace::api {

namespace json = boost::json;
using identity::Action;
using platform::Environment;

namespace {

constexpr double kMilli = 1000;

json::object environment_json(const Environment& environment) {
  const auto& record = environment.record;
  return {{"name", record.name},
          {"kind", record.kind},
          {"tenant", record.tenant},
          {"project", record.project},
          {"host", environment.host},
          {"state", name_of(environment.stage)},
          {"reason_code", text_json(environment.reason_code)},
          {"reason", text_json(environment.reason)},
          {"cpus", double(record.cpu_milli) / kMilli},
          {"memory_mib", record.memory_mib},
          {"accelerators", record.accelerators},
          {"accelerator_kind", text_json(record.accelerator_kind)},
          {"idle_s", record.idle.count()},
          {"created_at", to_rfc3339(record.created_at)},
          {"started_at", time_json(environment.started_at)},
          {"used_at", time_json(environment.used_at)},
          {"stops_at", time_json(environment.stops_at)},
          {"connections", environment.connections},
          {"key_id", record.key_id},
          {"ssh_host_key", text_json(record.host_key)},
          {"work",
           record.work == 0 ? json::value() : json::value(std::to_string(control::number_of(record.work)))}};
}

Result<Reply> list_environments(Services& services, const Call& call) {
  const auto reach = TRY(reachable(call, Action::kReadEnvironments));
  const auto page = TRY(services.environments.list({.tenant = reach.tenant, .project = reach.project},
                                                   limit_of(call), call.query_text("after")));
  return page_reply(page, environment_json);
}

Result<Reply> create_environment(Services& services, const Call& call) {
  const json::object& body = call.body.as_object();
  const auto text = [&](std::string_view name) {
    const auto* value = body.if_contains(name);
    return value ? std::string(value->as_string()) : std::string();
  };
  const auto number = [&](std::string_view name, std::int64_t otherwise) {
    const auto* value = body.if_contains(name);
    return value ? value->as_int64() : otherwise;
  };
  platform::EnvironmentRequest request;
  request.name = text("name");
  request.kind = text("kind");
  request.project = text("project");
  request.tenant = TRY(services.directory.project(request.project)).tenant;
  request.user = call.principal.principal_id;
  if (const auto* cpus = body.if_contains("cpus")) {
    request.cpu_milli = std::int64_t(std::floor(cpus->to_number<double>() * kMilli + 0.5));
  }
  request.memory_mib = number("memory_mib", request.memory_mib);
  request.accelerators = std::int32_t(number("accelerators", 0));
  request.accelerator_kind = text("accelerator_kind");
  if (body.contains("idle_s")) request.idle = std::chrono::seconds{number("idle_s", 0)};
  request.public_key = text("public_key");
  return json_reply(201, environment_json(TRY(services.environments.create(request))));
}

Result<Reply> show_environment(Services& services, const Call& call) {
  return json_reply(200, environment_json(TRY(services.environments.show(call.path_text("name")))));
}

Result<Reply> start_environment(Services& services, const Call& call) {
  return json_reply(200, environment_json(TRY(services.environments.start(call.path_text("name")))));
}

Result<Reply> stop_environment(Services& services, const Call& call) {
  return json_reply(
      200, environment_json(TRY(services.environments.stop(call.path_text("name"), "it was stopped"))));
}

Result<Reply> open_environment(Services& services, const Call& call) {
  const auto opened = TRY(services.environments.open(call.path_text("name"), call.principal.key_id));
  return json_reply(200, json::object{{"environment", environment_json(opened.environment)},
                                      {"path", "/.millrace/open?token=" + opened.token},
                                      {"expires_at", to_rfc3339(opened.expires_at)}});
}

Result<Reply> delete_environment(Services& services, const Call& call) {
  const bool with_volume = call.query_text("volume", "keep") == "delete";
  TRY_VOID(services.environments.remove(call.path_text("name"), with_volume));
  return Reply{204, "", "", {}};
}

Parameter name_parameter() { return {"name", kNameSchema, "Its name."}; }

/// What is done to one environment and answered with it.
void add_action_routes(std::vector<Route>& routes) {
  const auto act = [&routes](std::string_view path, std::string_view id, std::string_view summary,
                             Action action, Handler handler, std::string_view answer) {
    routes.push_back({.method = "POST",
                      .path = path,
                      .id = id,
                      .tag = "environments",
                      .summary = summary,
                      .access = needs(action, Scope::kPathEnvironment),
                      .handler = handler,
                      .path_parameters = {name_parameter()},
                      .answer = answer});
  };
  act("/api/v1/environments/{name}/start", "startEnvironment", "Start it where it does not run",
      Action::kManageEnvironments, start_environment, "Environment");
  act("/api/v1/environments/{name}/stop", "stopEnvironment", "Stop it; its volume stays",
      Action::kManageEnvironments, stop_environment, "Environment");
  act("/api/v1/environments/{name}/open", "openEnvironment",
      "A link that lets a browser in, once and within a minute; starts it where it does not run",
      Action::kOpenEnvironments, open_environment, "EnvironmentOpened");
}

}  // namespace

void add_environment_routes(std::vector<Route>& routes) {
  routes.push_back({.method = "GET",
                    .path = "/api/v1/environments",
                    .id = "listEnvironments",
                    .tag = "environments",
                    .summary = "The environments within reach",
                    .access = needs(Action::kReadEnvironments, Scope::kReach),
                    .handler = list_environments,
                    .query = page_parameters({{"tenant", kNameSchema, "Of this tenant."},
                                              {"project", kNameSchema, "Of this project."}}),
                    .answer = "EnvironmentPage"});
  routes.push_back({.method = "POST",
                    .path = "/api/v1/environments",
                    .id = "createEnvironment",
                    .tag = "environments",
                    .summary = "Make a notebook or a shell and start it",
                    .access = needs(Action::kManageEnvironments, Scope::kBodyProject),
                    .handler = create_environment,
                    .body = "EnvironmentCreate",
                    .success = 201,
                    .answer = "Environment",
                    .takes_idempotency_key = true,
                    .errors = {404},
                    .links = {"showEnvironment", "startEnvironment", "stopEnvironment", "openEnvironment",
                              "deleteEnvironment"}});
  routes.push_back({.method = "GET",
                    .path = "/api/v1/environments/{name}",
                    .id = "showEnvironment",
                    .tag = "environments",
                    .summary = "One environment",
                    .access = needs(Action::kReadEnvironments, Scope::kPathEnvironment),
                    .handler = show_environment,
                    .path_parameters = {name_parameter()},
                    .answer = "Environment"});
  add_action_routes(routes);
  routes.push_back(
      {.method = "DELETE",
       .path = "/api/v1/environments/{name}",
       .id = "deleteEnvironment",
       .tag = "environments",
       .summary = "Delete an environment that has stopped; one that runs is told to stop",
       .access = needs(Action::kManageEnvironments, Scope::kPathEnvironment),
       .handler = delete_environment,
       .path_parameters = {name_parameter()},
       .query = {{"volume", R"({"enum": ["keep", "delete"], "type": "string", "default": "keep"})",
                  "What becomes of its volume."}},
       .success = 204,
       .answer_type = "",
       .errors = {409}});
}

}  // namespace millrace::api
