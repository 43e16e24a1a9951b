// Choice of a replica for one request: a pure function of what is known of each replica's load and cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace millrace::routing {

/// What is known of one replica when a request comes. `requests` counts those in work and those waiting in the replica's
/// own queue. Both counts of blocks are in one unit, the caller's: prompt blocks, or a finer one such as tokens; below 2^50.
struct ReplicaLoad {
  bool ready = false;              // takes new requests; false while it starts, drains or is unhealthy
  std::int64_t slots = 1;          // requests that it works on at once
  std::int64_t requests = 0;       // sent to it and not ended
  std::int64_t queued_blocks = 0;  // work of those requests that is not done yet
  std::int64_t cached_blocks = 0;  // leading blocks of this prompt that it need not compute; 0: not known
  std::int64_t queue_bound = 0;    // requests that may wait there beyond its slots
};

/// A missing block is paid twice, by the request that waits until it is computed and by the one behind it; a queued block
/// was charged when it came and is only waited for. On the Mooncake conversation trace a weight of 2 gives more hits and no
/// longer waits than 1 at every load that was tried (src/routing/README.md).
inline constexpr std::int64_t kMissingWeight = 2;

/// Index of the replica that gets the next request; nullopt if none may take it (answer 503 or wait).
/// Lowest cost wins, ties go to the lowest index, with
///   cost = missing_weight x (prompt blocks that the replica has not cached) + blocks queued there.
/// (The prompt's length is the same for all, so the function does not need it.) Longest prefix alone would send everything
/// to one replica where all prompts share a preamble; here its queue soon outweighs that. A free slot comes before any
/// queue: the rule chooses among ready replicas with a free slot; if there is none, among those below their queue bound.
std::optional<std::size_t> choose_replica(std::span<const ReplicaLoad> replicas,
                                          std::int64_t missing_weight = kMissingWeight);

}  // namespace millrace::routing
