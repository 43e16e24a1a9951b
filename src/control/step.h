// Step: what is wanted and what is there in, what to do out. Pure: no clock, no I/O, no state.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "core/clock.h"
#include "serving/replicas.h"

namespace millrace::control {

struct StepLimits {
  std::chrono::seconds start{300};      // to become ready: a large model is read from a slow disk
  std::chrono::seconds silence{30};     // of a ready engine's probe
  std::chrono::seconds drain_least{1};  // so that gateways have learnt of the drain
  std::chrono::seconds drain{60};       // at most, for requests in work
  std::chrono::seconds stop{10};        // then it is killed
};

struct Action {
  enum class Kind : std::uint8_t { kStart, kDrain, kStop, kRemove } kind = Kind::kStart;
  std::string id;
  serving::ReplicaSpec spec = {};  // kStart
  std::string why = {};            // kStop
  bool failed = false;             // kStop: counts as a failure of the replica
  bool operator==(const Action&) const = default;
};

struct StepResult {
  std::vector<Action> actions;  // at most one for each id, ordered by id
  MonotonicPoint
      look_again{};  // the earliest time at which another answer is due; MonotonicPoint::max() if none
};

/// `wanted` by id (rollout.h).
StepResult step(const std::map<std::string, serving::ReplicaSpec>& wanted,
                const std::map<std::string, serving::Replica>& there, MonotonicPoint now,
                const StepLimits& limits = {});

}  // namespace millrace::control
