// Launch: starts a sandbox and listens to its first process.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "executor/sandbox.h"
#include "host/fd.h"

namespace millrace::executor {

struct Launched {
  pid_t bwrap = 0;  // our child; it ends with the sandbox
  host::Fd output;  // what the workload writes, non-blocking
  host::Fd channel;
};

/// `archive` is a host path, or empty. kNotFound if it cannot be opened.
Result<Launched> launch(const Sandbox& sandbox, const std::string& archive);

/// A file in memory with these bytes, to be read from its beginning.
Result<host::Fd> memory_file(std::string_view bytes);

/// What a process of the sandbox said (inside/channel.h), and its pid here.
struct InsideMessage {
  char what = 0;
  std::string text;
  pid_t sender = 0;
};
/// nullopt if there is none now, or the other side is gone.
std::optional<InsideMessage> receive_inside(int channel);
void send_inside(int channel, char what);

/// A process that can be signalled and waited for without a doubt which one it is.
host::Fd process_handle(pid_t pid);
void signal_process(const host::Fd& handle, int number);
/// True once it has ended.
bool wait_ended(const host::Fd& handle, int timeout_ms);

}  // namespace millrace::executor
