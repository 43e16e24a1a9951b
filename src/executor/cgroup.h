// Cgroup: limits on a tree of processes, with whichever cgroup version this host offers.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>

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

  /// Moves one process in; its later children are in as well. The kernel waits for all processors to pass by: about 10 ms.
  Result<void> add(pid_t pid) const;

  /// Moves the calling thread in, and back to where it was: what it forks in between is in the group, without that wait.
  /// False, and nothing is moved, where the kernel has no such way (v2).
  bool enter() const;
  void leave() const;

  /// Changes the share of processors; limits() tells it from then on. kUnavailable, with the reason, if this group has
  /// no say in it.
  Result<void> set_cpu(std::int64_t cpu_millis);

  /// What all its processes used so far, the ended ones too.
  struct Usage {
    std::optional<std::int64_t> cpu_time_us;
    std::int64_t memory_peak_bytes = 0;  // 0: unknown
    std::int64_t oom_kills = 0;          // processes that were killed because the group's memory was used up
  };
  Usage usage() const;

  /// Removes the folders; processes in it must have ended. Repeats for up to 200 ms while the kernel still counts them.
  void remove() const;

  /// Removes what a killed supervisor left of the group `name`; nothing if there is none or it has processes.
  static void remove_named(const std::string& name, const std::string& proc = "/proc");

  /// What holds.
  const Limits& limits() const { return limits_; }

 private:
  const std::string* folder_of(const std::string& controller) const;

  std::map<std::string, std::string> folders_;  // by controller; v2 has one, under ""
  std::map<std::string, std::string> homes_;    // by controller: the creator's own group
  Limits limits_;
};

/// What can hold a workload here, tried with a group that is removed again: memory, processor time and processes.
Limits limits_here(const std::string& proc = "/proc");

/// The group's name for the workload whose state lies in `folder`.
std::string cgroup_name(const std::string& folder);

}  // namespace millrace::executor
