#include "control/desired.h"

#include "core/id.h"
#include "host/json.h"
#include "scheduler/workload.h"

namespace millrace::control {
namespace {

constexpr std::int64_t kMaxReplicas = 64;
constexpr std::int64_t kMaxSeconds = 7 * 86'400;

Result<void> check(const DesiredEndpoint& endpoint) {
  const auto wrong = [](std::string text) { return failure(ErrorCode::kCorrupt, std::move(text)); };
  if (!is_name(endpoint.name)) return wrong("name: not a name: '" + endpoint.name + "'");
  if (endpoint.max_replicas < 0 || endpoint.max_replicas > kMaxReplicas)
    return wrong("max_replicas: want 0 to 64");
  if (endpoint.min_replicas < 0 || endpoint.min_replicas > endpoint.max_replicas)
    return wrong("min_replicas: want 0 to max_replicas");
  if (endpoint.idle_s < 1 || endpoint.idle_s > kMaxSeconds) return wrong("idle_s: want 1 to 604800");
  if (endpoint.start_timeout_s < 1 || endpoint.start_timeout_s > kMaxSeconds)
    return wrong("start_timeout_s: want 1 to 604800");
  if (endpoint.first_token_ms < 0) return wrong("first_token_ms: must not be negative");
  if (endpoint.routing != "cost" && endpoint.routing != "round-robin")
    return wrong("routing: want cost or round-robin");
  if (!scheduler::parse_spread(endpoint.spread)) return wrong("spread: want none, rack or rail");
  return {};
}

Result<DesiredEndpoint> read(const host::JsonObject& o) {
  DesiredEndpoint endpoint;
  endpoint.name = TRY(o.required_string("name"));
  endpoint.engine = TRY(o.required_string("engine"));
  endpoint.model = TRY(o.optional_string("model")).value_or("");
  endpoint.model_file = TRY(o.optional_string("model_file")).value_or("");
  const auto replicas = TRY(o.optional_int("replicas")).value_or(1);
  endpoint.min_replicas = TRY(o.optional_int("min_replicas")).value_or(replicas);
  endpoint.max_replicas = TRY(o.optional_int("max_replicas")).value_or(replicas);
  endpoint.embeds = TRY(o.optional_bool("embeds")).value_or(false);
  endpoint.context = TRY(o.optional_int("context")).value_or(0);
  endpoint.slots = TRY(o.optional_int("slots")).value_or(0);
  endpoint.threads = TRY(o.optional_int("threads")).value_or(0);
  const DesiredEndpoint defaults;
  endpoint.idle_s = TRY(o.optional_int("idle_s")).value_or(defaults.idle_s);
  endpoint.first_token_ms = TRY(o.optional_int("first_token_ms")).value_or(0);
  endpoint.start_timeout_s = TRY(o.optional_int("start_timeout_s")).value_or(defaults.start_timeout_s);
  endpoint.routing = TRY(o.optional_string("routing")).value_or(defaults.routing);
  endpoint.spread = TRY(o.optional_string("spread")).value_or(defaults.spread);
  endpoint.changes = TRY(o.optional_int("changes")).value_or(0);
  if (const auto created = TRY(o.optional_string("created_at")))
    endpoint.created_at = TRY(parse_rfc3339(*created));
  TRY_VOID(check(endpoint));
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
      .field("min_replicas", endpoint.min_replicas)
      .field("max_replicas", endpoint.max_replicas)
      .field("embeds", endpoint.embeds);
  w.field("context", endpoint.context).field("slots", endpoint.slots).field("threads", endpoint.threads);
  w.field("idle_s", endpoint.idle_s).field("first_token_ms", endpoint.first_token_ms);
  w.field("start_timeout_s", endpoint.start_timeout_s).field("routing", endpoint.routing);
  w.field("spread", endpoint.spread).field("changes", endpoint.changes);
  w.field("created_at", to_rfc3339(endpoint.created_at)).end_object();
  return w.take();
}

}  // namespace millrace::control
