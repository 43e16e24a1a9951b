// Replica: one running engine, as the layers above see it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/clock.h"

namespace millrace::serving {

enum class ReplicaState : std::uint8_t {
  kStarting,  // the engine reads its model; back-off before a restart counts as starting
  kReady,     // answers
  kDraining,  // finishes what it has; gets nothing new
  kStopping,
  kStopped,
  kFailed,     // ended or never became ready; a restart is due at `retry_at`
  kCrashLoop,  // ended too often: stays down until its endpoint is changed
};
constexpr const char* name_of(ReplicaState state) {
  switch (state) {
    case ReplicaState::kStarting:
      return "starting";
    case ReplicaState::kReady:
      return "ready";
    case ReplicaState::kDraining:
      return "draining";
    case ReplicaState::kStopping:
      return "stopping";
    case ReplicaState::kStopped:
      return "stopped";
    case ReplicaState::kFailed:
      return "failed";
    case ReplicaState::kCrashLoop:
      return "crash_loop";
  }
  return "unknown";
}

/// What a replica is made from.
struct ReplicaSpec {
  std::string id = {};  // "<endpoint>-<ordinal>"
  std::string endpoint = {};
  std::string model = {};       // name the engine gives in its answers
  std::string model_file = {};  // GGUF; readable for others, since the engine runs as nobody
  std::int64_t context = 0;     // tokens in all slots together; 0: default
  std::int64_t slots = 0;       // requests at once; 0: default
  std::int64_t threads = 0;     // 0: as many as `cpus`
  bool embeds = false;
  std::string spread =
      "none";                  // "node", "rack", "rail": apart from the others of its endpoint and generation
  std::vector<int> cpus = {};  // pinned to these
  std::string generation = {};  // changes whenever the replica must be made anew
  bool operator==(const ReplicaSpec&) const = default;
};

struct ReplicaStatus {
  std::string id = {}, endpoint = {}, model = {};
  ReplicaState state = ReplicaState::kStarting;
  std::string reason = {};  // for people: why it is not ready; empty if it is
  std::string socket = {};  // host path of the engine's unix socket
  int engine_pid = 0;       // for reading CPU time; 0 if not running
  int supervisor_pid = 0;
  std::int64_t slots = 0;
  std::int64_t context_tokens = 0;  // of one slot; 0 until known
  bool template_has_tools = false;
  bool template_has_reasoning = false;
  bool embeds = false;
  std::vector<int> cpus = {};
  std::string limits_kind = {};  // "cgroup-v2", "cgroup-v1", "rlimits"
  std::int64_t memory_limit_bytes = 0;
  std::int64_t restarts = 0;  // since this server took it over
  TimePoint started_at{};
  TimePoint retry_at{};  // kFailed: when it is tried again
  bool operator==(const ReplicaStatus&) const = default;
};

}  // namespace millrace::serving
