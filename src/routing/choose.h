// Choice of a replica for one request: a pure function of what is known of each replica's load.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace millrace::routing {

/// What the gateway knows of one replica. `requests` counts those in work and those waiting in the replica's own queue.
struct ReplicaLoad {
  bool ready = false;            // takes new requests; false while it starts, drains or is unhealthy
  std::int64_t slots = 1;        // requests that it works on at once
  std::int64_t requests = 0;     // sent to it and not ended
  std::int64_t queued_work = 0;  // tokens of prompt and output that those requests may still take
  std::int64_t queue_bound = 0;  // requests that may wait there beyond its slots
};

/// Index of the replica that gets the next request; nullopt if none may take it (answer 503 or wait).
/// A free slot comes before any queue: among ready replicas with a free slot the one with least queued work; if none has a
/// free slot, the same among ready replicas whose queue is below its bound. Ties go to the lowest index.
std::optional<std::size_t> choose_replica(std::span<const ReplicaLoad> replicas);

}  // namespace millrace::routing
