#include "api/route.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace millrace::api {

std::string_view name_of(Scope scope) {
  switch (scope) {
    case Scope::kShared:
      return "shared";
    case Scope::kPlatform:
      return "platform";
    case Scope::kPathTenant:
    case Scope::kBodyTenant:
      return "tenant";
    case Scope::kPathProject:
    case Scope::kBodyProject:
    case Scope::kOwnProject:
      return "project";
    case Scope::kPathJob:
      return "job-owner";
    case Scope::kPathKey:
      return "key-owner";
    case Scope::kPathEnvironment:
      return "environment-owner";
    case Scope::kReach:
      return "reach";
  }
  return "platform";
}

namespace {

std::vector<std::string_view> template_segments(std::string_view path) {
  std::vector<std::string_view> segments;
  path.remove_prefix(1);
  while (true) {
    const std::size_t slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

bool is_placeholder(std::string_view segment) { return segment.starts_with('{'); }
std::string_view name_in(std::string_view placeholder) {
  return placeholder.substr(1, placeholder.size() - 2);
}

/// Number of fixed segments if the template fits, -1 if not.
int fit(const std::vector<std::string_view>& wanted, std::span<const std::string> segments) {
  if (wanted.size() != segments.size()) return -1;
  int fixed = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (is_placeholder(wanted[i])) continue;
    if (wanted[i] != segments[i]) return -1;
    ++fixed;
  }
  return fixed;
}

Result<void> check_schema_text(const Parameter& parameter, const Schemas& schemas, std::string_view id) {
  boost::system::error_code bad;
  const auto schema = boost::json::parse(parameter.schema, bad);
  if (bad)
    return failure(ErrorCode::kInvalidArgument,
                   fmt::format("route {}: schema of {} is no JSON", id, parameter.name));
  return schemas.lint(schema);
}

Result<void> check_route(const Route& route, const Schemas& schemas) {
  const auto fault = [&](std::string_view text) {
    return failure(ErrorCode::kInvalidArgument,
                   fmt::format("route {} {} {}", route.method, route.path, text));
  };
  if (!route.access) return fault("declares no policy: give it kPublic, or needs(action, scope)");
  if (!route.handler) return fault("has no handler");
  if (!route.body.empty() && route.body != kBytes && !schemas.find(route.body))
    return fault("takes a body whose schema does not exist");
  if (!route.answer.empty() && !schemas.find(route.answer))
    return fault("answers with a schema that does not exist");
  std::set<std::string_view> placeholders, declared;
  for (const std::string_view segment : template_segments(route.path)) {
    if (is_placeholder(segment)) placeholders.insert(name_in(segment));
  }
  for (const Parameter& parameter : route.path_parameters) declared.insert(parameter.name);
  if (placeholders != declared) return fault("has placeholders that are not its path parameters");
  for (const Parameter& parameter : route.path_parameters)
    TRY_VOID(check_schema_text(parameter, schemas, route.id));
  for (const Parameter& parameter : route.query) TRY_VOID(check_schema_text(parameter, schemas, route.id));
  return {};
}

/// A link leads to a route with one path parameter that the answer has as a required member.
Result<void> check_links(const Route& route, std::span<const Route> routes, const Schemas& schemas) {
  for (const std::string_view id : route.links) {
    const Route* target = route_of(routes, id);
    const auto* answer = schemas.find(route.answer);
    const bool fits = target != nullptr && target->path_parameters.size() == 1 && answer != nullptr;
    const auto* members = fits ? answer->as_object().if_contains("required") : nullptr;
    if (members == nullptr ||
        std::ranges::none_of(members->as_array(), [&](const boost::json::value& member) {
          return member.as_string() == target->path_parameters.front().name;
        })) {
      return failure(ErrorCode::kInvalidArgument,
                     fmt::format("route {} {} links to {}, which does not take a member of its answer",
                                 route.method, route.path, id));
    }
  }
  return {};
}

}  // namespace

std::vector<int> statuses_of(const Route& route) {
  std::set<int> statuses(route.errors.begin(), route.errors.end());
  statuses.insert(route.success);
  const bool open = route.access && route.access->open;
  if (!open) statuses.insert({401, 403, 503});
  if (!route.path_parameters.empty()) statuses.insert({400, 404});
  if (!route.query.empty() || route.takes_idempotency_key) statuses.insert(400);
  if (!route.body.empty()) statuses.insert({400, 413, 415, 422});
  if (route.takes_idempotency_key) statuses.insert(409);
  const bool may_hide = !open && route.access &&
                        (route.access->scope == Scope::kReach || route.access->scope == Scope::kOwnProject);
  if (may_hide) statuses.insert(404);
  return {statuses.begin(), statuses.end()};
}

const Route* route_of(std::span<const Route> routes, std::string_view id) {
  const auto found = std::ranges::find(routes, id, &Route::id);
  return found == routes.end() ? nullptr : &*found;
}

Result<void> check_routes(std::span<const Route> routes, const Schemas& schemas) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  std::set<std::string_view> ids;
  for (const Route& route : routes) {
    TRY_VOID(check_route(route, schemas));
    if (!seen.insert({route.method, route.path}).second || !ids.insert(route.id).second) {
      return failure(ErrorCode::kInvalidArgument,
                     fmt::format("route {} {} stands twice", route.method, route.path));
    }
    TRY_VOID(check_links(route, routes, schemas));
  }
  return {};
}

Match find_route(std::span<const Route> routes, std::string_view method,
                 std::span<const std::string> segments) {
  Match match;
  std::string_view best_path;
  int best = -1;
  for (const Route& route : routes) {
    const int fixed = fit(template_segments(route.path), segments);
    if (fixed > best) {
      best = fixed;
      best_path = route.path;
    }
  }
  if (best < 0) return match;
  for (const Route& route : routes) {
    if (route.path != best_path) continue;
    match.allowed.push_back(route.method);
    if (route.method == method) match.route = &route;
  }
  if (!match.route) return match;
  const auto wanted = template_segments(best_path);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (is_placeholder(wanted[i])) match.path.emplace(name_in(wanted[i]), segments[i]);
  }
  return match;
}

}  // namespace millrace::api
