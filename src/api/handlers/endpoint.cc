// endpoints, their replicas, and the replicas' logs
#include <algorithm>

#include "api/handlers/handlers.h"
#include "api/handlers/paging.h"

namespace millrace::api {

namespace json = boost::json;
using control::ReplicaState;
using control::ReplicaStatus;
using identity::Action;

namespace {

std::vector<ReplicaStatus> replicas_of(Services& services, std::string_view endpoint) {
  std::vector<ReplicaStatus> replicas = services.replicas.observed();
  std::erase_if(replicas, [&](const ReplicaStatus& replica) { return replica.endpoint != endpoint; });
  return replicas;
}

/// The state of an endpoint: the best that one of its replicas is in.
struct EndpointState {
  std::string_view name;
  std::string reason;
  std::int64_t ready = 0;
};

EndpointState state_of(const platform::Endpoint& endpoint, const std::vector<ReplicaStatus>& replicas,
                       const std::optional<control::ServiceStatus>& service) {
  if (endpoint.engine != "llama") return {"ready", "", 0};
  const bool seen = service && service->changes >= endpoint.changes;
  const std::string reason = seen ? service->reason : "waits for the control loop";
  const auto in = [&](ReplicaState state) {
    return std::ranges::count(replicas, state, &ReplicaStatus::state);
  };
  const auto why = [&](ReplicaState state) {
    return std::ranges::find(replicas, state, &ReplicaStatus::state)->reason;
  };
  if (const auto ready = in(ReplicaState::kReady); ready > 0) return {"ready", service ? reason : "", ready};
  if (endpoint.max_replicas == 0) return {"stopped", "no replica is wanted", 0};
  if (in(ReplicaState::kStarting) > 0) return {"starting", why(ReplicaState::kStarting), 0};
  if (in(ReplicaState::kCrashLoop) > 0) return {"crash_loop", why(ReplicaState::kCrashLoop), 0};
  if (in(ReplicaState::kFailed) > 0) return {"failed", why(ReplicaState::kFailed), 0};
  // One that control has not seen at all is as it was made.
  if (seen ? service->wanted == 0 : !service && endpoint.min_replicas == 0)
    return {"sleeping", "the next request starts a replica", 0};
  return {"starting", reason.empty() ? "its replica is being started" : reason, 0};
}

/// What control has decided for it; nullopt: it has not seen it yet.
std::optional<control::ServiceStatus> service_of(Services& services, std::string_view endpoint) {
  for (auto& service : services.replicas.services()) {
    if (service.endpoint == endpoint) return std::move(service);
  }
  return std::nullopt;
}

json::object endpoint_json(Services& services, const platform::Endpoint& endpoint) {
  const auto service = service_of(services, endpoint.name);
  EndpointState state = state_of(endpoint, replicas_of(services, endpoint.name), service);
  const bool local = endpoint.engine == "llama";
  const auto of_local = [&](std::int64_t number) { return local ? json::value(number) : json::value(); };
  const auto wanted =
      service && service->wanted >= endpoint.min_replicas && service->wanted <= endpoint.max_replicas
          ? service->wanted
          : endpoint.min_replicas;
  return {{"name", endpoint.name},
          {"state", state.name},
          {"reason", text_json(state.reason)},
          {"engine", endpoint.engine},
          {"model", text_json(endpoint.model)},
          {"replicas", local ? wanted : 0},
          {"ready_replicas", state.ready},
          {"min_replicas", of_local(endpoint.min_replicas)},
          {"max_replicas", of_local(endpoint.max_replicas)},
          {"waiting_requests", service ? service->waiting : 0},
          {"context", of_local(endpoint.context)},
          {"slots", of_local(endpoint.slots)},
          {"threads", of_local(endpoint.threads)},
          {"idle_s", of_local(endpoint.idle_s)},
          {"first_token_ms", of_local(endpoint.first_token_ms)},
          {"start_timeout_s", of_local(endpoint.start_timeout_s)},
          {"routing", local ? json::value(endpoint.routing) : json::value()},
          {"spread", local ? json::value(endpoint.spread) : json::value()},
          {"embeds", endpoint.embeds},
          {"upstream_url", text_json(endpoint.upstream_url)},
          {"upstream_model", text_json(endpoint.upstream_model)},
          {"upstream_embeds", endpoint.upstream_embeds},
          {"has_upstream_key", endpoint.has_upstream_key},
          {"created_at", to_rfc3339(endpoint.created_at)}};
}

json::value positive_json(std::int64_t number) { return number > 0 ? json::value(number) : json::value(); }

json::object replica_json(const ReplicaStatus& replica) {
  const bool retries = replica.state == ReplicaState::kFailed && replica.retry_at > TimePoint{};
  return {{"id", replica.id},
          {"endpoint", replica.endpoint},
          {"model", replica.model},
          {"state", name_of(replica.state)},
          {"reason", text_json(replica.reason)},
          {"pid", positive_json(replica.engine_pid)},
          {"supervisor_pid", positive_json(replica.supervisor_pid)},
          {"slots", replica.slots},
          {"context_tokens", positive_json(replica.context_tokens)},
          {"cpus", json::array(replica.cpus.begin(), replica.cpus.end())},
          {"limits_kind", text_json(replica.limits_kind)},
          {"memory_limit_bytes", positive_json(replica.memory_limit_bytes)},
          {"restarts", replica.restarts},
          {"started_at",
           replica.started_at > TimePoint{} ? json::value(to_rfc3339(replica.started_at)) : json::value()},
          {"retry_at", retries ? json::value(to_rfc3339(replica.retry_at)) : json::value()}};
}

Result<Reply> list_endpoints(Services& services, const Call& call) {
  const auto page = TRY(services.endpoints.list(limit_of(call), call.query_text("after")));
  return page_reply(page,
                    [&](const platform::Endpoint& endpoint) { return endpoint_json(services, endpoint); });
}

platform::EndpointSettings settings_of(const json::object& body) {
  using Settings = platform::EndpointSettings;
  struct Number {
    std::string_view name;
    std::optional<std::int64_t> Settings::* member;
  };
  constexpr Number kNumbers[] = {{"replicas", &Settings::replicas},
                                 {"min_replicas", &Settings::min_replicas},
                                 {"max_replicas", &Settings::max_replicas},
                                 {"context", &Settings::context},
                                 {"slots", &Settings::slots},
                                 {"threads", &Settings::threads},
                                 {"idle_s", &Settings::idle_s},
                                 {"first_token_ms", &Settings::first_token_ms},
                                 {"start_timeout_s", &Settings::start_timeout_s}};
  Settings settings;
  for (const Number& number : kNumbers) {
    if (const auto* value = body.if_contains(number.name)) settings.*number.member = value->as_int64();
  }
  if (const auto* routing = body.if_contains("routing")) settings.routing = std::string(routing->as_string());
  if (const auto* spread = body.if_contains("spread")) settings.spread = std::string(spread->as_string());
  return settings;
}

Result<Reply> create_endpoint(Services& services, const Call& call) {
  const json::object& body = call.body.as_object();
  const auto text = [&](std::string_view name) {
    const auto* value = body.if_contains(name);
    return value ? std::string(value->as_string()) : std::string();
  };
  const auto flag = [&](std::string_view name) {
    const auto* value = body.if_contains(name);
    return value && value->as_bool();
  };
  platform::EndpointRequest request;
  request.name = text("name");
  request.model = text("model");
  request.settings = settings_of(body);
  request.embeds = flag("embeds");
  request.upstream_url = text("upstream_url");
  request.upstream_model = text("upstream_model");
  request.upstream_key = text("upstream_key");
  request.upstream_embeds = flag("upstream_embeds");
  return json_reply(201, endpoint_json(services, TRY(services.endpoints.create(request))));
}

Result<Reply> show_endpoint(Services& services, const Call& call) {
  return json_reply(200, endpoint_json(services, TRY(services.endpoints.show(call.path_text("name")))));
}

Result<Reply> change_endpoint(Services& services, const Call& call) {
  const json::object& body = call.body.as_object();
  platform::EndpointSettings settings = settings_of(body);
  if (const auto* model = body.if_contains("model")) settings.model = std::string(model->as_string());
  return json_reply(
      200, endpoint_json(services, TRY(services.endpoints.change(call.path_text("name"), settings))));
}

Result<Reply> delete_endpoint(Services& services, const Call& call) {
  TRY_VOID(services.endpoints.remove(call.path_text("name")));
  return Reply{204, "", "", {}};
}

Result<Reply> list_replicas(Services& services, const Call& call) {
  (void)TRY(services.endpoints.show(call.path_text("name")));
  auto page = page_of(replicas_of(services, call.path_text("name")), call.query_text("after"), limit_of(call),
                      [](const ReplicaStatus& replica) { return replica.id; });
  return page_reply(page, replica_json);
}

Result<Reply> show_log(Services& services, const Call& call) {
  constexpr std::int64_t kPiece = 65'536;
  const auto piece = TRY(services.replicas.log(std::string(call.path_text("id")), call.query_int("from", 0),
                                               std::size_t(call.query_int("max", kPiece))));
  return json_reply(200,
                    json::object{{"from", piece.from}, {"text", as_text(piece.text)}, {"next", piece.next}});
}

void add_replica_routes(std::vector<Route>& routes) {
  const Parameter name = {"name", kNameSchema, "Its name."};
  routes.push_back({.method = "GET",
                    .path = "/api/v1/endpoints/{name}/replicas",
                    .id = "listReplicas",
                    .tag = "endpoints",
                    .summary = "The replicas of an endpoint",
                    .access = needs(Action::kReadEndpoints, Scope::kShared),
                    .handler = list_replicas,
                    .path_parameters = {name},
                    .query = page_parameters(),
                    .answer = "ReplicaPage"});
  routes.push_back(
      {.method = "GET",
       .path = "/api/v1/replicas/{id}/log",
       .id = "showReplicaLog",
       .tag = "endpoints",
       .summary = "A piece of the log of a replica's engine",
       .access = needs(Action::kReadReplicaLogs, Scope::kShared),
       .handler = show_log,
       .path_parameters = {{"id", kIdSchema, "Its id."}},
       .query = {{"from",
                  R"({"type": "integer", "minimum": -16777216, "maximum": 9007199254740991, "default": 0})",
                  "Offset in bytes; below 0 from the end."},
                 {"max", R"({"type": "integer", "minimum": 1, "maximum": 1048576, "default": 65536})",
                  "Bytes, at most."}},
       .answer = "LogPiece"});
}

}  // namespace

void add_endpoint_routes(std::vector<Route>& routes) {
  const Parameter name = {"name", kNameSchema, "Its name."};
  routes.push_back({.method = "GET",
                    .path = "/api/v1/endpoints",
                    .id = "listEndpoints",
                    .tag = "endpoints",
                    .summary = "The endpoints",
                    .access = needs(Action::kReadEndpoints, Scope::kShared),
                    .handler = list_endpoints,
                    .query = page_parameters(),
                    .answer = "EndpointPage"});
  routes.push_back({.method = "POST",
                    .path = "/api/v1/endpoints",
                    .id = "createEndpoint",
                    .tag = "endpoints",
                    .summary = "Serve a model here, or an upstream, under a name",
                    .access = needs(Action::kManageEndpoints, Scope::kShared),
                    .handler = create_endpoint,
                    .body = "EndpointCreate",
                    .success = 201,
                    .answer = "Endpoint",
                    .takes_idempotency_key = true,
                    .errors = {404},
                    .links = {"showEndpoint", "changeEndpoint", "deleteEndpoint", "listReplicas"}});
  routes.push_back({.method = "GET",
                    .path = "/api/v1/endpoints/{name}",
                    .id = "showEndpoint",
                    .tag = "endpoints",
                    .summary = "One endpoint",
                    .access = needs(Action::kReadEndpoints, Scope::kShared),
                    .handler = show_endpoint,
                    .path_parameters = {name},
                    .answer = "Endpoint"});
  routes.push_back(
      {.method = "PATCH",
       .path = "/api/v1/endpoints/{name}",
       .id = "changeEndpoint",
       .tag = "endpoints",
       .summary = "Change how a model is served: replicas, model, parameters; no request fails of it",
       .access = needs(Action::kManageEndpoints, Scope::kShared),
       .handler = change_endpoint,
       .path_parameters = {name},
       .body = "EndpointChange",
       .answer = "Endpoint",
       .errors = {409}});
  routes.push_back({.method = "DELETE",
                    .path = "/api/v1/endpoints/{name}",
                    .id = "deleteEndpoint",
                    .tag = "endpoints",
                    .summary = "Delete an endpoint; its replicas drain",
                    .access = needs(Action::kManageEndpoints, Scope::kShared),
                    .handler = delete_endpoint,
                    .path_parameters = {name},
                    .success = 204,
                    .answer_type = "",
                    .errors = {409}});
  add_replica_routes(routes);
}

}  // namespace millrace::api
