// Context: what every request of one gateway works on. One thread: the gateway's loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/rng.h"
#include "engine/adapter.h"
#include "gateway/endpoint_use.h"
#include "gateway/limiter.h"
#include "gateway/metrics.h"
#include "gateway/replica_pool.h"
#include "gateway/wait_room.h"
#include "host/log.h"
#include "identity/key.h"
#include "identity/policy.h"
#include "ledger/journal.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "net/tls.h"

namespace millrace::gateway {

class Job;

/// Adapters by name ("llama", "openai"); borrowed.
using Adapters = std::map<std::string, const engine::Adapter*, std::less<>>;

struct Context {
  Context(net::Loop& loop_, net::HttpClient& client_, const Clock& clock_, Rng& id_rng_,
          const identity::Pepper& pepper_, ledger::Journal& journal_, host::Logger& log_, Adapters adapters_,
          CpuReader cpu_reader, std::shared_ptr<net::TlsContext> upstream_tls)
      : loop(loop_),
        client(client_),
        clock(clock_),
        id_rng(id_rng_),
        pepper(pepper_),
        journal(journal_),
        log(log_),
        adapters(std::move(adapters_)),
        pool(std::move(cpu_reader), std::move(upstream_tls)),
        room(loop_, [this] { load_changed(); }) {}

  net::Loop& loop;
  net::HttpClient& client;
  const Clock& clock;
  Rng& id_rng;  // for request ids, which are not secret
  const identity::Pepper& pepper;
  ledger::Journal& journal;
  host::Logger& log;
  const Adapters adapters;
  identity::PolicyView policy;
  ReplicaPool pool;
  WaitRoom room;
  std::map<std::string, EndpointUse, std::less<>> use;  // by endpoint; local ones that were asked
  std::function<void()> load_changed = [] {};           // tells the server soon
  Limiter limiter;
  Metrics metrics;
  std::vector<Job*> jobs;  // in work, in no order; each knows its index
  std::uint64_t next_meter_key = 1;
  bool admitting = false;  // a policy is there and is not too old
};

}  // namespace millrace::gateway
