#include "gateway/replica_pool.h"

#include <array>
#include <charconv>

#include "routing/choose.h"

namespace millrace::gateway {
namespace {

/// Requests that may wait at a replica for each of its slots. A remote upstream keeps its own queue.
constexpr std::int64_t kQueueBoundPerSlot = 16;
constexpr std::int64_t kUpstreamSlots = 1'000'000;

energy::LinearPowerModel model_of(const identity::SitePolicy& site) {
  return {.idle_w = site.node_idle_w, .max_w = site.node_max_w, .cores = site.cores, .pue = site.pue};
}

void set_upstream(Replica& replica, const identity::EndpointPolicy& endpoint) {
  std::string_view url = endpoint.upstream_url;
  replica.upstream_tls = url.starts_with("https://");
  url.remove_prefix(std::min(url.size(), url.find("://") + 3));
  const auto slash = url.find('/');
  std::string_view authority = url.substr(0, slash);
  replica.target.path_prefix = slash == std::string_view::npos ? "" : std::string(url.substr(slash));
  while (replica.target.path_prefix.ends_with('/')) replica.target.path_prefix.pop_back();
  replica.target.host = std::string(authority);
  replica.upstream_port = replica.upstream_tls ? 443 : 80;
  const auto bracket = authority.rfind(']');
  const auto colon = authority.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    const auto port = authority.substr(colon + 1);
    std::from_chars(port.data(), port.data() + port.size(), replica.upstream_port);
    authority = authority.substr(0, colon);
  }
  if (authority.starts_with('[') && authority.ends_with(']')) authority = authority.substr(1, authority.size() - 2);
  replica.upstream_host = std::string(authority);
  replica.slots = kUpstreamSlots;
  replica.target.model = endpoint.upstream_model;
  replica.target.api_key = endpoint.upstream_key;
}

void set_local(Replica& replica, const identity::ReplicaPolicy& policy) {
  replica.socket = policy.socket;
  replica.pid = policy.pid;
  replica.slots = policy.slots;
  replica.target.host = "localhost";
  replica.target.context_tokens = policy.context_tokens;
  replica.target.template_has_tools = policy.template_has_tools;
  replica.target.template_has_reasoning = policy.template_has_reasoning;
}

}  // namespace

void ReplicaPool::apply(const identity::PolicyView& policy) {
  const auto model = model_of(policy.site());
  std::map<std::string, std::shared_ptr<Replica>, std::less<>> next;
  const auto keep_or_make = [&](const std::string& id, const std::string& endpoint) -> Replica& {
    const auto it = replicas_.find(id);
    auto replica = it != replicas_.end() ? it->second : std::make_shared<Replica>(model);
    replica->id = id;
    replica->endpoint = endpoint;
    return *next.emplace(id, std::move(replica)).first->second;
  };
  for (const auto& [id, replica] : policy.replicas()) set_local(keep_or_make(id, replica.endpoint), replica);
  for (const auto& [name, endpoint] : policy.endpoints()) {
    if (endpoint.engine == "openai") set_upstream(keep_or_make("upstream/" + name, name), endpoint);
  }
  for (auto& [id, replica] : replicas_) {
    if (!next.contains(id)) replica->gone = true;
  }
  replicas_ = std::move(next);
  rebuild_index();
}

void ReplicaPool::rebuild_index() {
  by_endpoint_.clear();
  for (const auto& [id, replica] : replicas_) by_endpoint_[replica->endpoint].push_back(replica);
}

bool ReplicaPool::has_replica(std::string_view endpoint) const { return by_endpoint_.contains(endpoint); }

std::shared_ptr<Replica> ReplicaPool::choose(std::string_view endpoint, const Replica* avoid) const {
  const auto it = by_endpoint_.find(endpoint);
  if (it == by_endpoint_.end()) return nullptr;
  const auto& candidates = it->second;
  if (candidates.size() == 1) {
    const auto& only = candidates.front();
    return only->requests < only->slots * (1 + kQueueBoundPerSlot) ? only : nullptr;
  }
  std::vector<routing::ReplicaLoad> loads;
  loads.reserve(candidates.size());
  for (const auto& replica : candidates) {
    loads.push_back({.ready = replica.get() != avoid,
                     .slots = replica->slots,
                     .requests = replica->requests,
                     .queued_work = replica->queued_work,
                     .queue_bound = replica->slots * kQueueBoundPerSlot});
  }
  const auto chosen = routing::choose_replica(loads);
  return chosen ? candidates[*chosen] : nullptr;
}

bool ReplicaPool::read_cpu(Replica& replica) const {
  if (replica.pid <= 0) return false;
  const auto cpu_ns = cpu_reader_(replica.pid);
  if (cpu_ns) replica.meter.read_cpu(*cpu_ns);
  return cpu_ns.has_value();
}

}  // namespace millrace::gateway
