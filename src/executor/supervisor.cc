#include "executor/supervisor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "executor/sandbox.h"
#include "host/file.h"
#include "host/json.h"
#include "host/process.h"

namespace millrace::executor {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMaxClients = 16;
constexpr milliseconds kClientPatience{5000};
constexpr milliseconds kSandboxPatience{10000};
constexpr milliseconds kSignalGrace{10000};  // when the supervisor itself gets SIGTERM
constexpr int kFindEngineEveryMs = 5;

struct Pipe {
  host::Fd read, write;
};

Result<Pipe> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return std::unexpected(errno_error("pipe", errno));
  return Pipe{host::Fd(fds[0]), host::Fd(fds[1])};
}

// All that bwrap writes to its info pipe before it closes it; empty if it ended without.
std::string read_all(int fd, milliseconds patience) {
  std::string text;
  char buffer[1024];
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd item{.fd = fd, .events = POLLIN, .revents = 0};
    if (left <= 0 || ::poll(&item, 1, static_cast<int>(left)) == 0) return text;
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

pid_t child_pid_in(const std::string& info) {
  const auto value = host::parse_json(info);
  if (!value) return 0;
  const auto object = host::JsonObject::of(*value);
  if (!object) return 0;
  return static_cast<pid_t>(object->required_int("child-pid").value_or(0));
}

// Field 4 of /proc/<pid>/stat (proc(5)), counted after the command name's closing parenthesis.
pid_t parent_of(const std::string& pid) {
  const auto stat = host::read_file("/proc/" + pid + "/stat", 4096);
  if (!stat) return 0;
  const std::size_t close = stat->rfind(')');
  if (close == std::string::npos || close + 4 >= stat->size()) return 0;
  pid_t parent = 0;
  std::from_chars(stat->data() + close + 4, stat->data() + stat->size(), parent);
  return parent;
}

pid_t child_of(pid_t parent) {
  const auto names = host::list_dir("/proc");
  if (!names) return 0;
  for (const std::string& name : *names) {
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error == std::errc() && end == name.data() + name.size() && parent_of(name) == parent) return pid;
  }
  return 0;
}

void set_limit(pid_t pid, __rlimit_resource what, std::int64_t value) {
  const rlimit limit{static_cast<rlim_t>(value), static_cast<rlim_t>(value)};
  ::prlimit(pid, what, &limit, nullptr);
}

}  // namespace

Result<void> Supervisor::run(const std::string& folder) {
  auto lock = host::lock_file(folder + "/lock");
  if (!lock) return std::unexpected(lock.error());
  const std::string text = TRY(host::read_file(folder + "/spec.json", 1 << 20));
  SupervisorSpec spec = TRY(parse_spec(text));
  TRY_VOID(check_spec(spec.workload));
  LogWriter log = TRY(LogWriter::open(folder));
  Supervisor self(folder, std::move(spec), std::move(log), std::move(*lock));
  TRY_VOID(self.prepare());
  if (auto started = self.start_sandbox(); !started) {
    // A workload that cannot be executed has started and ended: the exit record and the log tell why.
    self.note(started.error().message);
    self.exit_ = ExitRecord{.code = 127, .at = self.clock_.now()};
    return self.finish();
  }
  return self.loop();
}

Result<void> Supervisor::prepare() {
  sigset_t mask;
  sigemptyset(&mask);
  for (const int number : {SIGCHLD, SIGTERM, SIGINT}) sigaddset(&mask, number);
  if (::sigprocmask(SIG_BLOCK, &mask, nullptr) != 0)
    return std::unexpected(errno_error("sigprocmask", errno));
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGHUP, SIG_IGN);
  signals_ = host::Fd(::signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!signals_) return std::unexpected(errno_error("signalfd", errno));
  TRY_VOID(host::remove_tree(folder_ + "/exit.json"));
  TRY_VOID(host::remove_tree(spec_.data_dir));
  TRY_VOID(host::make_dirs(spec_.data_dir, 0700));
  if (::geteuid() == 0 && ::chown(spec_.data_dir.c_str(), kSandboxUid, kSandboxUid) != 0)
    return std::unexpected(errno_error("chown " + spec_.data_dir, errno));
  listener_ = host::Fd(TRY(listen_unix(spec_.control_socket)));
  started_at_ = clock_.now();
  return {};
}

