#include "host/limits.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <limits>

namespace millrace::host {

Result<OpenFiles> raise_open_files() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return std::unexpected(errno_error("read the open file limit", errno));
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
    return std::unexpected(errno_error("raise the open file limit", errno));
  const auto clamp = [](rlim_t value) {
    return static_cast<std::int64_t>(std::min<rlim_t>(value, std::numeric_limits<std::int64_t>::max()));
  };
  return OpenFiles{clamp(limit.rlim_cur), clamp(limit.rlim_max)};
}

}  // namespace millrace::host
