// Sandbox: the bubblewrap command line that a workload runs under, and what its first process is told.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "executor/executor.h"
#include "host/fd.h"

namespace millrace::executor {

/// User and group of a workload whose supervisor is root. 65534 is "nobody" everywhere; processes of it in one
/// sandbox cannot see those in another (own pid namespace).
inline constexpr int kSandboxUid = 65534;

/// A descriptor that bwrap or the first process is given: of a file with this content, or of what is open already.
struct SandboxFile {
  int fd = 0;  // its number in bwrap
  std::string bytes = {};
  host::Fd open = {};
};

/// What is given to bwrap. All of the command line but the program's name is in `files`, so that no process list shows
/// an environment or a secret.
struct Sandbox {
  static constexpr int kChannelFd = 3, kArchiveFd = 4;
  std::vector<std::string> argv;
  std::vector<SandboxFile> files;
};

/// Of a root other than "/" all folders but its proc, dev, sys, tmp, run and data are taken; of "/" only /usr and what
/// links into it. kNotFound if the root or a mount's source is absent; kDenied if a symbolic link lies where none may.
Result<Sandbox> make_sandbox(const WorkloadSpec& spec, const std::string& data_dir, bool as_root,
                             bool unpack);

/// The program that is the first process of every sandbox (inside/sandbox_init.cc).
std::string_view sandbox_init();

/// Makes a folder that a workload can be given as a writable mount: mode 0700, owned by the sandbox's user. Parents that
/// are missing are made with mode 0700, for the caller alone. One that is there gets this owner and mode, but not what
/// is in it.
Result<void> make_sandbox_folder(const std::string& path);

}  // namespace millrace::executor
