#include "gateway/routes.h"

namespace millrace::gateway {
namespace {

using identity::Action;
using net::Method;

constexpr Route inference(std::string_view path) {
  return {Method::kPost, path, false, Answerer::kInference, Guard::kAction, Action::kUse};
}
constexpr Route proxied(Method method, std::string_view path) {
  return {method, path, true, Answerer::kProxy, Guard::kServer, Action::kUse};
}

constexpr Route kRoutes[] = {
    inference("/v1/chat/completions"),
    inference("/v1/completions"),
    inference("/v1/embeddings"),
    inference("/v1/responses"),
    inference("/v1/messages"),
    {Method::kGet, "/v1/models", false, Answerer::kModels, Guard::kAction, Action::kUse},
    {Method::kGet, "/v1/models/", true, Answerer::kModel, Guard::kAction, Action::kUse},
    {Method::kGet, "/healthz", false, Answerer::kHealth, Guard::kPublic, Action::kUse},
    {Method::kGet, "/readyz", false, Answerer::kReady, Guard::kPublic, Action::kUse},
    {Method::kGet, "/metrics", false, Answerer::kMetrics, Guard::kLocalOrAction, Action::kReadStatus},
    proxied(Method::kGet, "/api/"),
    proxied(Method::kPost, "/api/"),
    proxied(Method::kPut, "/api/"),
    proxied(Method::kPatch, "/api/"),
    proxied(Method::kDelete, "/api/"),
    proxied(Method::kHead, "/api/"),
    proxied(Method::kOptions, "/api/"),
    proxied(Method::kGet, "/console"),
    proxied(Method::kHead, "/console"),
    {Method::kGet, "/", false, Answerer::kProxy, Guard::kServer, Action::kUse},
};

bool matches(const Route& route, std::string_view path) {
  return route.prefix ? path.starts_with(route.path) : path == route.path;
}

bool answers(const Route& route, Method method) {
  return route.method == method || (method == Method::kHead && route.method == Method::kGet);
}

}  // namespace

std::span<const Route> routes() { return kRoutes; }

RouteMatch match_route(std::span<const Route> table, net::Method method, std::string_view path) {
  RouteMatch match;
  for (const Route& route : table) {
    if (!matches(route, path)) continue;
    match.path_known = true;
    if (answers(route, method)) {
      match.route = &route;
      return match;
    }
  }
  return match;
}

std::string allowed_methods(std::span<const Route> table, std::string_view path) {
  std::string allowed;
  for (const Method method : {Method::kGet, Method::kHead, Method::kPost, Method::kPut, Method::kPatch,
                              Method::kDelete, Method::kOptions}) {
    if (match_route(table, method, path).route == nullptr) continue;
    if (!allowed.empty()) allowed += ", ";
    allowed += net::name_of(method);
  }
  return allowed;
}

std::optional<std::string_view> unguarded(std::span<const Route> table) {
  for (const Route& route : table) {
    if (route.guard == Guard::kUnset) return route.path;
  }
  return std::nullopt;
}

}  // namespace millrace::gateway
