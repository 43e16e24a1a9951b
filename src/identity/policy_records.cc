#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/sha256.h"
#include "identity/policy.h"
#include "identity/policy_fields.h"

namespace millrace::identity {
namespace {

using host::JsonObject;
using host::JsonWriter;

constexpr std::string_view kEnvironmentStates[] = {"stopped", "starting", "running"};

struct LimitField {
  std::string_view name;
  std::optional<std::int64_t> Limits::* member;
};
constexpr LimitField kLimitFields[] = {
    {"requests_per_minute", &Limits::requests_per_minute},
    {"tokens_per_minute", &Limits::tokens_per_minute},
    {"concurrency", &Limits::concurrency},
    {"tokens_per_month", &Limits::tokens_per_month},
    {"microeur_per_month", &Limits::microeur_per_month},
};

Result<std::string> name_field(const JsonObject& in, std::string_view key) {
  auto text = TRY(in.required_string(key));
  if (text.empty()) return failure(ErrorCode::kCorrupt, fmt::format("{}: is empty", in.path_of(key)));
  return text;
}

Result<std::int32_t> small_count(const JsonObject& in, std::string_view key) {
  const std::int64_t value = TRY(count_of(in, key));
  if (value > INT32_MAX)
    return failure(ErrorCode::kCorrupt, fmt::format("{}: {} is too large", in.path_of(key), value));
  return static_cast<std::int32_t>(value);
}

Result<double> positive_field(const JsonObject& in, std::string_view key) {
  const double value = TRY(in.required_double(key));
  if (!std::isfinite(value) || value < 0) {
    return failure(ErrorCode::kCorrupt, fmt::format("{}: must not be negative", in.path_of(key)));
  }
  return value;
}

void write_quota(JsonWriter& out, const std::optional<Limits>& quota) {
  if (!quota) return;
  out.key("quota");
  write_limits(out, *quota);
}

}  // namespace

void write_limits(JsonWriter& out, const Limits& limits) {
  out.begin_object();
  for (const LimitField& field : kLimitFields) {
    if (const auto& value = limits.*field.member) out.field(field.name, *value);
  }
  out.end_object();
}

Result<Limits> read_limits(const JsonObject& object) {
  TRY_VOID(object.check_no_unknown(
      {"requests_per_minute", "tokens_per_minute", "concurrency", "tokens_per_month", "microeur_per_month"}));
  Limits limits;
  for (const LimitField& field : kLimitFields) {
    const auto value = TRY(object.optional_int(field.name));
    if (value && *value < 0) {
      return failure(ErrorCode::kInvalidArgument, fmt::format("{}: is negative", object.path_of(field.name)));
    }
    limits.*field.member = value;
  }
  return limits;
}

Result<std::optional<Limits>> optional_limits(const JsonObject& object, std::string_view key) {
  const auto member = TRY(object.optional_object(key));
  if (!member) return std::optional<Limits>{};
  return std::optional{TRY(read_limits(*member))};
}

Result<std::optional<TimePoint>> optional_time(const JsonObject& object, std::string_view key) {
  const auto text = TRY(object.optional_string(key));
  if (!text) return std::optional<TimePoint>{};
  const auto time = parse_rfc3339(*text);
  if (!time)
    return failure(time.error().code, fmt::format("{}: {}", object.path_of(key), time.error().message));
  return std::optional{*time};
}

Result<TimePoint> required_time(const JsonObject& object, std::string_view key) {
  const auto time = TRY(optional_time(object, key));
  if (!time) return failure(ErrorCode::kInvalidArgument, fmt::format("{}: is missing", object.path_of(key)));
  return *time;
}

Result<std::int64_t> count_of(const JsonObject& object, std::string_view key) {
  const std::int64_t value = TRY(object.required_int(key));
  if (value < 0) return failure(ErrorCode::kCorrupt, fmt::format("{}: is negative", object.path_of(key)));
  return value;
}

Result<KeyDigest> digest_field(const JsonObject& in, std::string_view key) {
  const std::string text = TRY(in.required_string(key));
  KeyDigest digest{};
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  bool good = text.size() == 2 * digest.size();
  for (std::size_t i = 0; good && i < digest.size(); ++i) {
    const int high = digit(text[2 * i]);
    const int low = digit(text[2 * i + 1]);
    good = high >= 0 && low >= 0;
    digest[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  if (!good)
    return failure(ErrorCode::kCorrupt, fmt::format("{}: want 64 hexadecimal digits", in.path_of(key)));
  return digest;
}

std::string encode(const KeyPolicy& key) {
  JsonWriter out;
  out.begin_object().field("id", key.id).field("prefix", key.prefix).field("tenant", key.tenant);
  out.field("project", key.project)
      .field("digest", host::to_hex(key.digest))
      .field("role", name_of(key.role));
  out.key("limits");
  write_limits(out, key.limits);
  if (key.expires) out.field("expires", to_rfc3339(*key.expires));
  out.end_object();
  return out.take();
}

Result<KeyPolicy> parse_key(std::string_view json) {
  return parse_record("key", json, [](const JsonObject& in) -> Result<KeyPolicy> {
    TRY_VOID(
        in.check_no_unknown({"id", "prefix", "tenant", "project", "digest", "role", "limits", "expires"}));
    KeyPolicy key;
    key.id = TRY(name_field(in, "id"));
    key.prefix = TRY(in.required_string("prefix"));
    key.tenant = TRY(name_field(in, "tenant"));
    key.project = TRY(name_field(in, "project"));
    key.digest = TRY(digest_field(in, "digest"));
    const std::string role = TRY(in.required_string("role"));
    key.role = TRY(parse_role(role));
    const JsonObject limits = TRY(in.required_object("limits"));
    key.limits = TRY(read_limits(limits));
    key.expires = TRY(optional_time(in, "expires"));
    return key;
  });
}

std::string encode(const TenantPolicy& tenant) {
  JsonWriter out;
  out.begin_object().field("name", tenant.name);
  write_quota(out, tenant.quota);
  out.end_object();
  return out.take();
}

Result<TenantPolicy> parse_tenant(std::string_view json) {
  return parse_record("tenant", json, [](const JsonObject& in) -> Result<TenantPolicy> {
    TRY_VOID(in.check_no_unknown({"name", "quota"}));
    TenantPolicy tenant;
    tenant.name = TRY(name_field(in, "name"));
    tenant.quota = TRY(optional_limits(in, "quota"));
    return tenant;
  });
}

std::string encode(const ProjectPolicy& project) {
  JsonWriter out;
  out.begin_object().field("name", project.name).field("tenant", project.tenant);
  write_quota(out, project.quota);
  out.end_object();
  return out.take();
}

Result<ProjectPolicy> parse_project(std::string_view json) {
  return parse_record("project", json, [](const JsonObject& in) -> Result<ProjectPolicy> {
    TRY_VOID(in.check_no_unknown({"name", "tenant", "quota"}));
    ProjectPolicy project;
    project.name = TRY(name_field(in, "name"));
    project.tenant = TRY(name_field(in, "tenant"));
    project.quota = TRY(optional_limits(in, "quota"));
    return project;
  });
}

std::string encode(const EndpointPolicy& endpoint) {
  JsonWriter out;
  out.begin_object()
      .field("name", endpoint.name)
      .field("model", endpoint.model)
      .field("engine", endpoint.engine);
  out.field("embeds", endpoint.embeds).field("upstream_url", endpoint.upstream_url);
  out.field("upstream_model", endpoint.upstream_model).field("upstream_key", endpoint.upstream_key);
  out.field("upstream_embeds", endpoint.upstream_embeds).field("created_s", endpoint.created_s);
  out.field("max_replicas", endpoint.max_replicas).field("start_timeout_s", endpoint.start_timeout_s);
  out.field("routing", endpoint.routing).field("trouble", endpoint.trouble);
  if (!endpoint.hold.empty()) out.field("hold", endpoint.hold);
  out.end_object();
  return out.take();
}

Result<EndpointPolicy> parse_endpoint(std::string_view json) {
  return parse_record("endpoint", json, [](const JsonObject& in) -> Result<EndpointPolicy> {
    TRY_VOID(in.check_no_unknown({"name", "model", "engine", "embeds", "upstream_url", "upstream_model",
                                  "upstream_key", "upstream_embeds", "created_s", "max_replicas",
                                  "start_timeout_s", "routing", "trouble", "hold"}));
    EndpointPolicy endpoint;
    endpoint.name = TRY(name_field(in, "name"));
    endpoint.model = TRY(in.required_string("model"));
    endpoint.engine = TRY(name_field(in, "engine"));
    endpoint.embeds = TRY(in.required_bool("embeds"));
    endpoint.upstream_url = TRY(in.required_string("upstream_url"));
    endpoint.upstream_model = TRY(in.required_string("upstream_model"));
    endpoint.upstream_key = TRY(in.required_string("upstream_key"));
    endpoint.upstream_embeds = TRY(in.required_bool("upstream_embeds"));
    endpoint.created_s = TRY(count_of(in, "created_s"));
    // Absent in a copy that an earlier version left on a gateway's disk.
    const EndpointPolicy usual;
    endpoint.max_replicas =
        TRY(in.optional_int("max_replicas")) ? TRY(small_count(in, "max_replicas")) : usual.max_replicas;
    endpoint.start_timeout_s = TRY(in.optional_int("start_timeout_s")).value_or(usual.start_timeout_s);
    endpoint.routing = TRY(in.optional_string("routing")).value_or(usual.routing);
    endpoint.trouble = TRY(in.optional_string("trouble")).value_or("");
    endpoint.hold = TRY(in.optional_string("hold")).value_or("");
    return endpoint;
  });
}

std::string encode(const ReplicaPolicy& replica) {
  JsonWriter out;
  out.begin_object()
      .field("id", replica.id)
      .field("endpoint", replica.endpoint)
      .field("socket", replica.socket);
  out.field("pid", replica.pid).field("slots", replica.slots).field("context_tokens", replica.context_tokens);
  out.field("template_has_tools", replica.template_has_tools);
  out.field("template_has_reasoning", replica.template_has_reasoning).end_object();
  return out.take();
}

Result<ReplicaPolicy> parse_replica(std::string_view json) {
  return parse_record("replica", json, [](const JsonObject& in) -> Result<ReplicaPolicy> {
    TRY_VOID(in.check_no_unknown({"id", "endpoint", "socket", "pid", "slots", "context_tokens",
                                  "template_has_tools", "template_has_reasoning"}));
    ReplicaPolicy replica;
    replica.id = TRY(name_field(in, "id"));
    replica.endpoint = TRY(name_field(in, "endpoint"));
    replica.socket = TRY(name_field(in, "socket"));
    replica.pid = TRY(small_count(in, "pid"));
    replica.slots = TRY(small_count(in, "slots"));
    if (replica.slots == 0) return failure(ErrorCode::kCorrupt, "slots: is 0");
    replica.context_tokens = TRY(count_of(in, "context_tokens"));
    replica.template_has_tools = TRY(in.required_bool("template_has_tools"));
    replica.template_has_reasoning = TRY(in.required_bool("template_has_reasoning"));
    return replica;
  });
}

std::string encode(const EnvironmentPolicy& environment) {
  JsonWriter out;
  out.begin_object()
      .field("name", environment.name)
      .field("tenant", environment.tenant)
      .field("project", environment.project)
      .field("kind", environment.kind);
  out.field("state", kEnvironmentStates[static_cast<std::size_t>(environment.state)])
      .field("reason", environment.reason)
      .field("socket", environment.socket);
  out.field("secret", host::to_hex(environment.secret))
      .field("stops_at_s", environment.stops_at_s)
      .end_object();
  return out.take();
}

Result<EnvironmentPolicy> parse_environment(std::string_view json) {
  return parse_record("environment", json, [](const JsonObject& in) -> Result<EnvironmentPolicy> {
    TRY_VOID(in.check_no_unknown(
        {"name", "tenant", "project", "kind", "state", "reason", "socket", "secret", "stops_at_s"}));
    EnvironmentPolicy environment;
    environment.name = TRY(name_field(in, "name"));
    environment.tenant = TRY(name_field(in, "tenant"));
    environment.project = TRY(name_field(in, "project"));
    environment.kind = TRY(name_field(in, "kind"));
    const auto state = TRY(in.required_string("state"));
    const auto found = std::ranges::find(kEnvironmentStates, state);
    if (found == std::end(kEnvironmentStates)) {
      return failure(ErrorCode::kCorrupt, fmt::format("state: '{}' is none", state.substr(0, 32)));
    }
    environment.state = static_cast<EnvironmentState>(found - std::begin(kEnvironmentStates));
    environment.reason = TRY(in.required_string("reason"));
    environment.socket = TRY(in.required_string("socket"));
    environment.secret = TRY(digest_field(in, "secret"));
    environment.stops_at_s = TRY(count_of(in, "stops_at_s"));
    return environment;
  });
}

std::string encode(const PricePolicy& price) {
  JsonWriter out;
  out.begin_object().field("model", price.model).field("version", price.version);
  out.field("input_microeur_per_mtok", price.input_microeur_per_mtok);
  out.field("output_microeur_per_mtok", price.output_microeur_per_mtok).end_object();
  return out.take();
}

Result<PricePolicy> parse_price(std::string_view json) {
  return parse_record("price", json, [](const JsonObject& in) -> Result<PricePolicy> {
    TRY_VOID(
        in.check_no_unknown({"model", "version", "input_microeur_per_mtok", "output_microeur_per_mtok"}));
    PricePolicy price;
    price.model = TRY(name_field(in, "model"));
    price.version = TRY(count_of(in, "version"));
    price.input_microeur_per_mtok = TRY(count_of(in, "input_microeur_per_mtok"));
    price.output_microeur_per_mtok = TRY(count_of(in, "output_microeur_per_mtok"));
    return price;
  });
}

std::string encode(const SitePolicy& site) {
  JsonWriter out;
  out.begin_object()
      .field("site", site.site)
      .field("zone", site.zone)
      .field("energy_model", site.energy_model);
  out.field("basis", site.basis)
      .field("pue", site.pue)
      .field("intensity_g_per_kwh", site.intensity_g_per_kwh);
  out.field("node_idle_w", site.node_idle_w).field("node_max_w", site.node_max_w).field("cores", site.cores);
  out.end_object();
  return out.take();
}

Result<SitePolicy> parse_site(std::string_view json) {
  return parse_record("site", json, [](const JsonObject& in) -> Result<SitePolicy> {
    TRY_VOID(in.check_no_unknown({"site", "zone", "energy_model", "basis", "pue", "intensity_g_per_kwh",
                                  "node_idle_w", "node_max_w", "cores"}));
    SitePolicy site;
    site.site = TRY(in.required_string("site"));
    site.zone = TRY(in.required_string("zone"));
    site.energy_model = TRY(in.required_string("energy_model"));
    site.basis = TRY(in.required_string("basis"));
    site.pue = TRY(positive_field(in, "pue"));
    site.intensity_g_per_kwh = TRY(positive_field(in, "intensity_g_per_kwh"));
    site.node_idle_w = TRY(positive_field(in, "node_idle_w"));
    site.node_max_w = TRY(positive_field(in, "node_max_w"));
    site.cores = TRY(small_count(in, "cores"));
    if (site.cores == 0) return failure(ErrorCode::kCorrupt, "cores: is 0");
    return site;
  });
}

std::string encode(const UsedPolicy& used) {
  JsonWriter out;
  out.begin_object().field("month", used.month).field("tokens", used.tokens).field("microeur", used.microeur);
  out.end_object();
  return out.take();
}

Result<UsedPolicy> parse_used(std::string_view json) {
  return parse_record("used", json, [](const JsonObject& in) -> Result<UsedPolicy> {
    TRY_VOID(in.check_no_unknown({"month", "tokens", "microeur"}));
    UsedPolicy used;
    used.month = TRY(small_count(in, "month"));
    used.tokens = TRY(count_of(in, "tokens"));
    used.microeur = TRY(count_of(in, "microeur"));
    return used;
  });
}

std::string encode(const DrainPolicy& drain) {
  JsonWriter out;
  out.begin_object().field("through", drain.through).end_object();
  return out.take();
}

Result<DrainPolicy> parse_drain(std::string_view json) {
  return parse_record("drained", json, [](const JsonObject& in) -> Result<DrainPolicy> {
    TRY_VOID(in.check_no_unknown({"through"}));
    return DrainPolicy{.through = TRY(count_of(in, "through"))};
  });
}

}  // namespace millrace::identity
