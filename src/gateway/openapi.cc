// The gateway's part of the OpenAPI document, generated from the dialects' parameter tables and the route table.
#include <fmt/format.h>

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
    {"429", "A limit or quota is used up; see retry-after."},
    {"431", "The request's headers are too large."},
    {"500", "A fault of the gateway."},
    {"502", "The engine failed."},
    {"503", "No replica can answer now; see retry-after."},
};

void write_error(host::JsonWriter& out, const Status& error) {
  out.key(error.status)
      .raw(fmt::format(R"({{"description":{},"headers":{{"x-request-id":{{"schema":{{"type":"string"}}}}}},)"
                       R"("content":{{"application/json":{{"schema":{{"type":"object"}}}}}}}})",
                       host::quote_json(error.description)));
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
      R"({"description":"The answer; server-sent events where `stream` is true.","headers":{"x-request-id":{"schema":)"
      R"({"type":"string"}}},"content":{"application/json":{"schema":{"type":"object"}},"text/event-stream":{"schema":)"
      R"({"type":"object","description":"One event; `data` is JSON, or [DONE] where the dialect ends so.",)"
      R"("required":["data"],"properties":{"event":{"type":"string"},"data":{"type":"string"}}}}}})");
  for (const Status& error : kInferenceErrors) write_error(out, error);
  out.end_object().end_object().end_object();
}

void write_get(host::JsonWriter& out, std::string_view path, std::string_view id, std::string_view summary,
               std::string_view parameters) {
  out.key(path).begin_object().key("get").begin_object();
  out.field("operationId", id).field("summary", summary);
  out.key("tags").raw(R"(["inference"])").key("security").raw(kSecurity);
  if (!parameters.empty()) out.key("parameters").raw(parameters);
  out.key("responses").begin_object();
  out.key("200").raw(
      R"({"description":"The answer.","headers":{"x-request-id":{"schema":{"type":"string"}}},)"
      R"("content":{"application/json":{"schema":{"type":"object"}}}})");
  for (const Status& error : kInferenceErrors) {
    if (error.status != "413" && error.status != "502" && error.status != "429") write_error(out, error);
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
