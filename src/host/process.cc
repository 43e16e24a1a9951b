#include "host/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <ctime>

#include "host/fd.h"
#include "host/file.h"
#include "host/paths.h"

namespace millrace::host {
namespace {

/// Everything the child needs, made before the fork: after it only async-signal-safe calls are allowed.
struct Prepared {
  std::string program;
  std::vector<char*> argv, env;
  Fd null;
};

Result<Prepared> prepare(const ProcessSpec& spec) {
  if (spec.argv.empty()) return failure(ErrorCode::kInvalidArgument, "start a process: no program is named");
  Prepared prepared;
  // A path is left to execve: it tells why one cannot be run, and takes it from the child's folder.
  prepared.program = spec.argv[0].contains('/') ? spec.argv[0] : find_program(spec.argv[0]);
  if (prepared.program.empty())
    return failure(ErrorCode::kNotFound, fmt::format("start {}: not found on PATH", spec.argv[0]));
  for (const auto& word : spec.argv) prepared.argv.push_back(const_cast<char*>(word.c_str()));
  prepared.argv.push_back(nullptr);
  if (spec.env) {
    for (const auto& word : *spec.env) prepared.env.push_back(const_cast<char*>(word.c_str()));
    prepared.env.push_back(nullptr);
  }
  prepared.null = Fd(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!prepared.null) return std::unexpected(errno_error("open /dev/null", errno));
  return prepared;
}

/// Moves the wanted descriptors to their places. Sources are first copied above every target, so that no dup2
/// overwrites one that is still needed.
bool place_fds(const ProcessSpec& spec, int null, int& report) {
  int floor = 3;
  for (const auto& [from, to] : spec.pass_fds) floor = std::max(floor, to + 1);
  report = ::fcntl(report, F_DUPFD_CLOEXEC, floor);
  if (report < 0) return false;
  const auto lift = [&](int from) { return ::fcntl(from < 0 ? null : from, F_DUPFD_CLOEXEC, floor); };
  const int standard[3] = {lift(spec.stdin_fd), lift(spec.stdout_fd), lift(spec.stderr_fd)};
  int copies[96];
  if (spec.pass_fds.size() > std::size(copies)) {
    errno = E2BIG;
    return false;
  }
  for (std::size_t i = 0; i < spec.pass_fds.size(); ++i) copies[i] = lift(spec.pass_fds[i].first);
  for (int i = 0; i < 3; ++i) {
    if (standard[i] < 0 || ::dup2(standard[i], i) < 0) return false;
  }
  for (std::size_t i = 0; i < spec.pass_fds.size(); ++i) {
    if (copies[i] < 0 || ::dup2(copies[i], spec.pass_fds[i].second) < 0) return false;
  }
  // Everything else that was not opened with O_CLOEXEC (by a library, or inherited) stays behind too.
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  for (const auto& [from, to] : spec.pass_fds) ::fcntl(to, F_SETFD, 0);
  return true;
}

[[noreturn]] void become(const ProcessSpec& spec, const Prepared& prepared, int report, pid_t parent) {
  const auto give_up = [&] {
    const int problem = errno;
    [[maybe_unused]] const auto ignored = ::write(report, &problem, sizeof problem);
    ::_exit(127);
  };
  struct sigaction standard{};
  standard.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &standard, nullptr);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (spec.new_session) ::setsid();
  if (spec.die_with_parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
  }
  if (!place_fds(spec, prepared.null.get(), report)) give_up();
  if (!spec.cwd.empty() && ::chdir(spec.cwd.c_str()) != 0) give_up();
  ::execve(prepared.program.c_str(), prepared.argv.data(), spec.env ? prepared.env.data() : environ);
  give_up();
  __builtin_unreachable();
}

struct Pipe {
  Fd read, write;
};
Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return std::unexpected(errno_error("make a pipe", errno));
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

ssize_t read_retry(int fd, void* to, std::size_t size) {
  ssize_t got = 0;
  do got = ::read(fd, to, size);
  while (got < 0 && errno == EINTR);
  return got;
}

int wait_for(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

std::unexpected<Error> start_error(const ProcessSpec& spec, int problem) {
  return std::unexpected(errno_error("start " + spec.argv[0], problem));
}

/// Keeps what fits of one output; false at its end.
bool collect(int fd, std::string& to, std::size_t max) {
  char buffer[16384];
  const ssize_t got = read_retry(fd, buffer, sizeof buffer);
  if (got <= 0) return false;
  to.append(buffer, std::min(static_cast<std::size_t>(got), max - std::min(max, to.size())));
  return true;
}

}  // namespace

Result<pid_t> spawn(const ProcessSpec& spec) {
  const Prepared prepared = TRY(prepare(spec));
  Pipe report = TRY(make_pipe());
  const pid_t self = ::getpid();
  // No handler of ours may run in the child before its dispositions are reset.
  sigset_t all, old;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &old);
  const pid_t pid = ::fork();
  if (pid == 0) become(spec, prepared, report.write.get(), self);
  const int problem_of_fork = errno;
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
  if (pid < 0) return start_error(spec, problem_of_fork);
  report.write.reset();
  int problem = 0;
  if (read_retry(report.read.get(), &problem, sizeof problem) == sizeof problem) {
    wait_for(pid);
    return start_error(spec, problem);
  }
  return pid;
}

