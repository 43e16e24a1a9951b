// ProcessUse: what a tree of processes takes, read from /proc, where no control group counts it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "host/fd.h"

namespace millrace::executor {

struct TreeUse {
  std::vector<pid_t> processes;
  std::int64_t threads = 0;  // of all of them; no more are counted than was asked for
  std::int64_t memory_bytes =
      0;  // at most so much: what several share counts for each; what lies in files does not
  std::int64_t cpu_time_us = 0;  // of those that ended and were waited for, too
};

/// Of `root` and its descendants. What starts or ends meanwhile may be missed.
TreeUse tree_use(pid_t root, std::int64_t threads_max = 1 << 20);

/// What they have in memory together: what several share counts once. Costs a walk over their page tables. Pages of files
/// do not count, those of `scratch` (the memory of file systems in memory that they write to) do.
std::int64_t shared_memory_use(const std::vector<pid_t>& processes, std::int64_t scratch);

/// The file systems in memory of a sandbox, /tmp and /dev/shm.
class ScratchUse {
 public:
  ScratchUse() = default;
  /// Of the sandbox whose first process this is; what cannot be opened counts nothing.
  explicit ScratchUse(pid_t init);
  std::int64_t bytes() const;

 private:
  std::vector<host::Fd> folders_;
};

/// Whether RLIMIT_NPROC counts the processes of a user namespace alone, as it does since Linux 5.14.
bool counts_processes_by_namespace(const std::string& release);

}  // namespace millrace::executor
