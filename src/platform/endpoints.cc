#include "platform/endpoints.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "control/desired.h"
#include "control/work.h"
#include "core/id.h"
#include "host/json.h"

namespace millrace::platform {
namespace {

using control::DesiredEndpoint;
using control::kEndpointPrefix;

constexpr std::string_view kLlama = "llama";
constexpr std::string_view kUpstream = "openai";
constexpr std::size_t kMaxTextBytes = 4096;

/// The record: what control reads, and beside it in the same object what only gateways need.
struct Stored {
  DesiredEndpoint desired;
  std::string upstream_url, upstream_model, upstream_key;
  bool upstream_embeds = false;
};

std::string record_key(std::string_view name) { return std::string(kEndpointPrefix) + std::string(name); }

std::string encode(const Stored& stored) {
  std::string json = control::to_json(stored.desired);
  if (stored.desired.engine != kUpstream) return json;
  host::JsonWriter more;
  more.begin_object()
      .field("upstream_url", stored.upstream_url)
      .field("upstream_model", stored.upstream_model);
  more.field("upstream_key", stored.upstream_key)
      .field("upstream_embeds", stored.upstream_embeds)
      .end_object();
  json.back() = ',';  // both are objects with members: the second goes on where the first ends
  return json + more.text().substr(1);
}

Result<Stored> read_stored(std::string_view json) {
  Stored stored;
  stored.desired = TRY(control::parse_desired(json));
  if (stored.desired.engine != kUpstream) return stored;
  const auto value = TRY(host::parse_json(json, {.max_depth = 8, .max_bytes = 1u << 20}));
  const auto in = TRY(host::JsonObject::of(value));
  stored.upstream_url = TRY(in.required_string("upstream_url"));
  stored.upstream_model = TRY(in.required_string("upstream_model"));
  stored.upstream_key = TRY(in.required_string("upstream_key"));
  stored.upstream_embeds = TRY(in.required_bool("upstream_embeds"));
  return stored;
}

Result<Stored> parse_stored(std::string_view json) {
  auto stored = read_stored(json);
  if (stored) return stored;
  return failure(ErrorCode::kCorrupt, "endpoint record: " + stored.error().message);
}

Endpoint shown(const Stored& stored) {
  return {.name = stored.desired.name,
          .engine = stored.desired.engine,
          .model = stored.desired.model,
          .min_replicas = static_cast<std::int32_t>(stored.desired.min_replicas),
          .max_replicas = static_cast<std::int32_t>(stored.desired.max_replicas),
          .embeds = stored.desired.embeds,
          .context = stored.desired.context,
          .slots = stored.desired.slots,
          .threads = stored.desired.threads,
          .idle_s = stored.desired.idle_s,
          .first_token_ms = stored.desired.first_token_ms,
          .start_timeout_s = stored.desired.start_timeout_s,
          .routing = stored.desired.routing,
          .spread = stored.desired.spread,
          .upstream_url = stored.upstream_url,
          .upstream_model = stored.upstream_model,
          .has_upstream_key = !stored.upstream_key.empty(),
          .upstream_embeds = stored.upstream_embeds,
          .changes = stored.desired.changes,
          .created_at = stored.desired.created_at};
}

identity::EndpointPolicy policy_of(const Stored& stored) {
  const DesiredEndpoint& desired = stored.desired;
  const auto created = std::chrono::floor<std::chrono::seconds>(desired.created_at.time_since_epoch());
  return {.name = desired.name,
          .model = desired.model,
          .engine = desired.engine,
          .embeds = desired.embeds,
          .upstream_url = stored.upstream_url,
          .upstream_model = stored.upstream_model,
          .upstream_key = stored.upstream_key,
          .upstream_embeds = stored.upstream_embeds,
          .created_s = std::max<std::int64_t>(created.count(), 0),
          .max_replicas = static_cast<std::int32_t>(desired.max_replicas),
          .start_timeout_s = desired.start_timeout_s,
          .routing = desired.routing,
          .trouble = {},
          .hold = {}};
}

Result<Endpoint> parse_shown(std::string_view json) { return shown(TRY(parse_stored(json))); }

std::unexpected<Error> bad(std::string_view what) {
  return failure(ErrorCode::kInvalidArgument, std::string(what));
}

struct Bound {
  std::string_view field;
  std::optional<std::int64_t> EndpointSettings::* given;
  std::int64_t DesiredEndpoint::* kept;
  std::int64_t least, most;
};
// Of context, slots and threads 0 is "the default", which is how one goes back to it.
constexpr Bound kBounds[] = {
    {"max_replicas", &EndpointSettings::max_replicas, &DesiredEndpoint::max_replicas, 0,
     Endpoints::kMaxReplicas},
    {"min_replicas", &EndpointSettings::min_replicas, &DesiredEndpoint::min_replicas, 0,
     Endpoints::kMaxReplicas},
    {"context", &EndpointSettings::context, &DesiredEndpoint::context, 0, 1 << 20},
    {"slots", &EndpointSettings::slots, &DesiredEndpoint::slots, 0, 256},
    {"threads", &EndpointSettings::threads, &DesiredEndpoint::threads, 0, 512},
    {"idle_s", &EndpointSettings::idle_s, &DesiredEndpoint::idle_s, 1, 604'800},
    {"first_token_ms", &EndpointSettings::first_token_ms, &DesiredEndpoint::first_token_ms, 0, 3'600'000},
    {"start_timeout_s", &EndpointSettings::start_timeout_s, &DesiredEndpoint::start_timeout_s, 1, 3'600},
};

Result<void> check_bound(std::string_view field, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value >= least && value <= most) return {};
  return bad(fmt::format("{}: must be from {} to {}, found {}", field, least, most, value));
}

/// The settings but for the model.
Result<void> apply(const EndpointSettings& settings, DesiredEndpoint& desired) {
  if (settings.replicas) {
    if (settings.min_replicas || settings.max_replicas)
      return bad("replicas: stands for both min_replicas and max_replicas; give one or the other");
    TRY_VOID(check_bound("replicas", *settings.replicas, 0, Endpoints::kMaxReplicas));
    desired.min_replicas = desired.max_replicas = *settings.replicas;
  }
  for (const Bound& bound : kBounds) {
    const auto& given = settings.*bound.given;
    if (!given) continue;
    TRY_VOID(check_bound(bound.field, *given, bound.least, bound.most));
    desired.*bound.kept = *given;
  }
  if (desired.min_replicas > desired.max_replicas) {
    return bad(fmt::format("min_replicas: must not be above max_replicas, found {} and {}",
                           desired.min_replicas, desired.max_replicas));
  }
  const std::int64_t slots = desired.slots > 0 ? desired.slots : 1;
  if (desired.context > 0 && desired.context / slots < 64)
    return bad(fmt::format("context: must be at least 64 for each slot, found {}", desired.context));
  if (settings.routing) {
    if (*settings.routing != "cost" && *settings.routing != "round-robin")
      return bad("routing: must be cost or round-robin");
    desired.routing = *settings.routing;
  }
  if (settings.spread) {
    if (!scheduler::parse_spread(*settings.spread)) return bad("spread: must be none, node, rack or rail");
    desired.spread = *settings.spread;
  }
  return {};
}

/// Written again unchanged, so that a removal of the model that has looked for endpoints already fails.
Result<void> hold_model(const store::Store& store, const std::string& name, store::Transaction& change) {
  const std::string key = std::string(kModelPrefix) + name;
  const auto model = TRY(store.find(key));
  if (!model) return {};
  change.expect.push_back({key, model->revision});
  change.put.push_back({key, model->value});
  return {};
}

/// Goes into an HTTP header, or into JSON: printable ASCII, bounded.
Result<void> check_text(std::string_view field, std::string_view text) {
  const bool good =
      text.size() <= kMaxTextBytes && std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
  if (good) return {};
  return bad(
      fmt::format("{}: want at most {} bytes of printable ASCII without spaces", field, kMaxTextBytes));
}

Result<Stored> upstream_of(const EndpointRequest& request) {
  if (!request.model.empty()) return bad("model: an endpoint has either a model or an upstream_url");
  if (request.settings != EndpointSettings{})
    return bad("replicas: an upstream has none, and no settings of them");
  if (request.embeds) return bad("embeds: say upstream_embeds for an upstream");
  Stored stored;
  stored.upstream_url = TRY(check_upstream_url(request.upstream_url));
  TRY_VOID(check_text("upstream_model", request.upstream_model));
  TRY_VOID(check_text("upstream_key", request.upstream_key));
  stored.upstream_model = request.upstream_model.empty() ? request.name : request.upstream_model;
  stored.upstream_key = request.upstream_key;
  stored.upstream_embeds = request.upstream_embeds;
  stored.desired.engine = kUpstream;
  stored.desired.model = stored.upstream_model;
  stored.desired.min_replicas = stored.desired.max_replicas = 0;
  return stored;
}

Result<Stored> local_of(const EndpointRequest& request, const Models& models) {
  if (request.model.empty()) return bad("model: give a model, or an upstream_url");
  if (!request.upstream_model.empty() || !request.upstream_key.empty() || request.upstream_embeds) {
    return bad("upstream_url: is missing, but other upstream settings are there");
  }
  Stored stored;
  if (request.settings.max_replicas && !request.settings.min_replicas)
    stored.desired.min_replicas = std::min<std::int64_t>(1, *request.settings.max_replicas);
  if (request.settings.min_replicas && !request.settings.max_replicas)
    stored.desired.max_replicas = std::max<std::int64_t>(1, *request.settings.min_replicas);
  TRY_VOID(apply(request.settings, stored.desired));
  stored.desired.engine = kLlama;
  stored.desired.model = request.model;
  stored.desired.model_file = TRY(models.file_of(request.model));
  stored.desired.embeds = request.embeds;
  return stored;
}

}  // namespace

Endpoints::Endpoints(store::Store& store, const Clock& clock, const Models& models)
    : store_(store), clock_(clock), models_(models) {}

Result<Endpoint> Endpoints::create(const EndpointRequest& request) {
  if (!is_name(request.name)) {
    return bad("name: want 1 to 63 of a-z, 0-9, '.' and '-', starting and ending with a letter or digit");
  }
  store::Transaction change;
  if (request.upstream_url.empty()) TRY_VOID(hold_model(store_, request.model, change));
  Stored stored = request.upstream_url.empty() ? TRY(local_of(request, models_)) : TRY(upstream_of(request));
  stored.desired.name = request.name;
  stored.desired.created_at = clock_.now();
  const std::string key = record_key(request.name);
  const auto taken = failure(ErrorCode::kConflict, fmt::format("endpoint '{}' exists already", request.name));
  if (TRY(store_.find(key))) return taken;
  change.expect.push_back({key, 0});
  change.put.push_back({key, encode(stored)});
  const auto done = store_.commit(std::move(change));
  if (done) return shown(stored);
  if (done.error().code != ErrorCode::kConflict) return std::unexpected(done.error());
  return failure(
      ErrorCode::kConflict,
      fmt::format("endpoint '{}' or its model was changed in this moment; try again", request.name));
}

namespace {
Result<store::Record> must_get(const store::Store& store, std::string_view name) {
  auto record = store.get(record_key(name));
  if (!record && record.error().code == ErrorCode::kNotFound) {
    return failure(ErrorCode::kNotFound, fmt::format("there is no endpoint '{}'", name.substr(0, 64)));
  }
  return record;
}
}  // namespace

Result<Endpoint> Endpoints::show(std::string_view name) const {
  const auto record = TRY(must_get(store_, name));
  return parse_shown(record.value);
}

Result<Page<Endpoint>> Endpoints::list(std::size_t limit, std::string_view after) const {
  return identity::page_of<Endpoint>(store_, kEndpointPrefix, limit, after, parse_shown,
                                     [](const Endpoint&) { return true; });
}

Result<Endpoint> Endpoints::change(std::string_view name, const EndpointSettings& settings) {
  for (;;) {
    const auto record = TRY(must_get(store_, name));
    Stored stored = TRY(parse_stored(record.value));
    if (stored.desired.engine == kUpstream)
      return bad("replicas: an upstream has none, and no settings of them");
    TRY_VOID(apply(settings, stored.desired));
    ++stored.desired.changes;
    store::Transaction change;
    if (settings.model && *settings.model != stored.desired.model) {
      TRY_VOID(hold_model(store_, *settings.model, change));
      stored.desired.model_file = TRY(models_.file_of(*settings.model));
      stored.desired.model = *settings.model;
    }
    change.expect.push_back({record.key, record.revision});
    change.put.push_back({record.key, encode(stored)});
    const auto done = store_.commit(std::move(change));
    if (done) return shown(stored);
    if (done.error().code != ErrorCode::kConflict) return std::unexpected(done.error());
  }
}

Result<void> Endpoints::remove(std::string_view name) {
  for (;;) {
    const auto record = TRY(must_get(store_, name));
    const auto done =
        store_.commit({.expect = {{record.key, record.revision}}, .put = {}, .erase = {record.key}});
    if (done) return {};
    if (done.error().code != ErrorCode::kConflict) return std::unexpected(done.error());
  }
}

Result<std::vector<identity::EndpointPolicy>> Endpoints::policies() const {
  std::vector<identity::EndpointPolicy> all;
  std::string after;
  for (;;) {
    const auto records = TRY(store_.list(kEndpointPrefix, after, identity::kScanRecords));
    for (const store::Record& record : records) all.push_back(policy_of(TRY(parse_stored(record.value))));
    if (records.size() < identity::kScanRecords) return all;
    after = records.back().key;
  }
}

}  // namespace millrace::platform
