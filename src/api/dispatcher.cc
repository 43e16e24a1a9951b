#include "api/dispatcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <chrono>

#include "api/document/openapi.h"
#include "api/uri.h"
#include "host/json.h"

namespace millrace::api {

namespace json = boost::json;
using Refusal = std::unexpected<Problem>;

namespace {

constexpr std::chrono::seconds kAckTimeout{5};

bool changes_something(const Route& route) {
  return route.changes_policy && route.method != "GET" && route.method != "HEAD";
}

Refusal refuse(int status, std::string code, std::string detail) {
  return Refusal(Problem{status, std::move(code), std::move(detail), ""});
}

Refusal refuse(const Error& error, bool has_body) { return Refusal(problem_of(error, has_body)); }

Refusal refuse_method(std::string allow) {
  return Refusal(Problem{405, "method_not_allowed", "this path answers: " + allow, allow});
}

/// The key after "Bearer ", in any case; empty if there is none.
std::string_view bearer_of(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() < kScheme.size()) return {};
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(authorization[i])) != kScheme[i]) return {};
  }
  authorization.remove_prefix(kScheme.size());
  while (authorization.starts_with(' ')) authorization.remove_prefix(1);
  return authorization;
}

/// `type` without its parameters, in lower case.
bool is_type(std::string_view type, std::string_view wanted) {
  type = type.substr(0, type.find(';'));
  while (type.ends_with(' ') || type.ends_with('\t')) type.remove_suffix(1);
  std::string lower(type);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  return lower == wanted;
}

bool is_idempotency_key(std::string_view key) {
  return !key.empty() && key.size() <= 255 && std::ranges::all_of(key, [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '.' || c == ':' || c == '-';
  });
}

/// "/: is not a time": a parameter is a value by itself, and has no place in one.
std::string_view without_place(std::string_view message) {
  constexpr std::string_view kWhole = "/: ";
  return message.starts_with(kWhole) ? message.substr(kWhole.size()) : message;
}

/// The text of a query parameter as its schema's type.
json::value typed(const json::value& schema, const std::string& text) {
  const auto* type = schema.as_object().if_contains("type");
  if (!type || *type != "integer") return json::value(text);
  std::int64_t number = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), number);
  return bad == std::errc() && end == text.data() + text.size() ? json::value(number) : json::value(text);
}

}  // namespace

Result<std::unique_ptr<Dispatcher>> Dispatcher::create(Services& services, std::vector<Route> routes,
                                                       Console console,
                                                       const std::string& inference_openapi) {
  Schemas schemas = TRY(Schemas::create(api_schemas()));
  TRY_VOID(check_routes(routes, schemas));
  services.openapi = TRY(openapi_document(routes, schemas, services.version, inference_openapi));
  Parts parts{std::move(routes), std::move(schemas), std::move(console)};
  return std::unique_ptr<Dispatcher>(new Dispatcher(services, std::move(parts)));
}

Dispatcher::Dispatcher(Services& services, Parts parts)
    : services_(services),
      routes_(std::move(parts.routes)),
      schemas_(std::move(parts.schemas)),
      console_(std::move(parts.console)),
      idempotency_(services.clock, {}) {}

Reply Dispatcher::handle(const RawRequest& request) {
  auto result = serve(request);
  Reply reply;
  if (result) {
    reply = std::move(*result);
  } else {
    const Problem& problem = result.error();
    reply = {problem.status, std::string(kProblemType), encode(problem, request.path), {}};
    if (problem.status == 401) reply.headers.emplace_back("www-authenticate", "Bearer realm=\"millrace\"");
    if (problem.status == 405) reply.headers.emplace_back("allow", problem.allow);
    if (problem.status == 503) reply.headers.emplace_back("retry-after", "1");
  }
  if (std::ranges::none_of(reply.headers,
                           [](const auto& header) { return header.first == "cache-control"; })) {
    reply.headers.emplace_back("cache-control", "no-store");
  }
  reply.headers.emplace_back("x-content-type-options", "nosniff");
  reply.headers.emplace_back("x-request-id", request.request_id);
  return reply;
}

std::expected<Reply, Problem> Dispatcher::serve(const RawRequest& request) {
  if (auto page = console_.get(request.path, request.if_none_match)) {
    if (request.method == "GET" || request.method == "HEAD") return std::move(*page);
    return refuse_method("GET, HEAD");
  }
  const auto segments = path_segments(request.path);
  if (!segments) return refuse(segments.error(), false);
  Match match = find_route(routes_, request.method, *segments);
  if (!match.route && match.allowed.empty()) return refuse(404, "not_found", "there is nothing at this path");
  if (!match.route) {
    return refuse_method(fmt::format("{}", fmt::join(match.allowed, ", ")));
  }
  Call call;
  call.path = std::move(match.path);
  call.accept = request.accept;
  return serve_route(*match.route, call, request);
}

