#include "executor/local/local_executor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <utility>

#include "executor/cgroup.h"
#include "executor/launch.h"
#include "executor/log_file.h"
#include "executor/protocol.h"
#include "executor/spec.h"
#include "host/file.h"
#include "host/process.h"
#include "host/sha256.h"

namespace millrace::executor {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kAskTimeout{2000};
constexpr int kReadyFd = 3, kSecretsFd = 4;  // numbers in the supervisor

/// Also where it cannot be told: only a lock that can be taken says that nobody holds it.
bool supervisor_lives(const std::string& folder) {
  return host::exists(folder + "/lock") && !host::lock_file(folder + "/lock");
}

/// Empty if it is not there.
Result<std::string> read_if_there(const std::string& file) {
  if (!host::exists(file)) return std::string();
  auto text = host::read_file(file, 1 << 20);
  if (!text) return failure(ErrorCode::kUnavailable, text.error().message);
  return text;
}

Result<SupervisorSpec> read_spec(const std::string& folder, const std::string& id) {
  const std::string file = folder + "/spec.json";
  if (!host::exists(file)) return failure(ErrorCode::kNotFound, "there is no workload " + id);
  const std::string text = TRY(host::read_file(file, 4 << 20));
  return parse_spec(text);
}

bool has_ended(const WorkloadStatus& status) {
  return status.state == WorkloadState::kExited || status.state == WorkloadState::kLost;
}

bool is_id(const std::string& id) {
  WorkloadSpec probe;
  probe.id = id;
  probe.root = "/";
  probe.argv = {"x"};
  return check_spec(probe).has_value();
}

}  // namespace

Result<std::unique_ptr<LocalExecutor>> LocalExecutor::create(LocalOptions options) {
  if (options.supervise_argv.empty())
    return failure(ErrorCode::kInvalidArgument, "local executor: supervise_argv is empty");
  TRY_VOID(host::make_dirs(options.folder, 0700));
  TRY_VOID(host::make_dirs(options.runtime_dir, 0700));
  host::Fd wake_fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_fd) return std::unexpected(errno_error("eventfd", errno));
  return std::unique_ptr<LocalExecutor>(new LocalExecutor(std::move(options), std::move(wake_fd)));
}

// Names below the runtime folder are digests of the id: a unix socket path has at most 107 bytes.
std::string LocalExecutor::control_socket(const std::string& id) const {
  return options_.runtime_dir + "/" + host::sha256_hex(id).substr(0, 12) + ".sock";
}

std::string LocalExecutor::data_dir(const std::string& id) const {
  return options_.runtime_dir + "/" + host::sha256_hex(id).substr(0, 12);
}

Result<void> LocalExecutor::check_fence(std::int64_t fence) {
  const std::string file = options_.folder + "/fence";
  std::int64_t seen = 0;
  if (host::exists(file)) {
    const std::string text = TRY(host::read_file(file, 64));
    std::from_chars(text.data(), text.data() + text.size(), seen);
  }
  if (fence < seen)
    return failure(ErrorCode::kDenied, "another server has taken over the replicas of this machine");
  return fence == seen ? Result<void>{} : host::write_file_atomic(file, std::to_string(fence), 0600);
}

Result<WorkloadStatus> LocalExecutor::start(const WorkloadSpec& spec, std::int64_t fence) {
  TRY_VOID(check_spec(spec));
  const Turn turn(*this, spec.id);
  host::Fd ready;
  {
    const std::lock_guard lock(start_mutex_);
    TRY_VOID(check_fence(fence));
    auto there = read_status(spec.id);
    if (there ? !has_ended(*there) : there.error().code != ErrorCode::kNotFound) return there;
    ready = TRY(launch(spec));
  }
  return wait_started(spec.id, ready);
}

LocalExecutor::Turn::Turn(LocalExecutor& executor, const std::string& id) : executor_(executor), id_(id) {
  std::unique_lock lock(executor.turn_mutex_);
  executor.turn_over_.wait(lock, [&] { return executor.taken_.insert(id).second; });
}

LocalExecutor::Turn::~Turn() {
  {
    const std::lock_guard lock(executor_.turn_mutex_);
    executor_.taken_.erase(id_);
  }
  executor_.turn_over_.notify_all();
}

