// The gateway's part of the OpenAPI document, generated from the dialects' parameter tables and the route table.
#include <fmt/format.h>

#include <span>

#include "embed/inference_schemas.h"
#include "gateway/dialect/dialect.h"
#include "gateway/gateway.h"
#include "host/json_writer.h"

namespace millrace::gateway {
namespace {

struct Status {
  std::string_view status, description;
};

constexpr Status kInferenceErrors[] = {
    {"400", "The body is not what this operation takes; `param` names the member."},
    {"401", "No key, or one that is unknown, revoked or expired."},
    {"403", "The key's role may not do this."},
    {"404", "No such endpoint."},
    {"408", "The request came too slowly."},
    {"413", "The body is too large."},
    {"415", "The body is compressed."},
    {"429", "A limit or quota is used up; see retry-after."},
    {"431", "The request's headers are too large."},
    {"500", "A fault of the gateway."},
    {"502", "The engine failed."},
    {"503", "No replica can answer now; see retry-after."},
};

/// Names of headers, each with what it holds.
constexpr Status kIdHeaders[] = {
    {"x-request-id", "The request's id, as its usage record has it."},
    {"request-id", "The same, for clients of Anthropic's API."},
};
constexpr Status kLimitHeaders[] = {
    {"x-ratelimit-limit-requests", "Requests a minute; of the key, project or tenant that has least left."},
    {"x-ratelimit-remaining-requests", "Requests left now."},
    {"x-ratelimit-reset-requests", "Time until all are there again, as 6m0s or 120ms."},
    {"x-ratelimit-limit-tokens", "Tokens a minute."},
    {"x-ratelimit-remaining-tokens", "Tokens left now."},
    {"x-ratelimit-reset-tokens", "Time until all are there again."},
};
constexpr Status kRetryHeaders[] = {
    {"retry-after", "Whole seconds to wait before the next attempt."},
    {"retry-after-ms", "The same in milliseconds."},
    {"x-should-retry", "false: waiting does not help."},
};

/// None of them is there always.
std::string headers(std::string_view status, bool limited) {
  host::JsonWriter out;
  out.begin_object();
  const auto add = [&](std::span<const Status> names) {
    for (const auto& [name, description] : names) {
      out.key(name).begin_object().field("description", description);
      out.key("schema").raw(R"({"type":"string"})").end_object();
    }
  };
  add(kIdHeaders);
  if (limited) add(kLimitHeaders);
  if (status == "429" || status == "503") add(kRetryHeaders);
  out.end_object();
  return out.take();
}

void write_error(host::JsonWriter& out, const Status& error, bool limited) {
  out.key(error.status)
      .raw(fmt::format(R"({{"description":{},"headers":{},)"
                       R"("content":{{"application/json":{{"schema":{{"type":"object"}}}}}}}})",
                       host::quote_json(error.description), headers(error.status, limited)));
}

constexpr std::string_view kSecurity = R"([{"key":[]}])";

std::string operation_id(std::string_view path) {
  std::string id;
  bool upper = false;
  for (const char c : path.substr(4)) {
    if (c == '/') {
      upper = true;
    } else {
      id += upper ? static_cast<char>(c - 'a' + 'A') : c;
      upper = false;
    }
  }
  return "create" + std::string(1, static_cast<char>(id[0] - 'a' + 'A')) + id.substr(1);
}

void write_inference(host::JsonWriter& out, const dialect::Dialect& dialect) {
  out.key(dialect.path()).begin_object().key("post").begin_object();
  out.field("operationId", operation_id(dialect.path()));
  out.field("summary",
            "Inference; parameters are forwarded to the engine, accepted and not forwarded "
            "(x-millrace-class), or refused.");
  out.key("tags").raw(R"(["inference"])").key("security").raw(kSecurity);
  out.key("requestBody").begin_object().field("required", true).key("content").begin_object();
  out.key("application/json").begin_object().key("schema").raw(dialect.parameters_schema()).end_object();
  out.end_object().end_object();
  out.key("responses").begin_object();
  out.key("200").raw(
      R"({"description":"The answer; server-sent events where `stream` is true.","headers":)" +
      headers("200", true) +
      R"(,"content":{"application/json":{"schema":{"type":"object"}},"text/event-stream":{"schema":)"
      R"({"type":"object","description":"One event; `data` is JSON, or [DONE] where the dialect ends so.",)"
      R"("required":["data"],"properties":{"event":{"type":"string"},"data":{"type":"string"}}}}}})");
  for (const Status& error : kInferenceErrors) write_error(out, error, true);
  out.end_object().end_object().end_object();
}

void write_get(host::JsonWriter& out, std::string_view path, std::string_view id, std::string_view summary,
               std::string_view parameters) {
  out.key(path).begin_object().key("get").begin_object();
  out.field("operationId", id).field("summary", summary);
  out.key("tags").raw(R"(["inference"])").key("security").raw(kSecurity);
  if (!parameters.empty()) out.key("parameters").raw(parameters);
  out.key("responses").begin_object();
  out.key("200").raw(R"({"description":"The answer.","headers":)" + headers("200", false) +
                     R"(,"content":{"application/json":{"schema":{"type":"object"}}}})");
  for (const Status& error : kInferenceErrors) {
    const bool of_bodies = error.status == "413" || error.status == "415" || error.status == "502";
    if (!of_bodies && error.status != "429") write_error(out, error, false);
  }
  out.end_object().end_object().end_object();
}

}  // namespace

std::string openapi_fragment() {
  host::JsonWriter out;
  out.begin_object().key("paths").begin_object();
  for (const auto& dialect : dialect::make_dialects()) write_inference(out, *dialect);
  write_get(out, "/v1/models", "listModels", "The endpoints, in the shape of the client's API.", "");
  write_get(out, "/v1/models/{model}", "retrieveModel", "One endpoint.",
            R"([{"name":"model","in":"path","required":true,"schema":{"type":"string"}}])");
  out.end_object();
  out.key("components").begin_object().key("schemas").raw(inference_schemas().front().bytes).end_object();
  out.end_object();
  return out.take();
}

}  // namespace millrace::gateway
