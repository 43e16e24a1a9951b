// Loop: the thread that brings what runs to what should run.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/replica_admission.h"
#include "control/replica_status.h"
#include "control/scaling.h"
#include "core/clock.h"
#include "core/result.h"
#include "executor/executor.h"
#include "serving/engine_install.h"
#include "serving/probe.h"
#include "store/store.h"

namespace millrace::control {

struct LoopOptions {
  serving::EngineInstall engine;
  std::vector<int> cpus;   // processors of this node that engines may use (accel)
  std::int64_t fence = 0;  // of Store::take_fence
  std::chrono::milliseconds resync{5000};
  ReplicaAdmission* admission = nullptr;  // null: everything is admitted
  /// Whether one more replica fits beside what runs now; null: always. Asked before a rollout goes beyond what is wanted.
  std::function<bool(const serving::ReplicaSpec&)> has_room = {};
};

/// Owns the control thread.
class Loop : public ReplicaView {
 public:
  using Listener = std::function<void(const std::vector<ReplicaStatus>&)>;

  /// Adopts what is running already, so that observed() holds it on return, then goes on by itself. `listener` is called
  /// from the control thread after each change of observed(), and once at the start; it must not block. Everything passed in must outlive the loop.
  static Result<std::unique_ptr<Loop>> start(LoopOptions options, store::Store& store,
                                             executor::Executor& executor, serving::Prober& prober,
                                             const Clock& clock, Listener listener);

  /// What gateways report, all of them together; nullopt: none is connected. Any thread; returns at once.
  virtual void set_load(std::optional<EndpointLoads> loads) = 0;

  /// The admission may answer otherwise now. Any thread.
  virtual void wake() = 0;

  /// Ends the thread and leaves the replicas running. Also done by the destructor.
  virtual void stop() = 0;

  /// stop(), then ends every replica and waits for it, at most `patience`. kTimeout if some are left.
  virtual Result<void> stop_with_replicas(std::chrono::milliseconds patience) = 0;
};

}  // namespace millrace::control
