// Sandbox: the bubblewrap command line that a workload runs under.
#pragma once

#include <string>
#include <vector>

#include "executor/executor.h"

namespace millrace::executor {

/// User and group of a workload whose supervisor is root. 65534 is "nobody" everywhere; processes of it in one
/// sandbox cannot see those in another (own pid namespace).
inline constexpr int kSandboxUid = 65534;

struct SandboxOptions {
  std::string bwrap = "bwrap";
  bool as_root = false;  // the supervisor is root: the workload becomes kSandboxUid by setpriv inside
  int info_fd = 3;       // bwrap writes the sandbox's first pid here
  int block_fd = 4;      // the workload is executed when this can be read
};

/// Only /usr and what links into it are taken from the root, so that mount points can be made anywhere. kNotFound if
/// the root, a mount's source or setpriv (where needed) is absent.
Result<std::vector<std::string>> sandbox_argv(const WorkloadSpec& spec, const std::string& data_dir,
                                              const SandboxOptions& options);

}  // namespace millrace::executor
