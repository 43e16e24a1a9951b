// Policy: the values that the server pushes to every gateway, and all that a gateway needs to admit a request.
// A policy is a set of named records; a message sets some and deletes some, or replaces them all.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/clock.h"
#include "core/result.h"

namespace millrace::identity {

enum class Role { kPlatformAdmin, kOperator, kAuditor, kTenantAdmin, kDeveloper, kViewer };

/// "platform-admin", "operator", "auditor", "tenant-admin", "developer", "viewer".
std::string_view name_of(Role role);
Result<Role> parse_role(std::string_view text);

/// Absent means: no limit of that kind here. Months are calendar months, UTC.
struct Limits {
  std::optional<std::int64_t> requests_per_minute = {}, tokens_per_minute = {}, concurrency = {},
                              tokens_per_month = {}, microeur_per_month = {};
  bool operator==(const Limits&) const = default;
};

/// HMAC-SHA256 of a key's text under the installation's pepper.
using KeyDigest = std::array<std::uint8_t, 32>;

struct KeyPolicy {  // record "key/<id>"
  std::string id, prefix, tenant, project;
  KeyDigest digest{};
  Role role = Role::kDeveloper;
  Limits limits;
  std::optional<TimePoint> expires;
};
struct TenantPolicy {  // "tenant/<name>"; no quota: nothing may run (invariant I4)
  std::string name;
  std::optional<Limits> quota;
};
struct ProjectPolicy {  // "project/<name>"; no quota of its own: the tenant's alone applies
  std::string name, tenant;
  std::optional<Limits> quota;
};
struct EndpointPolicy {  // "endpoint/<name>"
  std::string name, model;
  std::string engine;        // adapter name: "llama" or "openai"
  bool embeds = false;       // answers /v1/embeddings only; else it generates only
  std::string upstream_url;  // "openai" only: http(s)://host[:port][/prefix]
  std::string upstream_model;
  std::string upstream_key;            // secret
  bool upstream_embeds = false;        // an upstream may do both
  std::int64_t created_s = 0;          // Unix time
  std::int32_t max_replicas = 1;       // local: how many it may have; 0: none is wanted
  std::int64_t start_timeout_s = 120;  // local: how long a request waits for a replica
  std::string routing = "cost";        // local: "cost", "round-robin"
  std::string trouble;                 // local: why none will start by itself; empty: one may
  std::string hold;  // local: why one that is wanted is not there yet; for callers of any tenant
};
struct ReplicaPolicy {  // "replica/<id>"; only those that may get requests
  std::string id, endpoint;
  std::string socket;               // path of the engine's unix socket
  std::int32_t pid = 0;             // the engine's process, for CPU time; 0 is unknown
  std::int32_t slots = 1;           // requests it serves at once
  std::int64_t context_tokens = 0;  // of one slot
  bool template_has_tools = false, template_has_reasoning = false;
};
enum class EnvironmentState : std::uint8_t { kStopped, kStarting, kRunning };
struct EnvironmentPolicy {  // "environment/<name>"; reached under the host name NAME.<domain>
  std::string name, tenant, project;
  std::string kind;  // "jupyter" or "shell"
  EnvironmentState state = EnvironmentState::kStopped;
  std::string reason;           // why it is in this state; for people
  std::string socket;           // path of its unix socket while it runs
  KeyDigest secret{};           // seals its passes
  std::int64_t stops_at_s = 0;  // Unix time at which it is stopped unless it is used; 0: not soon
};
struct PricePolicy {  // "price/<model>": the version in force
  std::string model;
  std::int64_t version = 0;  // 0: no price was set, everything costs 0
  std::int64_t input_microeur_per_mtok = 0, output_microeur_per_mtok = 0;
};
struct SitePolicy {                             // "site"
  std::string site, zone, energy_model, basis;  // basis "measured" or "modelled"
  double pue = 1.0, intensity_g_per_kwh = 0.0, node_idle_w = 0.0, node_max_w = 0.0;
  std::int32_t cores = 1;
};
struct
    UsedPolicy {  // "used/key/<id>", "used/project/<name>", "used/tenant/<name>": this month, from the ledger
  std::int32_t month = 0;
  std::int64_t tokens = 0, microeur = 0;
};
struct DrainPolicy {  // "drained/<journal id>": settlements up to this number are inside the `used` records
  std::int64_t through = 0;
};

/// One message of the feed, as it travels (JSON, one line):
/// {"version":7,"full":false,"set":{"tenant/default":{...}},"del":["key/k_..."]}
struct PolicyChange {
  std::int64_t version = 0;
  bool full = false;
  std::map<std::string, std::string> set;  // record name -> JSON object text
  std::vector<std::string> del;
};
std::string encode(const PolicyChange& change);
Result<PolicyChange> decode_change(std::string_view line);

// Each record's JSON text; parse_* answers kCorrupt naming the field.
std::string encode(const KeyPolicy&);
Result<KeyPolicy> parse_key(std::string_view json);
std::string encode(const TenantPolicy&);
Result<TenantPolicy> parse_tenant(std::string_view json);
std::string encode(const ProjectPolicy&);
Result<ProjectPolicy> parse_project(std::string_view json);
std::string encode(const EndpointPolicy&);
Result<EndpointPolicy> parse_endpoint(std::string_view json);
std::string encode(const ReplicaPolicy&);
Result<ReplicaPolicy> parse_replica(std::string_view json);
std::string encode(const EnvironmentPolicy&);
Result<EnvironmentPolicy> parse_environment(std::string_view json);
std::string encode(const PricePolicy&);
Result<PricePolicy> parse_price(std::string_view json);
std::string encode(const SitePolicy&);
Result<SitePolicy> parse_site(std::string_view json);
std::string encode(const UsedPolicy&);
Result<UsedPolicy> parse_used(std::string_view json);
std::string encode(const DrainPolicy&);
Result<DrainPolicy> parse_drain(std::string_view json);

/// The records, indexed for use. One thread at a time. Pointers stay valid until the next `apply`.
class PolicyView {
 public:
  /// Applies all of the change or nothing; kCorrupt if a record does not parse, kConflict if the version goes back.
  Result<void> apply(const PolicyChange& change);
  std::int64_t version() const { return version_; }
  /// Everything as one full change, for the copy on disk.
  PolicyChange snapshot() const;

