// Gateway: the inference data plane of one process, on one event loop.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/clock.h"
#include "core/rng.h"
#include "gateway/context.h"
#include "host/log.h"
#include "identity/key.h"
#include "ledger/journal.h"
#include "net/http_server.h"
#include "net/loop.h"
#include "net/tls.h"

namespace millrace::gateway {

struct GatewayOptions {
  net::ListenAddress listen;
  /// Path of a unix socket (mode 0600) with the same routes in plain HTTP, whatever `listen` speaks: for workloads, whose
  /// supervisors pass their connections to it. Empty: none.
  std::string workload_socket = {};
  std::size_t max_workload_connections = 1'000;  // beside max_connections
  std::string server_socket;                     // the control API's unix socket
  std::string feed_socket;                       // the policy feed's
  std::string policy_copy;                       // file that keeps the last policy
  std::chrono::seconds max_stale{std::chrono::hours{24}};
  std::uint64_t max_body_bytes = 16 << 20;
  std::size_t max_connections = 10'000;
  std::string environment_domain = "localhost";  // environments are NAME.<this>; nothing else may be below it
};

/// Everything borrowed must outlive the gateway. Loop thread.
class Gateway {
 public:
  struct Parts {
    net::Loop& loop;
    const Clock& clock;
    Rng& id_rng;
    const identity::Pepper& pepper;
    ledger::Journal& journal;
    host::Logger& log;
    Adapters adapters;
    CpuReader cpu_reader;
    std::shared_ptr<net::TlsContext> tls;           // null: plain HTTP
    std::shared_ptr<net::TlsContext> upstream_tls;  // client context for https upstreams
  };

  /// Listens and connects to the feed. kInvalidArgument if a route has no policy (invariant I4).
  static Result<std::unique_ptr<Gateway>> create(Parts parts, const GatewayOptions& options);
  virtual ~Gateway() = default;

  virtual std::uint16_t port() const = 0;
  /// No new connections; requests in work go on, with Connection: close.
  virtual void drain() = 0;
  virtual std::size_t exchanges() const = 0;
};

/// The part of the OpenAPI document that describes /v1: a JSON object with the member "paths".
std::string openapi_fragment();

}  // namespace millrace::gateway
