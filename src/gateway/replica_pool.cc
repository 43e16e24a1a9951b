#include "gateway/replica_pool.h"

#include <array>

#include "routing/choose.h"
#include "routing/prompt_blocks.h"

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
  // Another process has cached nothing.
  if (replica.pid != policy.pid || replica.cache.capacity() == 0 ||
      replica.target.context_tokens != policy.context_tokens || replica.slots != policy.slots) {
    replica.cache = routing::PrefixCache(policy.slots * policy.context_tokens,
                                         routing::block_tokens_for(policy.context_tokens));
  }
  replica.address = net::Upstream::unix_socket(policy.socket);
  replica.pid = policy.pid;
  replica.slots = policy.slots;
  replica.target.host = "localhost";
  replica.target.context_tokens = policy.context_tokens;
  replica.target.template_has_tools = policy.template_has_tools;
  replica.target.template_has_reasoning = policy.template_has_reasoning;
}

/// In the order in which chat templates put them: a difference late in the conversation leaves what precedes it alike.
void add_prompt(const engine::Request& request, routing::PromptBlocks& blocks) {
  for (const auto& tool : request.tools) {
    blocks.add(tool.name);
    blocks.add(tool.description);
    blocks.add(tool.parameters);
  }
  for (const auto& message : request.messages) {
    const char role = static_cast<char>('0' + static_cast<int>(message.role));
    blocks.add({&role, 1});
    for (const auto& part : message.content) blocks.add(part.value);
    for (const auto& call : message.tool_calls) {
      blocks.add(call.name);
      blocks.add(call.arguments);
    }
  }
  for (const auto& prompt : request.prompts) blocks.add(prompt);
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
  rebuild_index(policy);
}

void ReplicaPool::rebuild_index(const identity::PolicyView& policy) {
  std::map<std::string, Group, std::less<>> groups;
  for (const auto& [id, replica] : replicas_) groups[replica->endpoint].replicas.push_back(replica);
  for (auto& [name, group] : groups) {
    const auto* endpoint = policy.endpoint(name);
    group.in_turn = endpoint != nullptr && endpoint->routing == "round-robin";
    if (const auto before = by_endpoint_.find(name); before != by_endpoint_.end())
      group.next = before->second.next;
  }
  by_endpoint_ = std::move(groups);
}

Prompt ReplicaPool::prompt_of(const identity::EndpointPolicy& endpoint,
                              const engine::Request& request) const {
  Prompt prompt;
  if (!endpoint.upstream_url.empty() || endpoint.max_replicas < 2) return prompt;
  const auto group = by_endpoint_.find(endpoint.name);
  if (group == by_endpoint_.end()) return prompt;
  prompt.block_tokens = routing::block_tokens_for(group->second.replicas.front()->target.context_tokens);
  routing::PromptBlocks blocks(prompt.block_tokens * routing::kBytesPerToken);
  add_prompt(request, blocks);
  prompt.blocks = blocks.hashes();
  return prompt;
}

std::int64_t ReplicaPool::note_sent(Replica& replica, const Prompt& prompt) const {
  const auto hit = static_cast<std::int64_t>(replica.cache.longest_prefix(prompt.blocks));
  replica.routed.hit += hit;
  replica.routed.miss += std::ssize(prompt.blocks) - hit;
  replica.cache.insert(prompt.blocks);
  return hit * prompt.block_tokens;
}

std::int64_t ReplicaPool::count(std::string_view endpoint) const {
  const auto it = by_endpoint_.find(endpoint);
  return it == by_endpoint_.end() ? 0 : std::ssize(it->second.replicas);
}

std::shared_ptr<Replica> ReplicaPool::choose(std::string_view endpoint, const Prompt& prompt, bool may_queue,
                                             const Replica* avoid) {
  const auto it = by_endpoint_.find(endpoint);
  if (it == by_endpoint_.end()) return nullptr;
  Group& group = it->second;
  const auto& candidates = group.replicas;
  if (candidates.size() == 1) {
    const auto& only = candidates.front();
    const auto most = only->slots * (1 + (may_queue ? kQueueBoundPerSlot : 0));
    return only->requests < most ? only : nullptr;
  }
  std::vector<routing::ReplicaLoad> loads;
  loads.reserve(candidates.size());
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const auto& replica = candidates[(group.next + i) % candidates.size()];
    const auto held = group.in_turn ? 0 : replica->cache.longest_prefix(prompt.blocks);
    loads.push_back({.ready = replica.get() != avoid,
                     .slots = replica->slots,
                     .requests = replica->requests,
                     .queued_blocks = group.in_turn ? 0 : replica->queued_work,  // both in tokens
                     .cached_blocks = static_cast<std::int64_t>(held) * prompt.block_tokens,
                     .queue_bound = may_queue ? replica->slots * kQueueBoundPerSlot : 0});
  }
  const auto chosen = routing::choose_replica(loads);
  if (!chosen) return nullptr;
  const std::size_t at = (group.next + *chosen) % candidates.size();
  // All costs are alike in turn, and ties go to the first: the one whose turn it is, or the next that has room.
  if (group.in_turn) group.next = (at + 1) % candidates.size();
  return candidates[at];
}

bool ReplicaPool::read_cpu(Replica& replica) const {
  if (replica.pid <= 0) return false;
  const auto cpu_ns = cpu_reader_(replica.pid);
  if (cpu_ns) replica.meter.read_cpu(*cpu_ns);
  return cpu_ns.has_value();
}

}  // namespace millrace::gateway
