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

}  // namespace

std::optional<std::size_t> choose_replica(std::span<const ReplicaLoad> replicas) {
  std::optional<std::size_t> best;
  Room best_room = Room::kNone;
  for (std::size_t index = 0; index < replicas.size(); ++index) {
    const Room room = room_at(replicas[index]);
    if (room == Room::kNone || room < best_room) continue;
    if (room > best_room || replicas[index].queued_work < replicas[*best].queued_work) {
      best = index;
      best_room = room;
    }
  }
  return best;
}

}  // namespace millrace::routing