Result<void> Supervisor::start_sandbox() {
  Pipe output = TRY(make_pipe()), info = TRY(make_pipe()), block = TRY(make_pipe());
  const SandboxOptions options{.as_root = ::geteuid() == 0};
  host::ProcessSpec process;
  process.argv = TRY(sandbox_argv(spec_.workload, spec_.data_dir, options));
  process.env = std::vector<std::string>{"PATH=/usr/local/bin:/usr/bin:/bin"};
  process.cwd = "/";
  process.stdout_fd = process.stderr_fd = output.write.get();
  process.pass_fds = {{info.write.get(), options.info_fd}, {block.read.get(), options.block_fd}};
  process.die_with_parent = true;
  bwrap_pid_ = TRY(host::spawn(process));
  output.write.reset();
  info.write.reset();
  block.read.reset();
  output_ = std::move(output.read);
  ::fcntl(output_.get(), F_SETFL, O_NONBLOCK);
  init_pid_ = child_pid_in(read_all(info.read.get(), kSandboxPatience));
  if (init_pid_ <= 0)
    return {};  // bwrap ended with an error text, which is in the output: the loop collects it
  if (auto confined = confine(); !confined) {
    ::kill(init_pid_, SIGKILL);
    ::kill(bwrap_pid_, SIGKILL);
    return confined;
  }
  TRY_VOID(host::write_all(block.write.get(), "x"));
  return {};
}

// Puts the limits on the sandbox's first process while it waits to execute the workload; children inherit them.
Result<void> Supervisor::confine() {
  const Resources& want = spec_.workload.resources;
  auto group = Cgroup::create(cgroup_name(folder_), want);
  if (group) {
    for (const pid_t pid : {bwrap_pid_, init_pid_}) TRY_VOID(group->add(pid));
    cgroup_ = std::move(*group);
    limits_ = cgroup_->limits();
  } else {
    // RLIMIT_DATA counts private writable memory (since Linux 4.7), so a mapped model file is not in it.
    if (want.memory_bytes > 0) set_limit(init_pid_, RLIMIT_DATA, want.memory_bytes);
    limits_ = {.kind = "rlimits", .memory_bytes = want.memory_bytes, .why = group.error().message};
  }
  if (want.open_files > 0) set_limit(init_pid_, RLIMIT_NOFILE, want.open_files);
  set_limit(init_pid_, RLIMIT_CORE, 0);
  if (!spec_.workload.cpus.empty()) {
    cpu_set_t mask;
    CPU_ZERO(&mask);
    for (const int cpu : spec_.workload.cpus) CPU_SET(cpu, &mask);
    if (::sched_setaffinity(init_pid_, sizeof mask, &mask) != 0)
      note(errno_error("could not pin the workload to its processors", errno).message);
  }
  return {};
}

void Supervisor::find_engine() {
  if (engine_pid_ > 0 || init_pid_ <= 0) return;
  engine_pid_ = child_of(init_pid_);
  if (engine_pid_ > 0 && state_ == WorkloadState::kStarting) {
    state_ = WorkloadState::kRunning;
    (void)host::write_file_atomic(folder_ + "/state.json", to_json(status()), 0600);
  }
}

Result<void> Supervisor::loop() {
  while (!exit_) {
    find_engine();
    std::vector<pollfd> items = {
        {signals_.get(), POLLIN, 0}, {output_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    if (clients_.size() >= kMaxClients) items[2].fd = -1;
    if (!output_) items[1].fd = -1;
    for (const Client& client : clients_) items.push_back({client.fd.get(), POLLIN, 0});
    const int ready = ::poll(items.data(), items.size(), poll_timeout_ms());
    if (ready < 0 && errno != EINTR) return std::unexpected(errno_error("poll", errno));
    if (items[1].revents != 0) on_output();
    std::vector<Client> left;
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      const bool late = clock_.monotonic() - clients_[i].since > kClientPatience;
      if (items[3 + i].revents != 0 ? on_client(clients_[i]) : !late) left.push_back(std::move(clients_[i]));
    }
    clients_ = std::move(left);
    if (items[2].revents != 0) on_accept();
    if (items[0].revents != 0) on_signals();
    enforce_deadline();
  }
  return finish();
}

int Supervisor::poll_timeout_ms() const {
  if (engine_pid_ <= 0 && init_pid_ > 0) return kFindEngineEveryMs;
  std::optional<MonotonicPoint> next = kill_at_;
  for (const Client& client : clients_) {
    const MonotonicPoint late = client.since + kClientPatience;
    if (!next || late < *next) next = late;
  }
  if (!next) return -1;
  const auto left = std::chrono::ceil<milliseconds>(*next - clock_.monotonic()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 1, 60000));
}

void Supervisor::on_signals() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo == SIGCHLD)
      reap();
    else
      begin_stop(kSignalGrace);
  }
}

void Supervisor::on_output() {
  char buffer[65536];
  for (;;) {
    const ssize_t got = ::read(output_.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return;
    if (got == 0) {
      output_.reset();
      return;
    }
    // A full disk must not stop the workload: its output is dropped then.
    (void)log_.append({buffer, static_cast<std::size_t>(got)});
    if (got < static_cast<ssize_t>(sizeof buffer)) return;
  }
}

void Supervisor::on_accept() {
  host::Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd) clients_.push_back({.fd = std::move(fd), .received = {}, .since = clock_.monotonic()});
}

