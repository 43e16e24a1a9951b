// What the layers above see of replicas: they may not know serving or executor.
#pragma once

#include <string>
#include <vector>

#include "core/result.h"
#include "serving/replica.h"

namespace millrace::control {

using serving::name_of;
using ReplicaState = serving::ReplicaState;
using ReplicaStatus = serving::ReplicaStatus;

/// How many replicas an endpoint has been given, and why.
struct ServiceStatus {
  std::string endpoint;
  std::int64_t wanted = 0;   // between its bounds, as its load asks
  std::int64_t waiting = 0;  // requests that wait at gateways for a replica
  std::int64_t changes = 0;  // DesiredEndpoint::changes of the record that this follows
  std::string reason = {};   // for people; empty if there is nothing left to do
  bool operator==(const ServiceStatus&) const = default;
};

/// A piece of an engine's output. Offsets count all bytes it ever wrote; the oldest are dropped at 16 MiB, so `from`
/// may be above what was asked for. `text` may end inside a line or a character; `next` is where to go on.
struct ReplicaLog {
  std::int64_t from = 0;
  std::string text;
  std::int64_t next = 0;
};

/// Every method is safe from any thread.
class ReplicaView {
 public:
  virtual ~ReplicaView() = default;
  /// Ordered by id. A copy: never blocks on an engine.
  virtual std::vector<ReplicaStatus> observed() const = 0;
  /// Ordered by endpoint; those that control has seen. A copy.
  virtual std::vector<ServiceStatus> services() const = 0;
  /// `from` below 0 counts from the end. At most `max` bytes. kNotFound if there is no such replica.
  virtual Result<ReplicaLog> log(const std::string& replica, std::int64_t from, std::size_t max) = 0;
};

}  // namespace millrace::control
