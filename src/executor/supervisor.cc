#include "executor/supervisor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "executor/sandbox.h"
#include "host/file.h"
#include "host/process.h"

namespace millrace::executor {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMaxClients = 16;
constexpr std::size_t kMaxSecretsBytes = 8 << 20;
constexpr milliseconds kClientPatience{5000};
constexpr milliseconds kSandboxPatience{10000};  // for the sandbox to be made
constexpr milliseconds kSignalGrace{10000};      // when the supervisor itself gets SIGTERM
constexpr milliseconds kFirstWalk{100};
constexpr milliseconds kFirstBeat{500};
constexpr milliseconds kFirstLook{100};
constexpr std::int64_t kOwnProcesses = 2;  // bwrap and the sandbox's first process are in the group, too
constexpr int kReadsInTurn = 16;

void set_limit(pid_t pid, __rlimit_resource what, std::int64_t value) {
  const rlimit limit{static_cast<rlim_t>(value), static_cast<rlim_t>(value)};
  ::prlimit(pid, what, &limit, nullptr);
}

std::vector<std::string> written_folders(const SupervisorSpec& spec) {
  std::vector<std::string> folders = {spec.data_dir};
  for (const Mount& mount : spec.workload.mounts)
    if (mount.writable) folders.push_back(mount.source);
  return folders;
}

std::string read_descriptor(int fd) {
  std::string bytes;
  char buffer[4096];
  for (ssize_t got; bytes.size() < kMaxSecretsBytes && (got = ::read(fd, buffer, sizeof buffer)) > 0;)
    bytes.append(buffer, static_cast<std::size_t>(got));
  return bytes;
}

}  // namespace

Supervisor::Supervisor(std::string folder, SupervisorSpec spec, LogWriter log, host::Fd lock)
    : folder_(std::move(folder)),
      spec_(std::move(spec)),
      log_(std::move(log)),
      lock_(std::move(lock)),
      disk_(written_folders(spec_)) {}

