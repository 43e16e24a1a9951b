#include "api/handlers/handlers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "api/handlers/paging.h"
#include "host/utf8.h"

namespace millrace::api {

namespace json = boost::json;

std::vector<Route> all_routes() {
  std::vector<Route> routes;
  add_status_routes(routes);
  add_identity_routes(routes);
  add_quota_routes(routes);
  add_model_routes(routes);
  add_endpoint_routes(routes);
  add_environment_routes(routes);
  add_ledger_routes(routes);
  add_compute_quota_routes(routes);
  add_secret_routes(routes);
  add_job_routes(routes);
  add_job_file_routes(routes);
  add_node_routes(routes);
  add_site_routes(routes);
  return routes;
}

std::vector<Parameter> page_parameters(std::vector<Parameter> more) {
  more.push_back({"limit", R"({"type": "integer", "minimum": 1, "maximum": 1000, "default": 100})",
                  "Elements in one answer, at most."});
  more.push_back({"after", R"({"type": "string", "minLength": 1, "maxLength": 128})",
                  "The value of `next` in the answer before."});
  return more;
}

std::size_t limit_of(const Call& call) { return std::size_t(call.query_int("limit", kPageDefault)); }

Result<Reachable> reachable(const Call& call, identity::Action action) {
  Reachable asked{std::string(call.query_text("tenant")), std::string(call.query_text("project"))};
  const identity::Reach reach = identity::reach(call.principal.role, action);
  if (reach == identity::Reach::kAll) return asked;
  if (!asked.tenant.empty() && asked.tenant != call.principal.tenant) {
    return failure(ErrorCode::kNotFound, fmt::format("there is no tenant {}", asked.tenant));
  }
  asked.tenant = call.principal.tenant;
  if (reach == identity::Reach::kTenant) return asked;
  if (!asked.project.empty() && asked.project != call.principal.project) {
    return failure(ErrorCode::kNotFound, fmt::format("there is no project {}", asked.project));
  }
  asked.project = call.principal.project;
  return asked;
}

json::value time_json(const std::optional<TimePoint>& time) {
  return time ? json::value(to_rfc3339(*time)) : json::value();
}

json::value text_json(std::string_view text) { return text.empty() ? json::value() : json::value(text); }

std::string as_text(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const std::size_t length = host::utf8_length(bytes);
    text += length == 0 ? std::string_view("\xEF\xBF\xBD") : bytes.substr(0, length);
    bytes.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return text;
}

std::string_view whole_characters(std::string_view bytes) {
  // A character has at most four bytes; its first one tells how many.
  for (std::size_t back = 1; back <= std::min<std::size_t>(bytes.size(), 3); ++back) {
    const auto byte = static_cast<unsigned char>(bytes[bytes.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;
    const std::size_t wanted = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
    return wanted > back ? bytes.substr(0, bytes.size() - back) : bytes;
  }
  return bytes;
}

json::object limits_json(const identity::Limits& limits) {
  json::object object;
  if (limits.requests_per_minute) object["requests_per_minute"] = *limits.requests_per_minute;
  if (limits.tokens_per_minute) object["tokens_per_minute"] = *limits.tokens_per_minute;
  if (limits.concurrency) object["concurrency"] = *limits.concurrency;
  if (limits.tokens_per_month) object["tokens_per_month"] = *limits.tokens_per_month;
  if (limits.microeur_per_month) object["eur_per_month"] = double(*limits.microeur_per_month) / 1e6;
  return object;
}

std::int64_t microeur_of(double eur) { return std::int64_t(std::floor(eur * 1e6 + 0.5)); }

identity::Limits limits_of(const json::object& object) {
  const auto whole = [&](std::string_view name) -> std::optional<std::int64_t> {
    const auto* value = object.if_contains(name);
    return value ? std::optional(value->as_int64()) : std::nullopt;
  };
  identity::Limits limits;
  limits.requests_per_minute = whole("requests_per_minute");
  limits.tokens_per_minute = whole("tokens_per_minute");
  limits.concurrency = whole("concurrency");
  limits.tokens_per_month = whole("tokens_per_month");
  if (const auto* eur = object.if_contains("eur_per_month"))
    limits.microeur_per_month = microeur_of(eur->to_number<double>());
  return limits;
}

}  // namespace millrace::api
