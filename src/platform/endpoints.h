// Endpoints: stable names that requests are sent to, served by replicas of a local engine or by an upstream.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/result.h"
#include "identity/page.h"
#include "identity/policy.h"
#include "platform/models.h"
#include "store/store.h"

namespace millrace::platform {

struct Endpoint {
  std::string name;
  std::string engine;  // "llama": replicas of `model` here; "openai": an upstream
  std::string model;   // what is priced and metered: a model's name; of an upstream, its upstream_model
  std::int32_t min_replicas = 1,
               max_replicas = 1;  // llama: the load decides between them; both 0: none for now
  bool embeds = false;            // llama: answers embeddings instead of generating
  std::int64_t context = 0, slots = 0, threads = 0;  // llama: of one replica; 0 is the default
  std::int64_t idle_s = 0, first_token_ms = 0, start_timeout_s = 0;  // llama; control/desired.h
  std::string routing;                                               // llama: "cost", "round-robin"
  std::string spread;                                                // llama: scheduler::kSpreadNames
  std::string upstream_url;    // openai: http(s)://host[:port][/prefix], without a trailing slash
  std::string upstream_model;  // openai: the name it is known by there
  bool has_upstream_key = false;
  bool upstream_embeds = false;  // openai: answers embeddings too
  std::int64_t changes = 0;      // made to it since its creation
  TimePoint created_at{};
};

/// How a local endpoint is served; what is absent stays as it is, or gets its default.
struct EndpointSettings {
  std::optional<std::int64_t> replicas = {};  // the same as both bounds
  std::optional<std::int64_t> min_replicas = {}, max_replicas = {};
  std::optional<std::string> model = {};
  std::optional<std::int64_t> context = {}, slots = {}, threads = {}, idle_s = {}, first_token_ms = {},
                              start_timeout_s = {};
  std::optional<std::string> routing = {}, spread = {};
  bool operator==(const EndpointSettings&) const = default;
};

/// Give `model`, or `upstream_url`; not both.
struct EndpointRequest {
  std::string name;
  std::string model;
  EndpointSettings settings = {};  // without a model; for an upstream without anything
  bool embeds = false;
  std::string upstream_url, upstream_model;  // empty model: the endpoint's own name
  std::string upstream_key;                  // secret; kept in the store, never shown again
  bool upstream_embeds = false;
};

/// Every method is safe from any thread, and durable on return.
class Endpoints {
 public:
  static constexpr std::int32_t kMaxReplicas = 64;

  /// All are borrowed and outlive this.
  Endpoints(store::Store& store, const Clock& clock, const Models& models);

  /// kInvalidArgument naming the field; kNotFound if there is no such model; kConflict if the model is not ready or
  /// the name is taken.
  Result<Endpoint> create(const EndpointRequest& request);
  Result<Endpoint> show(std::string_view name) const;
  Result<Page<Endpoint>> list(std::size_t limit, std::string_view after = {}) const;
  /// kInvalidArgument naming the field, and for an upstream; kNotFound, kConflict of a model as for create. A change of
  /// what a running engine cannot change (model, context, slots, threads) replaces its replicas one after the other.
  Result<Endpoint> change(std::string_view name, const EndpointSettings& settings);
  /// Its replicas drain; what uses the name afterwards gets a 404.
  Result<void> remove(std::string_view name);
  /// What gateways are told: every endpoint, ordered by name, upstream keys included.
  Result<std::vector<identity::EndpointPolicy>> policies() const;

 private:
  store::Store& store_;
  const Clock& clock_;
  const Models& models_;
};

/// kInvalidArgument naming what is wrong unless `url` is http or https with a host, no user, no query, no fragment and
/// a port of 1 to 65535 where there is one. Answers it without trailing slashes.
Result<std::string> check_upstream_url(std::string_view url);

}  // namespace millrace::platform