std::expected<Reply, Problem> Dispatcher::serve_route(const Route& route, Call& call,
                                                      const RawRequest& request) {
  if (auto result = authorise_role(route, call, request); !result) return Refusal(std::move(result.error()));
  if (auto result = read_path(route, call); !result) return Refusal(std::move(result.error()));
  if (auto result = read_query(route, request.query, call); !result)
    return Refusal(std::move(result.error()));
  if (auto result = read_body(route, request, call); !result) return Refusal(std::move(result.error()));
  if (auto result = authorise_owner(route, call); !result) return Refusal(std::move(result.error()));
  if (route.takes_idempotency_key && request.idempotency_key) return run_once(route, call, request);
  return run(route, call, request);
}

std::expected<void, Problem> Dispatcher::authorise_role(const Route& route, Call& call,
                                                        const RawRequest& request) {
  if (route.access->open) return {};
  const std::string_view key = bearer_of(request.authorization);
  auto principal = key.empty() ? failure(ErrorCode::kDenied, "") : services_.directory.authenticate(key);
  if (!principal && principal.error().code != ErrorCode::kDenied) return refuse(principal.error(), false);
  if (!principal) return refuse(401, "unauthorized", "send a valid API key: Authorization: Bearer mr_...");
  call.principal = std::move(*principal);
  if (!identity::allowed(call.principal.role, route.access->action)) {
    return refuse(403, "denied",
                  fmt::format("role {} does not have the right {}", identity::name_of(call.principal.role),
                              identity::name_of(route.access->action)));
  }
  return {};
}

std::expected<void, Problem> Dispatcher::read_path(const Route& route, Call& call) const {
  for (const Parameter& parameter : route.path_parameters) {
    json::value text(call.path_text(parameter.name));
    if (!schemas_.check(json::parse(parameter.schema), text)) {
      return refuse(404, "not_found", fmt::format("there is no {} of that form", parameter.name));
    }
  }
  return {};
}

std::expected<void, Problem> Dispatcher::read_query(const Route& route, std::string_view query,
                                                    Call& call) const {
  auto given = query_parameters(query);
  if (!given) return refuse(given.error(), false);
  for (const auto& [name, text] : *given) {
    const auto known = std::ranges::find(route.query, std::string_view(name), &Parameter::name);
    if (known == route.query.end()) {
      return refuse(400, "unknown_parameter", fmt::format("query parameter {} is not known here", name));
    }
    const json::value schema = json::parse(known->schema);
    json::value value = typed(schema, text);
    if (auto fits = schemas_.check(schema, value); !fits) {
      return refuse(400, "invalid_parameter",
                    fmt::format("query parameter {} {}", name, without_place(fits.error().message)));
    }
    call.query.emplace(name, std::move(value));
  }
  return {};
}

std::expected<void, Problem> Dispatcher::read_body(const Route& route, const RawRequest& request,
                                                   Call& call) const {
  if (route.body.empty()) return {};
  const std::size_t most = route.body == kBytes ? kBytesMax : kBodyMax;
  if (request.body.size() > most)
    return refuse(413, "body_too_large", fmt::format("a body has at most {} bytes", most));
  if (route.body == kBytes) {
    call.bytes = request.body;
    if (is_type(request.content_type, kBytesType)) return {};
    return refuse(415, "unsupported_media_type", "send the body as application/octet-stream");
  }
  if (!is_type(request.content_type, "application/json")) {
    return refuse(415, "unsupported_media_type", "send the body as application/json");
  }
  auto body = host::parse_json(request.body);
  if (!body) return refuse(400, "invalid_json", body.error().message);
  call.body = std::move(*body);
  if (auto fits = schemas_.check(*schemas_.find(route.body), call.body); !fits) {
    return refuse(422, "invalid_body", fits.error().message);
  }
  return {};
}

