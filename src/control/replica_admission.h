// ReplicaAdmission: the port through which something else (the scheduler) decides which replicas may run.
#pragma once

#include <map>
#include <set>
#include <string>

#include "serving/replica.h"

namespace millrace::control {

/// Called from the replicas' control thread; must not block. A change of mind is told by Loop::wake().
class ReplicaAdmission {
 public:
  virtual ~ReplicaAdmission() = default;

  /// Of `wanted`, those that may run now. All of `wanted` is passed at each pass: what is missing there is wished no more.
  /// `running`: ids that are there and have not ended, adopted ones after a restart included; one of them that is not
  /// admitted is drained and stopped, and still counts as running until ended() was called.
  virtual std::set<std::string> admitted(const std::map<std::string, serving::ReplicaSpec>& wanted,
                                         const std::set<std::string>& running) = 0;

  /// Why it is not admitted, for people. Asked right after admitted().
  virtual std::string reason(const std::string& id) = 0;

  /// It was admitted or running, and is gone for good or never came: its resources are free. An engine that ended by itself
  /// and will be started again keeps them. Once for each admission.
  virtual void ended(const std::string& id) = 0;
};

}  // namespace millrace::control