// False when the connection is done with.
bool Supervisor::on_client(Client& client) {
  char buffer[1024];
  const ssize_t got = ::read(client.fd.get(), buffer, sizeof buffer);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) return false;
  client.received.append(buffer, static_cast<std::size_t>(got));
  const std::size_t end = client.received.find('\n');
  if (end == std::string::npos && client.received.size() <= kMaxRequestBytes) return true;
  const std::string line =
      (end == std::string::npos ? error_answer({ErrorCode::kInvalidArgument, "the request is too long"})
                                : answer(client.received.substr(0, end))) +
      "\n";
  (void)::send(client.fd.get(), line.data(), line.size(), MSG_NOSIGNAL);
  return false;
}

std::string Supervisor::answer(std::string_view line) {
  const auto request = parse_request(line);
  if (!request) return error_answer(request.error());
  switch (request->op) {
    case ControlRequest::Op::kStatus:
      break;
    case ControlRequest::Op::kStop:
      begin_stop(milliseconds(request->grace_ms));
      break;
    case ControlRequest::Op::kSetCpu:
      if (const auto set = set_cpu(request->millis); !set) return error_answer(set.error());
      break;
    case ControlRequest::Op::kLog: {
      const auto max = std::min<std::int64_t>(request->max, kMaxLogText);
      const auto piece = read_log(folder_, request->from, static_cast<std::size_t>(max));
      return piece ? log_answer(*piece) : error_answer(piece.error());
    }
  }
  return status_answer(status());
}

Result<void> Supervisor::set_cpu(std::int64_t cpu_millis) {
  if (!cgroup_)
    return failure(ErrorCode::kUnavailable,
                   "processor time can only be limited with a control group: " + limits_.why);
  TRY_VOID(cgroup_->set_cpu(cpu_millis));
  limits_.cpu_millis = cpu_millis;
  return {};
}

// bwrap does not pass SIGTERM on, so the workload itself is signalled.
void Supervisor::begin_stop(milliseconds grace) {
  const MonotonicPoint deadline = clock_.monotonic() + grace;
  kill_at_ = kill_at_ ? std::min(*kill_at_, deadline) : deadline;
  asked_ = true;
  state_ = WorkloadState::kStopping;
  find_engine();
  if (engine_pid_ > 0) ::kill(engine_pid_, SIGTERM);
}

void Supervisor::enforce_deadline() {
  if (exit_ || !kill_at_ || clock_.monotonic() < *kill_at_) return;
  if (init_pid_ > 0) ::kill(init_pid_, SIGKILL);
  ::kill(bwrap_pid_, SIGKILL);
  kill_at_ = clock_.monotonic() + kSandboxPatience;
}

void Supervisor::reap() {
  int wait_status = 0;
  while (true) {
    if (engine_pid_ > 0) cpu_time_us_ = std::max(cpu_time_us_, status().cpu_time_us);
    const pid_t pid = ::waitpid(-1, &wait_status, WNOHANG);
    if (pid <= 0) return;
    if (pid != bwrap_pid_) continue;
    // bwrap ends with the workload's status, or 128 and the number of the signal that ended it.
    const int code = host::exit_code_of(wait_status);
    exit_ = ExitRecord{.code = code > 128 ? -1 : code,
                       .signal = code > 128 ? code - 128 : 0,
                       .asked = asked_,
                       .at = clock_.now(),
                       .cause = asked_ ? ExitCause::kAsked : ExitCause::kItself,
                       .cpu_time_us = cpu_time_us_};
    if (!cgroup_) continue;
    const Cgroup::Usage used = cgroup_->usage();
    exit_->cpu_time_us = used.cpu_time_us.value_or(cpu_time_us_);
    exit_->memory_peak_bytes = used.memory_peak_bytes;
  }
}

Result<void> Supervisor::finish() {
  if (output_) on_output();
  if (cgroup_) cgroup_->remove();
  state_ = WorkloadState::kExited;
  engine_pid_ = 0;
  TRY_VOID(host::write_file_atomic(folder_ + "/state.json", to_json(status()), 0600));
  TRY_VOID(host::write_file_atomic(folder_ + "/exit.json", to_json(*exit_), 0600));
  ::unlink(spec_.control_socket.c_str());
  return host::remove_tree(spec_.data_dir);
}

WorkloadStatus Supervisor::status() const {
  WorkloadStatus status;
  status.id = spec_.workload.id;
  status.state = state_;
  status.supervisor_pid = ::getpid();
  status.engine_pid = engine_pid_;
  status.data_dir = spec_.data_dir;
  status.labels = spec_.workload.labels;
  status.limits = limits_;
  status.started_at = started_at_;
  status.cpu_time_us = cpu_time_us_;
  if (engine_pid_ > 0) {
    if (const auto used = host::process_cpu_time(engine_pid_))
      status.cpu_time_us = std::chrono::duration_cast<std::chrono::microseconds>(*used).count();
  }
  status.exit = exit_;
  return status;
}

void Supervisor::note(const std::string& text) { (void)log_.append("[supervisor] " + text + "\n"); }

}  // namespace millrace::executor
