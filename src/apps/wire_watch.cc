// The watcher: keeps server and gateway running on one machine, as a service manager would.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fcntl.h>
#include <algorithm>
#include <array>
#include <csignal>
#include <ctime>

#include "apps/installation.h"
#include "apps/roles.h"
#include "host/log.h"
#include "host/process.h"
#include "host/system_clock.h"

namespace millrace::apps {
namespace {

constexpr std::chrono::milliseconds kTick{100};
constexpr std::chrono::milliseconds kBackoffMin{200};
constexpr std::chrono::milliseconds kBackoffMax{10'000};
constexpr std::chrono::seconds kHealthyAfter{30};
constexpr std::chrono::seconds kStopWithin{30};

struct Child {
  std::string role;
  int stop_signal = SIGTERM;
  MonotonicPoint started{}, retry_at{};
  std::chrono::milliseconds backoff{0};
};

/// Waits for a signal of the set, at most one tick. 0 if none came.
int wait_signal(const sigset_t& set) {
  const timespec tick{0, std::chrono::nanoseconds{kTick}.count()};
  const int number = ::sigtimedwait(&set, nullptr, &tick);
  return number > 0 && number != SIGCHLD ? number : 0;
}

void reap() {
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

/// Starts the role if it does not run and its time has come.
void keep(const Installation& installation, const std::string& program, Child& child, const Clock& clock,
          host::Logger& log) {
  const auto now = clock.monotonic();
  if (running(installation, child.role) || now < child.retry_at) return;
  if (child.started != MonotonicPoint{}) {
    const bool healthy = now - child.started > kHealthyAfter;
    child.backoff = healthy ? kBackoffMin : std::clamp(child.backoff * 2, kBackoffMin, kBackoffMax);
    log.warning("restarting", {{"role_name", child.role}, {"backoff_ms", child.backoff.count()}});
  }
  const auto error_log = installation.path("logs/" + child.role + ".err");
  const host::Fd errors(::open(error_log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  host::ProcessSpec spec;
  spec.argv = {program, child.role, "--home", installation.home};
  spec.stderr_fd = errors.get();
  spec.new_session = true;
  const auto pid = host::spawn(spec);
  if (!pid) log.error("start_failed", pid.error());
  child.started = now;
  // Time to take its mark before it is looked at again, and the back-off.
  child.retry_at = now + std::max(child.backoff, std::chrono::milliseconds{500});
}

/// Signals a role and waits until it is gone; kills it when it takes too long.
void stop(const Installation& installation, const Child& child, host::Logger& log) {
  const host::SystemClock clock;
  const auto until = clock.monotonic() + kStopWithin;
  const auto pid = running(installation, child.role);
  if (!pid) return;
  ::kill(*pid, child.stop_signal);
  while (running(installation, child.role) == pid) {
    if (clock.monotonic() > until) {
      log.warning("killed", {{"role_name", child.role}});
      ::kill(*pid, SIGKILL);
      return;
    }
    reap();
    ::usleep(20'000);
  }
}

}  // namespace

int run_watch(const std::string& home) {
  const host::SystemClock clock;
  const auto installation = open_installation(home);
  const auto fail = [](const Error& error) {
    fmt::print(stderr, "millrace watch: {}\n", error.message);
    return cli::kFailed;
  };
  if (!installation) return fail(installation.error());
  const auto mark = RoleMark::take(*installation, "watch");
  if (!mark) return fail(mark.error());
  const auto log =
      host::Logger::create(installation->path("logs/watch.log"), host::LogLevel::kInfo, "watch", clock);
  if (!log) return fail(log.error());
  const auto program = own_program();
  if (!program) return fail(program.error());

  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGCHLD}) sigaddset(&set, number);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);

  std::array<Child, 2> children;
  children[0].role = "server";
  children[0].stop_signal = SIGINT;  // with its replicas
  children[1].role = "gateway";
  while (true) {
    for (Child& child : children) keep(*installation, *program, child, clock, **log);
    const int number = wait_signal(set);
    reap();
    if (number != 0) break;
  }
  (*log)->info("stopping");
  stop(*installation, children[1], **log);
  stop(*installation, children[0], **log);
  reap();
  return cli::kOk;
}

int run_down(const std::string& home) {
  const auto installation = open_installation(home);
  if (!installation) {
    fmt::print(stderr, "millrace down: {}\n", installation.error().message);
    return cli::kFailed;
  }
  const host::SystemClock clock;
  const auto log =
      host::Logger::create(installation->path("logs/watch.log"), host::LogLevel::kInfo, "down", clock);
  if (!log) {
    fmt::print(stderr, "millrace down: {}\n", log.error().message);
    return cli::kFailed;
  }
  const bool any = running(*installation, "watch") || running(*installation, "server") ||
                   running(*installation, "gateway");
  stop(*installation, {.role = "watch"}, **log);
  stop(*installation, {.role = "gateway"}, **log);  // only there if the watcher was killed
  stop(*installation, {.role = "server", .stop_signal = SIGINT}, **log);
  forget_options(*installation);
  fmt::print(stderr, "Millrace at {} {}\n", installation->home, any ? "is stopped" : "was not running");
  return cli::kOk;
}

}  // namespace millrace::apps
