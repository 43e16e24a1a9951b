#include "api/document/openapi.h"

#include <fmt/format.h>

#include "api/problem.h"

namespace millrace::api {

namespace json = boost::json;

namespace {

json::object ref(std::string_view kind, std::string_view name) {
  return {{"$ref", fmt::format("#/components/{}/{}", kind, name)}};
}

std::string response_name(int status) {
  std::string name = "Problem";
  for (const char c : title_of(status)) {
    if (c != ' ') name += c;
  }
  return name;
}

json::object parameter_object(const Parameter& parameter, std::string_view place) {
  return {{"name", parameter.name},
          {"in", place},
          {"required", place == "path"},
          {"description", parameter.description},
          {"schema", json::parse(parameter.schema)}};
}

json::object links_object(const Route& route, std::span<const Route> routes) {
  json::object links;
  for (const std::string_view id : route.links) {
    const std::string_view parameter = route_of(routes, id)->path_parameters.front().name;
    links[id] =
        json::object{{"operationId", id},
                     {"parameters", json::object{{parameter, fmt::format("$response.body#/{}", parameter)}}}};
  }
  return links;
}

json::object success_object(const Route& route, std::span<const Route> routes) {
  json::object answer = {{"description", route.summary}};
  if (!route.answer_type.empty()) {
    json::value schema =
        route.answer.empty()
            ? json::object{{"type", route.answer_type == "application/json" ? "object" : "string"}}
            : ref("schemas", route.answer);
    answer["content"] = json::object{{route.answer_type, json::object{{"schema", std::move(schema)}}}};
  }
  if (!route.links.empty()) answer["links"] = links_object(route, routes);
  return answer;
}

json::object operation_object(const Route& route, std::span<const Route> routes) {
  json::object operation = {
      {"operationId", route.id}, {"tags", json::array{route.tag}}, {"summary", route.summary}};
  json::array parameters;
  for (const Parameter& parameter : route.path_parameters)
    parameters.push_back(parameter_object(parameter, "path"));
  for (const Parameter& parameter : route.query) parameters.push_back(parameter_object(parameter, "query"));
  if (route.takes_idempotency_key) parameters.push_back(ref("parameters", "IdempotencyKey"));
  if (!parameters.empty()) operation["parameters"] = std::move(parameters);
  if (route.body == kBytes) {
    const json::object bytes = {{"schema", json::object{{"type", "string"}, {"format", "binary"}}}};
    operation["requestBody"] =
        json::object{{"required", true}, {"content", json::object{{kBytesType, bytes}}}};
  } else if (!route.body.empty()) {
    operation["requestBody"] = json::object{
        {"required", true},
        {"content",
         json::object{{"application/json", json::object{{"schema", ref("schemas", route.body)}}}}}};
  }
  json::object responses;
  for (const int status : statuses_of(route)) {
    responses[std::to_string(status)] =
        status == route.success ? success_object(route, routes) : ref("responses", response_name(status));
  }
  operation["responses"] = std::move(responses);
  if (route.access->open) {
    operation["security"] = json::array();
  } else {
    operation["security"] = json::array{json::object{{"key", json::array()}}};
    operation["x-millrace-access"] = json::object{{"action", identity::name_of(route.access->action)},
                                                  {"scope", name_of(route.access->scope)}};
  }
  return operation;
}

json::object components_object(std::span<const Route> routes, const Schemas& schemas) {
  json::object responses;
  for (const Route& route : routes) {
    for (const int status : statuses_of(route)) {
      if (status < 400) continue;
      responses[response_name(status)] = json::object{
          {"description", title_of(status)},
          {"content", json::object{{kProblemType, json::object{{"schema", ref("schemas", "Problem")}}}}}};
    }
  }
  const json::object idempotency = {
      {"name", "Idempotency-Key"},
      {"in", "header"},
      {"required", false},
      {"description",
       "Sent again with the same body within 24 hours, the request acts once and is answered alike."},
      {"schema",
       json::object{{"type", "string"}, {"maxLength", 255}, {"pattern", "^[A-Za-z0-9_.:-]{1,255}$"}}}};
  return {{"schemas", schemas.all()},
          {"responses", std::move(responses)},
          {"parameters", json::object{{"IdempotencyKey", idempotency}}},
          {"securitySchemes",
           json::object{{"key", json::object{{"type", "http"},
                                             {"scheme", "bearer"},
                                             {"description", "An API key: Authorization: Bearer mr_..."}}}}}};
}

Result<void> merge(const json::value* from, json::object& into, std::string_view what) {
  if (!from) return {};
  if (!from->is_object())
    return failure(ErrorCode::kInvalidArgument, fmt::format("inference {} is not an object", what));
  for (const auto& member : from->get_object()) {
    if (into.contains(member.key())) {
      return failure(ErrorCode::kInvalidArgument,
                     fmt::format("inference {} defines {} again", what, std::string_view(member.key())));
    }
    into.emplace(member.key(), member.value());
  }
  return {};
}

Result<void> merge_inference(std::string_view text, json::object& document) {
  boost::system::error_code bad;
  const json::value extra = json::parse(text, bad);
  if (bad || !extra.is_object()) {
    return failure(ErrorCode::kInvalidArgument, "the paths of the inference dialects are not a JSON object");
  }
  TRY_VOID(merge(extra.get_object().if_contains("paths"), document["paths"].as_object(), "paths"));
  if (const auto* components = extra.get_object().if_contains("components")) {
    if (!components->is_object())
      return failure(ErrorCode::kInvalidArgument, "inference components are not an object");
    for (const auto& kind : components->get_object()) {
      json::value& mine = document["components"].as_object()[kind.key()];
      if (!mine.is_object()) mine = json::object();
      TRY_VOID(merge(&kind.value(), mine.get_object(), "components"));
    }
  }
  return {};
}

}  // namespace

Result<std::string> openapi_document(std::span<const Route> routes, const Schemas& schemas,
                                     std::string_view version, std::string_view inference) {
  json::object paths;
  for (const Route& route : routes) {
    if (!route.documented) continue;
    json::value& item = paths[route.path];
    if (!item.is_object()) item = json::object();
    std::string method(route.method);
    for (char& c : method) c = char(c | 0x20);
    item.get_object()[method] = operation_object(route, routes);
  }
  json::object document = {
      {"openapi", "3.1.0"},
      {"info", json::object{{"title", "Millrace"},
                            {"version", version},
                            {"description",
                             "Your own AI cloud: control API and inference. Errors of the control API "
                             "are problem details (RFC 9457); every answer has x-request-id."},
                            {"license", json::object{{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}},
      {"servers", json::array{json::object{{"url", "/"}}}},
      {"paths", std::move(paths)},
      {"components", components_object(routes, schemas)}};
  if (!inference.empty()) TRY_VOID(merge_inference(inference, document));
  return json_text(document);
}

}  // namespace millrace::api
