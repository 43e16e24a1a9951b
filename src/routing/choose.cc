#include "routing/choose.h"

namespace millrace::routing {
namespace {

enum class Room { kNone, kQueue, kSlot };

Room room_at(const ReplicaLoad& replica) {
  if (!replica.ready || replica.requests < 0) return Room::kNone;
  if (replica.requests < replica.slots) return Room::kSlot;
  // requests >= slots here, so the difference cannot overflow for slots >= 0.
  return replica.slots >= 0 && replica.requests - replica.slots < replica.queue_bound ? Room::kQueue
                                                                                      : Room::kNone;
}

/// The cost without the prompt's length, which is the same for all.
std::int64_t cost_at(const ReplicaLoad& replica, std::int64_t missing_weight) {
  return replica.queued_blocks - missing_weight * replica.cached_blocks;
}

}  // namespace

std::optional<std::size_t> choose_replica(std::span<const ReplicaLoad> replicas,
                                          std::int64_t missing_weight) {
  std::optional<std::size_t> best;
  std::int64_t best_cost = 0;
  Room best_room = Room::kNone;
  for (std::size_t index = 0; index < replicas.size(); ++index) {
    const Room room = room_at(replicas[index]);
    if (room == Room::kNone || room < best_room) continue;
    const std::int64_t cost = cost_at(replicas[index], missing_weight);
    if (room > best_room || cost < best_cost) {
      best = index;
      best_cost = cost;
      best_room = room;
    }
  }
  return best;
}

}  // namespace millrace::routing
