#include <fmt/format.h>

#include "host/json.h"
#include "platform/models.h"

namespace millrace::platform {
namespace {

using host::JsonObject;

constexpr std::string_view kStateNames[] = {"importing", "ready", "failed"};

Result<ModelState> parse_state(const std::string& text) {
  for (const ModelState state : {ModelState::kImporting, ModelState::kReady, ModelState::kFailed}) {
    if (name_of(state) == text) return state;
  }
  return failure(ErrorCode::kCorrupt, "state: is not known");
}

Result<GgufInfo> read_info(const JsonObject& in) {
  TRY_VOID(in.check_no_unknown({"version", "architecture", "name", "quantisation", "parameters", "tensors",
                                "context_length", "embedding_length"}));
  GgufInfo info;
  info.version = static_cast<std::uint32_t>(TRY(in.required_int("version")));
  info.architecture = TRY(in.required_string("architecture"));
  info.name = TRY(in.required_string("name"));
  info.quantisation = TRY(in.required_string("quantisation"));
  info.parameters = TRY(in.required_int("parameters"));
  info.tensors = TRY(in.required_int("tensors"));
  info.context_length = TRY(in.optional_int("context_length"));
  info.embedding_length = TRY(in.optional_int("embedding_length"));
  return info;
}

Result<Model> read_model(std::string_view json) {
  const auto value = TRY(host::parse_json(json, {.max_depth = 8, .max_bytes = 1u << 20}));
  const auto in = TRY(JsonObject::of(value));
  TRY_VOID(in.check_no_unknown(
      {"name", "source", "state", "sha256", "size_bytes", "licence", "error", "info", "created_at"}));
  Model model;
  model.name = TRY(in.required_string("name"));
  model.source = TRY(in.required_string("source"));
  const std::string state = TRY(in.required_string("state"));
  model.state = TRY(parse_state(state));
  model.sha256 = TRY(in.required_string("sha256"));
  model.size_bytes = TRY(in.required_int("size_bytes"));
  model.licence = TRY(in.required_string("licence"));
  model.error = TRY(in.required_string("error"));
  const std::string created_at = TRY(in.required_string("created_at"));
  model.created_at = TRY(parse_rfc3339(created_at));
  const auto info = TRY(in.optional_object("info"));
  if (info) model.info = TRY(read_info(*info));
  if (model.state == ModelState::kReady && (!info || model.sha256.size() != 64)) {
    return failure(ErrorCode::kCorrupt, "a ready model has a digest and what its header says");
  }
  model.info.licence = model.licence;
  model.progress_bytes = model.size_bytes;
  return model;
}

}  // namespace

std::string_view name_of(ModelState state) { return kStateNames[static_cast<std::size_t>(state)]; }

std::string encode(const Model& model) {
  host::JsonWriter out;
  out.begin_object()
      .field("name", model.name)
      .field("source", model.source)
      .field("state", name_of(model.state));
  out.field("sha256", model.sha256).field("size_bytes", model.size_bytes).field("licence", model.licence);
  out.field("error", model.error);
  if (model.state == ModelState::kReady) {
    const GgufInfo& info = model.info;
    out.key("info").begin_object().field("version", info.version).field("architecture", info.architecture);
    out.field("name", info.name)
        .field("quantisation", info.quantisation)
        .field("parameters", info.parameters);
    out.field("tensors", info.tensors).field("context_length", info.context_length);
    out.field("embedding_length", info.embedding_length).end_object();
  }
  out.field("created_at", to_rfc3339(model.created_at)).end_object();
  return out.take();
}

Result<Model> parse_model(std::string_view json) {
  auto model = read_model(json);
  if (model) return model;
  return failure(ErrorCode::kCorrupt, "model record: " + model.error().message);
}

}  // namespace millrace::platform