Result<Dispatcher::Owner> Dispatcher::owner_of(const Route& route, const Call& call) {
  const auto in_body = [&](std::string_view name) {
    return std::string(call.body.as_object().at(name).as_string());
  };
  const auto project_owner = [&](std::string_view name) -> Result<Owner> {
    const auto project = TRY(services_.directory.project(name));
    return Owner{project.tenant, project.name};
  };
  switch (route.access->scope) {
    case Scope::kShared:
    case Scope::kReach:
    case Scope::kPlatform:
      return Owner{};
    case Scope::kPathTenant:
      return Owner{std::string(call.path_text("name")), ""};
    case Scope::kBodyTenant:
      return Owner{in_body("tenant"), ""};
    case Scope::kPathProject:
      return project_owner(call.path_text("name"));
    case Scope::kBodyProject:
      return project_owner(in_body("project"));
    case Scope::kPathEnvironment: {
      const auto environment = TRY(services_.environments.record(call.path_text("name")));
      return Owner{environment.tenant, environment.project};
    }
    case Scope::kOwnProject: {
      const auto* object = call.body.if_object();
      const auto* named = object != nullptr ? object->if_contains("project") : nullptr;
      const std::string_view own = call.principal.project;
      return project_owner(named != nullptr ? std::string_view(named->as_string())
                                            : call.query_text("project", own));
    }
    case Scope::kPathJob: {
      const auto job = TRY(services_.jobs.record(call.path_text("id")));
      return Owner{job.tenant, job.project};
    }
    case Scope::kPathKey: {
      const auto key = TRY(services_.directory.key(call.path_text("id")));
      return Owner{key.tenant, key.project};
    }
  }
  return failure(ErrorCode::kDenied, "a scope that is not known");
}

std::expected<void, Problem> Dispatcher::authorise_owner(const Route& route, const Call& call) {
  if (route.access->open || route.access->scope == Scope::kShared || route.access->scope == Scope::kReach)
    return {};
  // What lies beyond the caller's reach looks exactly like what does not exist.
  const auto hidden = [] {
    return refuse(404, "not_found", "there is no such tenant, project, key, job or environment");
  };
  const auto owner = owner_of(route, call);
  const identity::Principal& caller = call.principal;
  const bool sees_all = identity::reach(caller.role, route.access->action) == identity::Reach::kAll;
  if (!owner) {
    const bool hides = owner.error().code == ErrorCode::kNotFound && !sees_all;
    return hides ? hidden() : refuse(owner.error(), !route.body.empty());
  }
  if (identity::permits(caller, route.access->action, {owner->tenant, owner->project})) return {};
  const bool known_to_caller =
      route.access->scope == Scope::kPlatform ||
      (owner->tenant == caller.tenant && (owner->project.empty() || owner->project == caller.project));
  if (!known_to_caller) return hidden();
  return refuse(403, "denied",
                fmt::format("role {} does not have the right {} here", identity::name_of(caller.role),
                            identity::name_of(route.access->action)));
}

std::expected<Reply, Problem> Dispatcher::run(const Route& route, const Call& call,
                                              const RawRequest& request) {
  auto reply = route.handler(services_, call);
  if (reply) {
    // What an answered change says holds at every gateway: a key that was just made works, a quota that was set counts.
    if (changes_something(route)) {
      if (const auto told = services_.publisher.publish_and_wait(kAckTimeout);
          !told && services_.log != nullptr) {
        services_.log->error("change_not_published", told.error());
      }
    }
    return std::move(*reply);
  }
  Problem problem = problem_of(reply.error(), !route.body.empty());
  if (problem.status >= 500 && services_.log) {
    services_.log->error("request_failed", {{"request_id", request.request_id},
                                            {"operation", route.id},
                                            {"code", std::string_view(name_of(reply.error().code))},
                                            {"message", reply.error().message}});
  }
  return Refusal(std::move(problem));
}

std::expected<Reply, Problem> Dispatcher::run_once(const Route& route, const Call& call,
                                                   const RawRequest& request) {
  const std::string& key = *request.idempotency_key;
  if (!is_idempotency_key(key)) {
    return refuse(400, "invalid_parameter", "Idempotency-Key has 1 to 255 of A-Z a-z 0-9 _ . : -");
  }
  const std::string scope = fmt::format("{} {}", call.principal.key_id, route.id);
  auto begun = idempotency_.begin(scope, key, request.body);
  switch (begun.state) {
    case IdempotencyKeys::State::kFresh:
      break;
    case IdempotencyKeys::State::kReplay:
      return std::move(begun.answer);
    case IdempotencyKeys::State::kInWork:
      return refuse(409, "in_work", "the first request with this Idempotency-Key is still running");
    case IdempotencyKeys::State::kMismatch:
      return refuse(422, "idempotency_mismatch", "this Idempotency-Key was used for another body");
    case IdempotencyKeys::State::kFull:
      return refuse(503, "exhausted", "too many requests are running");
  }
  auto reply = run(route, call, request);
  if (reply) {
    idempotency_.finish(scope, key, *reply);
  } else {
    const Problem& problem = reply.error();
    idempotency_.finish(scope, key,
                        {problem.status, std::string(kProblemType), encode(problem, request.path), {}});
  }
  return reply;
}

}  // namespace millrace::api
