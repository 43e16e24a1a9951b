// EngineCommand: the workload that a replica is: command line from an allow-list, mounts, limits.
#pragma once

#include "core/result.h"
#include "executor/executor.h"
#include "serving/engine_install.h"
#include "serving/replica.h"

namespace millrace::serving {

inline constexpr std::int64_t kChatSlots = 4;
inline constexpr std::int64_t kChatContext = 8192;   // divided among the slots
inline constexpr std::int64_t kEmbedContext = 1024;  // an input must fit into one batch
inline constexpr const char* kEngineSocket = "engine.sock";

/// The spec with its defaults filled in. kInvalidArgument naming what is out of range: slots 1 to 256, context 128 to
/// 1,048,576 and at least 64 a slot, threads 1 to 512, model a name or path of at most 200 printable bytes.
Result<ReplicaSpec> complete(ReplicaSpec spec);

/// Input must be complete. kNotFound if the model file is absent; kDenied if others may not read it, where the engine
/// runs as another user. The labels carry the whole spec.
Result<executor::WorkloadSpec> workload_of(const ReplicaSpec& spec, const EngineInstall& engine);

/// Whether one more such replica fits into the memory that is free now. An estimate: the model's file, 32 KiB a token of
/// context (a 7-billion-parameter model with grouped attention has 128, one of 135 million 23), and 256 MiB.
bool has_room(const ReplicaSpec& spec);

/// The spec back from a workload's labels. kCorrupt if they are not those of a replica.
Result<ReplicaSpec> spec_from_labels(const std::string& id, const std::map<std::string, std::string>& labels);

}  // namespace millrace::serving
