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
#include "identity/policy.h"
#include "net/url.h"

namespace millrace::gateway {

/// CPU time a process has used, in nanoseconds; nullopt if it is gone or may not be asked.
using CpuReader = std::function<std::optional<std::int64_t>(std::int32_t pid)>;

/// One replica, or an upstream as a whole. Outlives its place in the policy while requests run on it.
struct Replica {
  explicit Replica(const energy::LinearPowerModel& model) : meter(model) {}

  std::string id, endpoint;
  net::Upstream address;  // where to send
  std::int32_t pid = 0;   // 0: no CPU time, so energy is unknown
  std::int64_t slots = 1;
  engine::Target target;
  bool gone = false;  // no longer in the policy: gets no new requests

  std::int64_t requests = 0;     // sent and not ended
  std::int64_t queued_work = 0;  // tokens those may still take
  energy::Apportioner meter;
};

/// One thread.
class ReplicaPool {
 public:
  /// `tls` is for https upstreams.
  ReplicaPool(CpuReader cpu_reader, std::shared_ptr<net::TlsContext> tls)
      : cpu_reader_(std::move(cpu_reader)), tls_(std::move(tls)) {}

  /// Brings the pool in line with the policy. Replicas that stay keep their load and meter.
  void apply(const identity::PolicyView& policy);

  /// The replica of `endpoint` that the routing rule picks, `avoid` only if there is no other; null if none may take
  /// a request.
  std::shared_ptr<Replica> choose(std::string_view endpoint, const Replica* avoid = nullptr) const;

  /// True if the endpoint has a replica at all, busy or not.
  bool has_replica(std::string_view endpoint) const;

  /// Reads the replica's CPU time into its meter. False if it cannot be read (energy unknown).
  bool read_cpu(Replica& replica) const;

  const std::map<std::string, std::shared_ptr<Replica>, std::less<>>& replicas() const { return replicas_; }

 private:
  void rebuild_index();

  CpuReader cpu_reader_;
  const std::shared_ptr<net::TlsContext> tls_;
  std::map<std::string, std::shared_ptr<Replica>, std::less<>> replicas_;                  // by id
  std::map<std::string, std::vector<std::shared_ptr<Replica>>, std::less<>> by_endpoint_;  // in order of id
};

}  // namespace millrace::gateway
