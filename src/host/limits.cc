#include "host/limits.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

namespace millrace::host {
namespace {

/// sched_setattr(2); the kernel's header does not go together with the C library's.
struct SchedulingAttributes {
  std::uint32_t size = sizeof(SchedulingAttributes);
  std::uint32_t policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime_ns = 0, deadline_ns = 0, period_ns = 0;
};
static_assert(sizeof(SchedulingAttributes) == 48);

}  // namespace

void run_in_background() {
  SchedulingAttributes wanted;
  wanted.policy = SCHED_BATCH;
  wanted.nice = ::getpriority(PRIO_PROCESS, 0);
  wanted.runtime_ns = 100'000;  // the shortest slice there is
  // A refusal (a sandbox's filter) costs latency under load, nothing else.
  static_cast<void>(::syscall(SYS_sched_setattr, 0, &wanted, 0));
}

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
