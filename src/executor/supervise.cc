#include "executor/supervise.h"

#include <fmt/format.h>
#include <unistd.h>

#include "executor/supervisor.h"
#include "host/file.h"

namespace millrace::executor {

int supervise_main(const std::string& folder) {
  const auto done = Supervisor::run(folder);
  if (done) return 0;
  // The folder's log is where whoever started us looks; stderr is for a person who ran it by hand.
  const std::string line = fmt::format("supervise {}: {}\n", folder, done.error().message);
  (void)host::write_all(STDERR_FILENO, line);
  (void)host::write_file_atomic(folder + "/error", line, 0600);
  return 1;
}

}  // namespace millrace::executor
