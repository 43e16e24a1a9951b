// Cgroup: limits on a tree of processes, with whichever cgroup version this host offers.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "executor/executor.h"

namespace millrace::executor {

/// The folders of one workload's group: one under v2, one for each controller under v1.
class Cgroup {
 public:
  /// Makes the group `name` ("millrace-<...>") with these limits, first under v2, then under v1. kUnavailable says why
  /// neither can be had; nothing is left behind then. A group of this name that is there is taken over.
  /// `proc` is "/proc", or a copy of its self/mountinfo and self/cgroup in tests.
  static Result<Cgroup> create(const std::string& name, const Resources& resources,
                               const std::string& proc = "/proc");

  /// Moves one process in; its later children are in as well.
  Result<void> add(pid_t pid) const;

  /// Removes the folders; processes in it must have ended. Repeats for up to 200 ms while the kernel still counts them.
  void remove() const;

  /// Removes what a killed supervisor left of the group `name`; nothing if there is none or it has processes.
  static void remove_named(const std::string& name, const std::string& proc = "/proc");

  /// What holds.
  const Limits& limits() const { return limits_; }

 private:
  std::vector<std::string> folders_;
  Limits limits_;
};

/// The group's name for the workload whose state lies in `folder`.
std::string cgroup_name(const std::string& folder);

}  // namespace millrace::executor
