// ReplicaPool: the gateway's view of what can answer: each replica's load, energy meter and address.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "energy/apportion.h"
#include "engine/adapter.h"
#include "engine/request.h"
#include "identity/policy.h"
#include "net/url.h"
#include "routing/prefix_cache.h"

namespace millrace::gateway {

/// CPU time a process has used, in nanoseconds; nullopt if it is gone or may not be asked.
using CpuReader = std::function<std::optional<std::int64_t>(std::int32_t pid)>;

/// The prompt of one request as its endpoint's replicas may have it cached; empty where nothing is to be gained.
struct Prompt {
  std::vector<routing::BlockHash> blocks;
  std::int64_t block_tokens = 1;
};

/// Blocks that were sent where they were held already, by the model of the cache, and others.
struct RoutedBlocks {
  std::int64_t hit = 0, miss = 0;
};

/// One replica, or an upstream as a whole. Outlives its place in the policy while requests run on it.
struct Replica {
  explicit Replica(const energy::LinearPowerModel& model) : meter(model), cache(0) {}

  std::string id, endpoint;
  net::Upstream address;  // where to send
  std::int32_t pid = 0;   // 0: no CPU time, so energy is unknown
  std::int64_t slots = 1;
  engine::Target target;
  bool gone = false;  // no longer in the policy: gets no new requests

  std::int64_t requests = 0;     // sent and not ended
  std::int64_t queued_work = 0;  // tokens those may still take
  energy::Apportioner meter;
  routing::PrefixCache
      cache;  // as its engine's is thought to be: all slots' contexts together, oldest blocks first out
  RoutedBlocks routed;
};

/// One thread.
class ReplicaPool {
 public:
  /// `tls` is for https upstreams.
  ReplicaPool(CpuReader cpu_reader, std::shared_ptr<net::TlsContext> tls)
      : cpu_reader_(std::move(cpu_reader)), tls_(std::move(tls)) {}

  /// Brings the pool in line with the policy. Replicas that stay keep their load and meter.
  void apply(const identity::PolicyView& policy);

  /// What `request` asks of the endpoint, in blocks. Empty for an upstream and where there is never a choice.
  Prompt prompt_of(const identity::EndpointPolicy& endpoint, const engine::Request& request) const;

  /// The replica of `endpoint` that the routing rule picks, `avoid` only if there is no other; null if none may take a request. Without
  /// `may_queue` only one that has a free slot.
  std::shared_ptr<Replica> choose(std::string_view endpoint, const Prompt& prompt, bool may_queue,
                                  const Replica* avoid = nullptr);

  /// The prompt goes there: notes hits and misses, and that its blocks are held from now on. Tokens it need not compute.
  std::int64_t note_sent(Replica& replica, const Prompt& prompt) const;

  /// Replicas of the endpoint, busy or not.
  std::int64_t count(std::string_view endpoint) const;

  /// Reads the replica's CPU time into its meter. False if it cannot be read (energy unknown).
  bool read_cpu(Replica& replica) const;

  const std::map<std::string, std::shared_ptr<Replica>, std::less<>>& replicas() const { return replicas_; }

 private:
  void rebuild_index(const identity::PolicyView& policy);

  CpuReader cpu_reader_;
  const std::shared_ptr<net::TlsContext> tls_;
  std::map<std::string, std::shared_ptr<Replica>, std::less<>> replicas_;  // by id
  struct Group {
    std::vector<std::shared_ptr<Replica>> replicas;  // in order of id
    bool in_turn = false;                            // routing "round-robin"
    std::size_t next = 0;                            // whose turn it is
  };
  std::map<std::string, Group, std::less<>> by_endpoint_;
};

}  // namespace millrace::gateway