Result<pid_t> spawn_daemon(ProcessSpec spec) {
  spec.new_session = true;
  spec.die_with_parent = false;
  const Prepared prepared = TRY(prepare(spec));
  Pipe report = TRY(make_pipe());
  Pipe pid_pipe = TRY(make_pipe());
  const pid_t middle = ::fork();
  if (middle < 0) return start_error(spec, errno);
  if (middle == 0) {
    const pid_t pid = ::fork();
    if (pid == 0) become(spec, prepared, report.write.get(), 0);
    const int problem = errno;
    if (pid < 0) {
      [[maybe_unused]] const auto ignored = ::write(report.write.get(), &problem, sizeof problem);
    }
    [[maybe_unused]] const auto ignored = ::write(pid_pipe.write.get(), &pid, sizeof pid);
    ::_exit(0);
  }
  wait_for(middle);
  report.write.reset();
  pid_pipe.write.reset();
  pid_t pid = -1;
  int problem = 0;
  const bool told = read_retry(pid_pipe.read.get(), &pid, sizeof pid) == sizeof pid;
  if (read_retry(report.read.get(), &problem, sizeof problem) == sizeof problem)
    return start_error(spec, problem);
  if (!told || pid <= 0)
    return failure(ErrorCode::kInternal, "start " + spec.argv[0] + ": its first half died");
  return pid;
}

Result<ProcessOutput> run_process(ProcessSpec spec, std::chrono::milliseconds timeout,
                                  std::size_t max_output) {
  Pipe out = TRY(make_pipe());
  Pipe err = TRY(make_pipe());
  spec.stdout_fd = out.write.get();
  spec.stderr_fd = err.write.get();
  spec.new_session = true;
  const pid_t pid = TRY(spawn(spec));
  out.write.reset();
  err.write.reset();
  ProcessOutput output;
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (out.read || err.read) {
    pollfd watched[2] = {{out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}};
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    const int ready =
        left.count() <= 0
            ? 0
            : ::poll(watched, 2, static_cast<int>(std::min<std::int64_t>(left.count(), 60'000)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0 && std::chrono::steady_clock::now() >= deadline) {
      ::kill(-pid, SIGKILL);
      wait_for(pid);
      return failure(ErrorCode::kTimeout,
                     fmt::format("run {}: no end within {} ms", spec.argv[0], timeout.count()));
    }
    if (watched[0].revents != 0 && !collect(out.read.get(), output.out, max_output)) out.read.reset();
    if (watched[1].revents != 0 && !collect(err.read.get(), output.err, max_output)) err.read.reset();
  }
  output.exit_code = exit_code_of(wait_for(pid));
  return output;
}

int exit_code_of(int wait_status) {
  if (WIFEXITED(wait_status)) return WEXITSTATUS(wait_status);
  return 128 + (WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0);
}

Result<std::int64_t> process_start_ticks(pid_t pid) {
  const auto gone = [&] {
    return failure(ErrorCode::kNotFound, fmt::format("process {}: there is none", pid));
  };
  const auto stat = read_file(fmt::format("/proc/{}/stat", pid), 4096);
  if (!stat) return gone();
  // The name stands in parentheses and may hold anything, so fields are counted from the last ')': the next is the
  // state (field 3 of proc(5)), the start time is field 22.
  const auto close = stat->rfind(')');
  if (close == std::string::npos || close + 2 >= stat->size()) return gone();
  std::string_view rest = std::string_view(*stat).substr(close + 2);
  if (rest.front() == 'Z' || rest.front() == 'X') return gone();
  for (int field = 3; field < 22; ++field) rest.remove_prefix(std::min(rest.find(' ') + 1, rest.size()));
  std::int64_t ticks = 0;
  if (std::from_chars(rest.data(), rest.data() + rest.size(), ticks).ec != std::errc{}) return gone();
  return ticks;
}

Result<std::chrono::nanoseconds> process_cpu_time(pid_t pid) {
  clockid_t clock = 0;
  timespec time{};
  int problem = ::clock_getcpuclockid(pid, &clock);
  if (problem == 0 && ::clock_gettime(clock, &time) != 0) problem = errno;
  if (problem != 0) {
    if (problem == EINVAL) problem = ESRCH;
    return std::unexpected(errno_error(fmt::format("read the CPU time of process {}", pid), problem));
  }
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace millrace::host
