// Processes: start, run to the end, detach, recognise, and read what CPU time they used.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/result.h"

namespace millrace::host {

struct ProcessSpec {
  std::vector<std::string> argv = {};                // argv[0] is looked up on PATH if it holds no '/'
  std::optional<std::vector<std::string>> env = {};  // "NAME=value"; absent: this process's own
  std::string cwd = {};                              // empty: this process's
  int stdin_fd = -1, stdout_fd = -1,
      stderr_fd = -1;  // -1: /dev/null; the caller keeps (and closes) its own copy
  std::vector<std::pair<int, int>> pass_fds =
      {};  // (ours, its number in the child, 3 or more); no other fd is passed
  bool new_session = false;
  bool die_with_parent = false;  // SIGKILL when the starting thread ends: call from a thread that stays
};

/// Starts the program; its pid. On success the program has been executed: one that is absent or not executable is an
/// error here. Signal mask and dispositions are reset. The caller reaps it.
Result<pid_t> spawn(const ProcessSpec& spec);

/// Starts it in a session of its own, child of nobody here (init or the nearest subreaper adopts and reaps it).
Result<pid_t> spawn_daemon(ProcessSpec spec);

struct ProcessOutput {
  int exit_code = 0;  // 128 + signal number if a signal ended it
  std::string out, err;
};

/// Runs to the end and collects both outputs; what exceeds `max_output` bytes of each is dropped. kTimeout after
/// killing its process group. stdin is spec.stdin_fd; stdout_fd and stderr_fd of the spec are ignored.
Result<ProcessOutput> run_process(ProcessSpec spec, std::chrono::milliseconds timeout,
                                  std::size_t max_output = 1u << 20);

/// Exit code as a shell tells it, from waitpid's status: 128 + signal number if a signal ended it.
int exit_code_of(int wait_status);

/// Start of a process in clock ticks since boot: (pid, start) names a process even after its pid was used again.
/// kNotFound if there is no such process or it is a zombie.
Result<std::int64_t> process_start_ticks(pid_t pid);

/// CPU time (user and system, all threads) that a process has used so far. kNotFound if it is gone.
Result<std::chrono::nanoseconds> process_cpu_time(pid_t pid);

}  // namespace millrace::host