Result<void> Supervisor::run(const std::string& folder) {
  auto lock = host::lock_file(folder + "/lock");
  if (!lock) return std::unexpected(lock.error());
  const std::string text = TRY(host::read_file(folder + "/spec.json", 4 << 20));
  SupervisorSpec spec = TRY(parse_spec(text));
  host::Fd ready(spec.ready_fd);
  if (ready) ::fcntl(ready.get(), F_SETFD, FD_CLOEXEC);
  if (!spec.workload.secrets.empty()) {
    const host::Fd secrets(spec.secrets_fd);
    TRY_VOID(decode_secrets(read_descriptor(secrets.get()), spec.workload.secrets));
  }
  TRY_VOID(check_spec(spec.workload));
  const std::int64_t bound = spec.workload.log_max_bytes;
  LogWriter log = TRY(LogWriter::open(
      folder, bound > 0 ? std::max<std::int64_t>(bound / LogWriter::kPieces, 1) : LogWriter::kPieceBytes));
  Supervisor self(folder, std::move(spec), std::move(log), std::move(*lock));
  self.ready_ = std::move(ready);
  TRY_VOID(self.prepare());
  if (auto started = self.start_sandbox(); !started) {
    // A workload that cannot be executed has started and ended: the exit record and the log tell why.
    self.fail(started.error().message);
    self.exit_ = self.exit_record(kNotStartedCode);
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
  TRY_VOID(make_sandbox_folder(spec_.data_dir));
  listener_ = host::Fd(TRY(listen_unix(spec_.control_socket)));
  started_at_ = clock_.now();
  started_ = clock_.monotonic();
  keep_state();  // before anything runs: a run that nothing is known of may be started again
  return {};
}

Result<void> Supervisor::start_sandbox() {
  const WorkloadSpec& workload = spec_.workload;
  const std::string marker = unpack_marker();
  unpack_ = !workload.unpack_archive.empty() &&
            (marker.empty() || host::read_file(marker, 1 << 16).value_or("") != workload.unpack_archive);
  const Sandbox sandbox = TRY(make_sandbox(workload, spec_.data_dir, ::geteuid() == 0, unpack_));
  Resources resources = workload.resources;
  if (resources.pids > 0) resources.pids += kOwnProcesses;
  auto group = Cgroup::create(cgroup_name(folder_), resources);
  if (group) {
    cgroup_ = std::move(*group);
    limits_ = cgroup_->limits();
    if (limits_.pids > 0) limits_.pids -= kOwnProcesses;
    in_group_ = cgroup_->enter();
  } else {
    limits_ = {.kind = "rlimits", .why = group.error().message};
  }
  auto launched = launch(sandbox, unpack_ ? workload.unpack_archive : "");
  if (in_group_) cgroup_->leave();
  if (!launched) return std::unexpected(launched.error());
  bwrap_pid_ = launched->bwrap;
  output_ = std::move(launched->output);
  channel_ = std::move(launched->channel);
  hello_by_ = clock_.monotonic() + kSandboxPatience;
  limits_.seccomp = true;  // bwrap ends if it cannot load the filter
  return {};
}

// Where it is written that the archive was unpacked: beside the mount that holds the working folder, out of the
// workload's reach. Empty if that folder does not outlive the run.
std::string Supervisor::unpack_marker() const {
  const Mount* holder = nullptr;
  for (const Mount& mount : spec_.workload.mounts) {
    const bool holds = (spec_.workload.workdir + "/").starts_with(mount.target + "/");
    if (mount.writable && holds && (holder == nullptr || mount.target.size() > holder->target.size()))
      holder = &mount;
  }
  return holder == nullptr ? "" : holder->source + ".unpacked";
}

void Supervisor::on_inside() {
  while (auto message = receive_inside(channel_.get())) {
    switch (message->what) {
      case inside::kHello:
        on_hello(message->sender);
        break;
      case inside::kUnpacked:
        on_unpacked();
        break;
      case inside::kProgram:
        engine_pid_ = message->sender;
        program_ = process_handle(engine_pid_);
        break;
      case inside::kRunning:
        on_running();
        break;
      case inside::kNotStarted:
        fail(message->text);
        break;
      case inside::kEnded:
        if (message->text.size() != sizeof(inside::Ended)) break;
        ended_.emplace();
        std::memcpy(&*ended_, message->text.data(), sizeof(inside::Ended));
        engine_pid_ = 0;
        break;
      default:
        break;
    }
  }
}

// It waits for our word, so limits and network are there before anything of the workload is.
void Supervisor::on_hello(pid_t init) {
  if (init_pid_ > 0) return;
  init_pid_ = init;
  init_ = process_handle(init);
  hello_by_.reset();
  if (auto confined = confine(); !confined) {
    fail(confined.error().message);
    kill_all();
    return;
  }
  if (spec_.workload.time_limit.count() > 0) limit_at_ = clock_.monotonic() + spec_.workload.time_limit;
  walked_ = clock_.monotonic();
  if (spec_.workload.disk_bytes > 0) walk_at_ = walked_ + kFirstWalk;
  if (counts_memory_ || counts_threads_) look_at_ = clock_.monotonic() + kFirstLook;
  send_inside(channel_.get(), inside::kGo);
  if (unpack_) ready_.reset();  // that may take long
}

// What no control group limits: each process by what the kernel has for one, and all of them together by looking.
void Supervisor::limit_without_group() {
  const Resources& want = spec_.workload.resources;
  counts_memory_ = want.memory_bytes > 0 && limits_.memory_bytes == 0;
  counts_threads_ = want.pids > 0 && limits_.pids == 0;
  if (counts_memory_) {
    // RLIMIT_DATA counts private writable memory (since Linux 4.7), so a mapped model file is not in it.
    set_limit(init_pid_, RLIMIT_DATA, want.memory_bytes);
    limits_.memory_bytes = want.memory_bytes;
    scratch_ = ScratchUse(init_pid_);
  }
  if (counts_threads_) {
    utsname system{};
    // As root all sandboxes have one user, whose processes would count together.
    if (::geteuid() != 0 && ::uname(&system) == 0 && counts_processes_by_namespace(system.release))
      set_limit(init_pid_, RLIMIT_NPROC, want.pids + 1);
    limits_.pids = want.pids;
  }
}

// Puts the limits on the sandbox's first process; children inherit them.
Result<void> Supervisor::confine() {
  const Resources& want = spec_.workload.resources;
  if (cgroup_) {
    for (const pid_t pid : {bwrap_pid_, init_pid_})
      if (!in_group_) TRY_VOID(cgroup_->add(pid));
  }
  limit_without_group();
  if (want.open_files > 0) set_limit(init_pid_, RLIMIT_NOFILE, want.open_files);
  set_limit(init_pid_, RLIMIT_CORE, 0);
  if (!spec_.workload.cpus.empty()) {
    cpu_set_t mask;
    CPU_ZERO(&mask);
    for (const int cpu : spec_.workload.cpus) CPU_SET(cpu, &mask);
    if (::sched_setaffinity(init_pid_, sizeof mask, &mask) != 0)
      note(errno_error("could not pin the workload to its processors", errno).message);
  }
  const std::vector<Forward>& forwards = spec_.workload.forwards;
  if (!forwards.empty())
    forwarder_.emplace(TRY(listen_inside(init_pid_, forwards, ::geteuid() != 0)), forwards);
  return {};
}

void Supervisor::on_unpacked() {
  if (const std::string marker = unpack_marker(); !marker.empty()) {
    const auto kept = host::write_file_atomic(marker, spec_.workload.unpack_archive, 0600);
    if (!kept) note(kept.error().message);
  }
  send_inside(channel_.get(), inside::kGo);
}

void Supervisor::on_running() {
  if (state_ == WorkloadState::kStarting && !cause_) state_ = WorkloadState::kRunning;
  keep_state();
  beat_at_ = clock_.monotonic() + kFirstBeat;
  ready_.reset();
}

Result<void> Supervisor::loop() {
  while (!exit_) {
    std::vector<pollfd> items = {{signals_.get(), POLLIN, 0},
                                 {output_.get(), POLLIN, 0},
                                 {clients_.size() < kMaxClients ? listener_.get() : -1, POLLIN, 0},
                                 {channel_.get(), POLLIN, 0}};
    const std::size_t first_client = items.size();
    for (const Client& client : clients_) items.push_back({client.fd.get(), POLLIN, 0});
    const std::size_t first_forward = items.size();
    if (forwarder_) forwarder_->add_to(items);
    if (::poll(items.data(), items.size(), poll_timeout_ms()) < 0 && errno != EINTR)
      return std::unexpected(errno_error("poll", errno));
    if (items[1].revents != 0) on_output();
    if (items[3].revents != 0) {
      on_inside();
      if ((items[3].revents & POLLHUP) != 0) channel_.reset();
    }
    std::vector<Client> left;
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      const bool late = clock_.monotonic() - clients_[i].since > kClientPatience;
      if (items[first_client + i].revents != 0 ? on_client(clients_[i]) : !late)
        left.push_back(std::move(clients_[i]));
    }
    clients_ = std::move(left);
    if (forwarder_ && first_forward < items.size()) forwarder_->handle(items, first_forward);
    if (items[2].revents != 0) on_accept();
    if (items[0].revents != 0) on_signals();
    on_time();
  }
  return finish();
}

