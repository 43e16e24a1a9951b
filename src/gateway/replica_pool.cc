#include "gateway/replica_pool.h"

#include <array>

#include "routing/choose.h"

namespace millrace::gateway {
namespace {

/// Requests that may wait at a replica for each of its slots. A remote upstream keeps its own queue.
constexpr std::int64_t kQueueBoundPerSlot = 16;
constexpr std::int64_t kUpstreamSlots = 1'000'000;

energy::LinearPowerModel model_of(const identity::SitePolicy& site) {
  return {.idle_w = site.node_idle_w, .max_w = site.node_max_w, .cores = site.cores, .pue = site.pue};
}

/// An endpoint's URL was checked when it was created; one that does not parse is never reached.
void set_upstream(Replica& replica, const identity::EndpointPolicy& endpoint,
                  const std::shared_ptr<net::TlsContext>& tls) {
  if (const auto url = net::parse_url(endpoint.upstream_url)) {
    replica.address = url->upstream(tls);
    replica.target.path_prefix = url->target;
    while (replica.target.path_prefix.ends_with('/')) replica.target.path_prefix.pop_back();
    replica.target.host = replica.address.host_header();
  }
  replica.slots = kUpstreamSlots;
  replica.target.model = endpoint.upstream_model;
  replica.target.api_key = endpoint.upstream_key;
}

void set_local(Replica& replica, const identity::ReplicaPolicy& policy) {
  replica.address = net::Upstream::unix_socket(policy.socket);
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
    if (endpoint.engine == "openai") set_upstream(keep_or_make("upstream/" + name, name), endpoint, tls_);
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
                     .queued_blocks = replica->queued_work,  // in tokens
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
