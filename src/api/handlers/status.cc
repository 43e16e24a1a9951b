// health, the OpenAPI document, status and live figures
#include <algorithm>

#include "api/handlers/handlers.h"
#include "api/metrics.h"

namespace millrace::api {

namespace json = boost::json;
using identity::Action;

namespace {

Result<Reply> health(Services&, const Call&) { return json_reply(200, json::object{{"status", "ok"}}); }

Result<Reply> ready(Services& services, const Call&) {
  if (services.is_ready && !services.is_ready())
    return failure(ErrorCode::kUnavailable, "the server is still starting");
  return json_reply(200, json::object{{"status", "ok"}});
}

Result<Reply> openapi(Services& services, const Call&) {
  return Reply{200, "application/json", services.openapi, {}};
}

Result<Reply> status(Services& services, const Call&) {
  const SiteStatus site = services.status();
  json::array processes;
  for (const ProcessStatus& process : site.processes) {
    processes.push_back(json::object{{"role", process.role},
                                     {"pid", process.pid},
                                     {"state", process.state},
                                     {"name", text_json(process.name)}});
  }
  json::object urls, limits;
  for (const auto& [name, url] : site.urls) urls[name] = url;
  for (const auto& [name, limit] : site.limits) limits[name] = limit;
  const auto nodes = services.jobs.view().nodes();
  auto node =
      std::ranges::find(nodes, "rlimits", &control::NodeStatus::limits_kind);  // the exception is told
  if (node == nodes.end()) node = nodes.begin();
  const bool has_none = node == nodes.end();
  return json_reply(
      200, json::object{{"version", services.version},
                        {"home", site.home},
                        {"site", site.site},
                        {"zone", site.zone},
                        {"processes", std::move(processes)},
                        {"urls", std::move(urls)},
                        {"limits", std::move(limits)},
                        {"limits_kind", has_none ? json::value() : text_json(node->limits_kind)},
                        {"limits_why", has_none ? json::value() : text_json(node->limits_why)},
                        {"defaults", json::object{{"model", text_json(site.default_model)},
                                                  {"embed_model", text_json(site.default_embed_model)}}}});
}

Result<Reply> live(Services& services, const Call&) {
  const LiveFigures figures = services.live.figures();
  const Power power = power_of(services);
  const auto number = [](const std::optional<double>& value) {
    return value ? json::value(*value) : json::value();
  };
  std::int64_t replicas_ready = 0;
  for (const auto& replica : services.replicas.observed()) {
    replicas_ready += replica.state == control::ReplicaState::kReady ? 1 : 0;
  }
  return json_reply(200,
                    json::object{{"at", to_rfc3339(services.clock.now())},
                                 {"gateways", figures.gateways},
                                 {"requests_per_s", figures.requests_per_s},
                                 {"tokens_per_s", figures.input_tokens_per_s + figures.output_tokens_per_s},
                                 {"input_tokens_per_s", figures.input_tokens_per_s},
                                 {"output_tokens_per_s", figures.output_tokens_per_s},
                                 {"active_requests", figures.active_requests},
                                 {"power_w", number(power.watts)},
                                 {"co2e_g_per_h", number(power.co2e_g_per_h)},
                                 {"basis", power.basis},
                                 {"replicas_ready", replicas_ready}});
}

Result<Reply> metrics(Services& services, const Call& call) {
  const auto format = host::MetricsText::format_for(call.accept);
  return Reply{200, std::string(host::MetricsText::content_type(format)), metrics_text(services, format), {}};
}

Route health_route(std::string_view path, std::string_view id, Handler handler, std::string_view summary) {
  return {.method = "GET",
          .path = path,
          .id = id,
          .tag = "status",
          .summary = summary,
          .access = kPublic,
          .handler = handler,
          .answer = "Health"};
}

}  // namespace

void add_status_routes(std::vector<Route>& routes) {
  routes.push_back(health_route("/api/v1/healthz", "healthz", health, "The server runs"));
  routes.push_back(health_route("/api/v1/readyz", "readyz", ready, "The server is ready to be asked"));
  routes.back().errors = {503};
  routes.push_back({.method = "GET",
                    .path = "/api/v1/openapi.json",
                    .id = "openapi",
                    .tag = "status",
                    .summary = "This document",
                    .access = kPublic,
                    .handler = openapi});
  routes.push_back({.method = "GET",
                    .path = "/api/v1/status",
                    .id = "status",
                    .tag = "status",
                    .summary = "Processes, addresses and limits of this installation",
                    .access = needs(Action::kReadStatus, Scope::kPlatform),
                    .handler = status,
                    .answer = "Status"});
  routes.push_back({.method = "GET",
                    .path = "/api/v1/live",
                    .id = "live",
                    .tag = "status",
                    .summary = "What happens now: requests, tokens, power",
                    .access = needs(Action::kReadStatus, Scope::kPlatform),
                    .handler = live,
                    .answer = "Live"});
  routes.push_back({.method = "GET",
                    .path = "/api/v1/metrics",
                    .id = "metrics",
                    .tag = "status",
                    .summary = "Metrics of the server as text, OpenMetrics where Accept asks for it",
                    .access = needs(Action::kReadStatus, Scope::kPlatform),
                    .handler = metrics,
                    .answer_type = "text/plain"});
  // For what asks the server's own socket, as supervisors and probes do.
  routes.push_back(health_route("/healthz", "localHealthz", health, "The server runs"));
  routes.back().documented = false;
  routes.push_back(health_route("/readyz", "localReadyz", ready, "The server is ready to be asked"));
  routes.back().documented = false;
  routes.push_back({.method = "GET",
                    .path = "/metrics",
                    .id = "localMetrics",
                    .tag = "status",
                    .summary = "Metrics of the server",
                    .access = kPublic,
                    .handler = metrics,
                    .answer_type = "text/plain",
                    .documented = false});
}

}  // namespace millrace::api