int Supervisor::poll_timeout_ms() const {
  if (walking_) return 0;
  std::optional<MonotonicPoint> next;
  const auto consider = [&](const std::optional<MonotonicPoint>& at) {
    if (at && (!next || *at < *next)) next = at;
  };
  for (const auto* at :
       {&hello_by_, &limit_at_, &term_at_, &kill_at_, &kill_hard_at_, &walk_at_, &beat_at_, &look_at_})
    consider(*at);
  for (const Client& client : clients_) consider(client.since + kClientPatience);
  if (!next) return -1;
  const auto left = std::chrono::ceil<milliseconds>(*next - clock_.monotonic()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 60000));
}

void Supervisor::on_signals() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo != SIGCHLD) {
      begin_stop(kSignalGrace, ExitCause::kAsked);
      continue;
    }
    int wait_status = 0;
    for (pid_t pid; (pid = ::waitpid(-1, &wait_status, WNOHANG)) > 0;)
      if (pid == bwrap_pid_) on_bwrap_end(wait_status);
  }
}

void Supervisor::on_output() {
  char buffer[65536];
  for (int turn = 0; turn < kReadsInTurn; ++turn) {
    const ssize_t got = ::read(output_.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return;
    if (got == 0) {
      output_.reset();
      return;
    }
    // A full disk must not stop the workload: its output is dropped then.
    (void)log_.append({buffer, static_cast<std::size_t>(got)});
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
      begin_stop(milliseconds(request->grace_ms), ExitCause::kAsked);
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
  status.started = started_;
  status.seen_at = exit_ ? exit_->at : now_since_start();
  status.exit = exit_;
  if (exit_) {
    status.cpu_time_us = exit_->cpu_time_us;
  } else if (const auto used = cgroup_ ? cgroup_->usage().cpu_time_us : std::nullopt) {
    status.cpu_time_us = *used;
  } else if (engine_pid_ > 0) {
    status.cpu_time_us = tree_use(init_pid_).cpu_time_us;
  }
  return status;
}

TimePoint Supervisor::now_since_start() const {
  return started_at_ + std::chrono::duration_cast<std::chrono::microseconds>(clock_.monotonic() - started_);
}

// What is told of a workload whose supervisor was killed. Not synced: after a power loss nothing of it is left to tell.
void Supervisor::keep_state() const {
  (void)host::write_file_unsynced(folder_ + "/state.json", to_json(status()), 0600);
}

void Supervisor::note(const std::string& text) {
  const char* newline = log_.ends_with_newline() ? "" : "\n";
  (void)log_.append(fmt::format("{}[supervisor] {}\n", newline, text));
}

}  // namespace millrace::executor