// The pipe that closes when the supervisor is ready, or is gone.
Result<host::Fd> LocalExecutor::launch(const WorkloadSpec& spec) {
  const std::string folder = folder_of(spec.id);
  TRY_VOID(host::make_dirs(folder, 0700));
  for (const char* name : {"/exit.json", "/state.json", "/error"}) TRY_VOID(host::remove_tree(folder + name));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return std::unexpected(errno_error("pipe", errno));
  host::Fd ready(ends[0]);
  const host::Fd theirs(ends[1]);
  SupervisorSpec record{spec, control_socket(spec.id), data_dir(spec.id), -1, kReadyFd};
  host::ProcessSpec process;
  process.argv = options_.supervise_argv;
  process.argv.push_back(folder);
  process.cwd = "/";
  process.pass_fds = {{theirs.get(), kReadyFd}};
  host::Fd secrets;
  if (!spec.secrets.empty()) {
    secrets = TRY(memory_file(encode_secrets(spec.secrets)));
    process.pass_fds.emplace_back(secrets.get(), kSecretsFd);
    record.secrets_fd = kSecretsFd;
  }
  // Not synced: after a power loss there is nothing left that would need it.
  TRY_VOID(host::write_file_unsynced(folder + "/spec.json", to_json(record), 0600));
  const auto pid = host::spawn_daemon(process);
  if (!pid) return std::unexpected(pid.error());
  return ready;
}

// The supervisor has the program running (or unpacks for it), or has come and gone, or could not begin (file "error").
Result<WorkloadStatus> LocalExecutor::wait_started(const std::string& id, const host::Fd& ready) {
  const std::string folder = folder_of(id);
  if (!wait_ended(ready, static_cast<int>(options_.start_timeout.count())))
    return failure(ErrorCode::kTimeout,
                   "started the supervisor of " + id + ", which did not report in time; see " + folder);
  if (!host::exists(folder + "/exit.json"))
    if (const auto error = host::read_file(folder + "/error", 4096))
      return failure(ErrorCode::kInternal, *error);
  return read_status(id);
}

Result<WorkloadStatus> LocalExecutor::read_status(const std::string& id) {
  const std::string folder = folder_of(id);
  const auto read = read_spec(folder, id);
  if (!read && read.error().code == ErrorCode::kCorrupt && !supervisor_lives(folder))
    return ended_status(id, {});
  const SupervisorSpec spec = TRY(read);
  const auto asked = ask(spec.control_socket, {}, kAskTimeout);
  if (asked) {
    watch(*asked);
    return asked;
  }
  if (supervisor_lives(folder) && !host::exists(folder + "/exit.json"))
    return failure(ErrorCode::kUnavailable,
                   "the supervisor of " + id + " lives but does not answer: " + asked.error().message);
  return ended_status(id, spec.workload);
}

Result<WorkloadStatus> LocalExecutor::ended_status(const std::string& id, const WorkloadSpec& spec) const {
  const std::string folder = folder_of(id);
  WorkloadStatus status = parse_status(TRY(read_if_there(folder + "/state.json"))).value_or(WorkloadStatus{});
  status.id = id;
  status.labels = spec.labels;
  status.data_dir = data_dir(id);
  status.supervisor_pid = status.engine_pid = 0;
  status.state = WorkloadState::kLost;
  status.exit.reset();
  if (auto exit = parse_exit(TRY(read_if_there(folder + "/exit.json")))) {
    status.state = WorkloadState::kExited;
    status.exit = *exit;
  }
  return status;
}

Result<void> LocalExecutor::stop(const std::string& id, milliseconds grace) {
  const WorkloadStatus now = TRY(status(id));
  if (has_ended(now)) return {};
  const ControlRequest request{.op = ControlRequest::Op::kStop, .grace_ms = grace.count()};
  const auto stopped = ask(control_socket(id), request, kAskTimeout);
  if (!stopped && supervisor_lives(folder_of(id))) return std::unexpected(stopped.error());
  return {};
}

Result<void> LocalExecutor::set_cpu(const std::string& id, std::int64_t cpu_millis) {
  const WorkloadStatus now = TRY(status(id));
  if (has_ended(now)) return {};
  const ControlRequest request{.op = ControlRequest::Op::kSetCpu, .millis = cpu_millis};
  const auto set = ask(control_socket(id), request, kAskTimeout);
  if (!set && supervisor_lives(folder_of(id))) return std::unexpected(set.error());
  return {};
}