  const KeyPolicy* key_by_digest(const KeyDigest& digest) const;
  const KeyPolicy* key(std::string_view id) const;
  const TenantPolicy* tenant(std::string_view name) const;
  const ProjectPolicy* project(std::string_view name) const;
  const EndpointPolicy* endpoint(std::string_view name) const;
  const PricePolicy* price(std::string_view model) const;
  const UsedPolicy* used(std::string_view scope) const;  // "key/<id>", ...
  const DrainPolicy* drained(std::string_view journal) const;
  const SitePolicy& site() const { return site_; }
  const std::map<std::string, EndpointPolicy, std::less<>>& endpoints() const { return endpoints_; }
  const std::map<std::string, ReplicaPolicy, std::less<>>& replicas() const { return replicas_; }
  const EnvironmentPolicy* environment(std::string_view name) const;
  const std::map<std::string, EnvironmentPolicy, std::less<>>& environments() const { return environments_; }

 private:
  struct DigestHash {
    std::size_t operator()(const KeyDigest& digest) const;
  };
  struct Put;
  void drop(std::string_view record);

  std::int64_t version_ = 0;
  std::map<std::string, std::string, std::less<>> records_;  // as received, for snapshot()
  std::unordered_map<KeyDigest, std::string, DigestHash> key_ids_;
  std::map<std::string, KeyPolicy, std::less<>> keys_;
  std::map<std::string, TenantPolicy, std::less<>> tenants_;
  std::map<std::string, ProjectPolicy, std::less<>> projects_;
  std::map<std::string, EndpointPolicy, std::less<>> endpoints_;
  std::map<std::string, ReplicaPolicy, std::less<>> replicas_;
  std::map<std::string, EnvironmentPolicy, std::less<>> environments_;
  std::map<std::string, PricePolicy, std::less<>> prices_;
  std::map<std::string, UsedPolicy, std::less<>> used_;
  std::map<std::string, DrainPolicy, std::less<>> drained_;
  SitePolicy site_;
};

}  // namespace millrace::identity
