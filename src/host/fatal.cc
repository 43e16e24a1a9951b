#include "host/fatal.h"

#include <unistd.h>

#include <cstdlib>
#include <string>

#include "host/file.h"

namespace millrace::host {

void fatal(std::string_view what) {
  std::string line = "millrace: fatal: ";
  line.append(what).push_back('\n');
  [[maybe_unused]] const auto ignored = write_all(STDERR_FILENO, line);
  std::abort();
}

}  // namespace millrace::host