Result<std::vector<WorkloadStatus>> LocalExecutor::list() {
  std::vector<WorkloadStatus> all;
  for (const std::string& name : TRY(host::list_dir(options_.folder))) {
    if (!is_id(name) || !host::exists(spec_of(name))) continue;
    auto status = read_status(name);
    if (status) {
      all.push_back(std::move(*status));
    } else if (status.error().code == ErrorCode::kUnavailable) {
      // A supervisor that does not answer now must not hide the others: what it said last stands.
      const std::string last = host::read_file(folder_of(name) + "/state.json", 1 << 20).value_or("");
      if (auto known = parse_status(last)) {
        all.push_back(std::move(*known));
      } else if (const auto spec = read_spec(folder_of(name), name)) {
        WorkloadStatus begun;
        begun.id = name;
        begun.labels = spec->workload.labels;
        all.push_back(std::move(begun));
      }
    } else if (status.error().code != ErrorCode::kNotFound) {
      return std::unexpected(status.error());
    }
  }
  return all;
}

Result<WorkloadStatus> LocalExecutor::status(const std::string& id) {
  if (!is_id(id)) return failure(ErrorCode::kNotFound, "there is no workload " + id);
  return read_status(id);
}

Result<LogPiece> LocalExecutor::log(const std::string& id, std::int64_t from, std::size_t max) {
  const auto is_there = [&] { return is_id(id) && host::exists(spec_of(id)); };
  std::optional<Result<LogPiece>> piece;
  if (is_there()) piece = read_log(folder_of(id), from, max);
  // It may have been removed meanwhile, and the piece lack what was gone first.
  if (!piece || !is_there()) return failure(ErrorCode::kNotFound, "there is no workload " + id);
  return *std::move(piece);
}

Result<void> LocalExecutor::remove(const std::string& id) {
  const Turn turn(*this, id);
  const std::lock_guard lock(start_mutex_);
  const WorkloadStatus now = TRY(status(id));
  if (!has_ended(now) || supervisor_lives(folder_of(id)))
    return failure(ErrorCode::kConflict, "workload " + id + " has not ended");
  TRY_VOID(host::remove_tree(data_dir(id)));
  TRY_VOID(host::remove_tree(control_socket(id)));
  if (now.state == WorkloadState::kLost) Cgroup::remove_named(cgroup_name(folder_of(id)));
  TRY_VOID(host::remove_tree(spec_of(id)));  // from now on it is not there
  return host::remove_tree(folder_of(id));
}

void LocalExecutor::watch(const WorkloadStatus& status) {
  if (status.supervisor_pid <= 0) return;
  const std::lock_guard lock(watch_mutex_);
  if (watched_.contains(status.supervisor_pid)) return;
  const long fd = ::syscall(SYS_pidfd_open, status.supervisor_pid, 0);
  if (fd >= 0)
    watched_[status.supervisor_pid] = {status.id, std::make_shared<host::Fd>(static_cast<int>(fd))};
}

void LocalExecutor::wait_event(milliseconds timeout) {
  std::vector<std::pair<pid_t, Watched>> held;
  {
    const std::lock_guard lock(watch_mutex_);
    held.assign(watched_.begin(), watched_.end());
  }
  std::vector<pollfd> items = {{wake_fd_.get(), POLLIN, 0}};
  for (const auto& [pid, watched] : held) items.push_back({watched.pidfd->get(), POLLIN, 0});
  if (::poll(items.data(), items.size(), static_cast<int>(timeout.count())) <= 0) return;
  std::uint64_t count = 0;
  (void)!::read(wake_fd_.get(), &count, sizeof count);
  const std::lock_guard lock(watch_mutex_);
  for (std::size_t i = 1; i < items.size(); ++i) {
    if (items[i].revents == 0) continue;
    watched_.erase(held[i - 1].first);
    ended_.insert(held[i - 1].second.id);
  }
}

std::vector<std::string> LocalExecutor::take_ended() {
  const std::lock_guard lock(watch_mutex_);
  const std::set<std::string> ended = std::exchange(ended_, {});
  return {ended.begin(), ended.end()};
}

void LocalExecutor::wake() {
  const std::uint64_t one = 1;
  (void)!::write(wake_fd_.get(), &one, sizeof one);
}

}  // namespace millrace::executor
