#include "control/desired.h"

#include "core/id.h"
#include "host/json.h"

namespace millrace::control {
namespace {

constexpr std::int64_t kMaxReplicas = 64;

Result<DesiredEndpoint> read(const host::JsonObject& o) {
  DesiredEndpoint endpoint;
  endpoint.name = TRY(o.required_string("name"));
  endpoint.engine = TRY(o.required_string("engine"));
  endpoint.model = TRY(o.optional_string("model")).value_or("");
  endpoint.model_file = TRY(o.optional_string("model_file")).value_or("");
  endpoint.replicas = TRY(o.optional_int("replicas")).value_or(1);
  endpoint.embeds = TRY(o.optional_bool("embeds")).value_or(false);
  endpoint.context = TRY(o.optional_int("context")).value_or(0);
  endpoint.slots = TRY(o.optional_int("slots")).value_or(0);
  endpoint.threads = TRY(o.optional_int("threads")).value_or(0);
  if (const auto created = TRY(o.optional_string("created_at")))
    endpoint.created_at = TRY(parse_rfc3339(*created));
  if (!is_name(endpoint.name))
    return failure(ErrorCode::kCorrupt, "name: not a name: '" + endpoint.name + "'");
  if (endpoint.replicas < 0 || endpoint.replicas > kMaxReplicas)
    return failure(ErrorCode::kCorrupt, "replicas: want 0 to 64");
  return endpoint;
}

}  // namespace

Result<DesiredEndpoint> parse_desired(std::string_view json) {
  const auto value = host::parse_json(json, {.max_depth = 8, .max_bytes = 1 << 20});
  if (!value) return failure(ErrorCode::kCorrupt, "endpoint record: " + value.error().message);
  const auto object = host::JsonObject::of(*value);
  if (!object) return failure(ErrorCode::kCorrupt, "endpoint record: " + object.error().message);
  auto endpoint = read(*object);
  if (!endpoint) return failure(ErrorCode::kCorrupt, "endpoint record: " + endpoint.error().message);
  return endpoint;
}

std::string to_json(const DesiredEndpoint& endpoint) {
  host::JsonWriter w;
  w.begin_object()
      .field("name", endpoint.name)
      .field("engine", endpoint.engine)
      .field("model", endpoint.model);
  w.field("model_file", endpoint.model_file)
      .field("replicas", endpoint.replicas)
      .field("embeds", endpoint.embeds);
  w.field("context", endpoint.context).field("slots", endpoint.slots).field("threads", endpoint.threads);
  w.field("created_at", to_rfc3339(endpoint.created_at)).end_object();
  return w.take();
}

}  // namespace millrace::control
