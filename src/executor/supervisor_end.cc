// How a workload ends: asked, by a limit, by itself; and what is recorded then.
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "executor/supervisor.h"
#include "host/file.h"
#include "host/process.h"

namespace millrace::executor {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kKillPatience{2000};  // for the sandbox's first process to kill the others
constexpr milliseconds kGonePatience{10000};
constexpr milliseconds kBeat{5000};                     // what a lost run is not charged for at most
constexpr milliseconds kWalkEvery{250}, kWalkSoon{25};  // soon: where the limit comes near
constexpr milliseconds kLookEvery{250}, kLookSoon{50};  // soon: more than half of the memory is used
constexpr int kLookShare = 20;           // a look takes at most one part in so many of the time
constexpr int kWalkShare = 10;           // a walk takes at most one part in so many of the time
constexpr std::size_t kWalkStep = 2000;  // files looked at before others have their turn

}  // namespace

Result<void> Supervisor::set_cpu(std::int64_t cpu_millis) {
  if (!cgroup_)
    return failure(ErrorCode::kUnavailable,
                   "processor time can only be limited with a control group: " + limits_.why);
  TRY_VOID(cgroup_->set_cpu(cpu_millis));
  limits_.cpu_millis = cpu_millis;
  return {};
}

// Without a program there is nobody to ask. A second stop only shortens what is left.
void Supervisor::begin_stop(milliseconds grace, ExitCause cause) {
  const bool first = !kill_at_;
  const MonotonicPoint now = clock_.monotonic();
  const MonotonicPoint deadline = engine_pid_ > 0 ? now + grace : now;
  kill_at_ = first ? deadline : std::min(*kill_at_, deadline);
  if (!cause_) cause_ = cause;
  state_ = WorkloadState::kStopping;
  const int own = spec_.workload.stop_signal;
  if (own != 0 && own != SIGTERM) {
    const MonotonicPoint half = now + grace / 2;
    if (first) signal_process(program_, own);
    if (first || term_at_) term_at_ = first ? half : std::min(*term_at_, half);
  } else if (first) {
    signal_process(program_, SIGTERM);
  }
}

void Supervisor::kill_all() {
  kill_hard_at_ = clock_.monotonic() + kKillPatience;
  if (init_pid_ > 0 && channel_) {
    send_inside(channel_.get(), inside::kKill);
    return;
  }
  ::kill(bwrap_pid_, SIGKILL);
}

void Supervisor::on_time() {
  const MonotonicPoint now = clock_.monotonic();
  const auto due = [&](std::optional<MonotonicPoint>& at) {
    if (exit_ || !at || now < *at) return false;
    at.reset();
    return true;
  };
  if (due(hello_by_)) {
    fail("the sandbox was not ready in time");
    kill_all();
  }
  if (due(limit_at_) && !cause_) {
    note(fmt::format("the time limit of {} s is over",
                     static_cast<double>(spec_.workload.time_limit.count()) / 1000));
    begin_stop(spec_.workload.grace, ExitCause::kTimeLimit);
  }
  if (due(term_at_)) signal_process(program_, SIGTERM);
  if (kill_at_ && !kill_hard_at_ && now >= *kill_at_ && !exit_) kill_all();
  if (due(kill_hard_at_)) {
    signal_process(init_, SIGKILL);
    ::kill(bwrap_pid_, SIGKILL);
    kill_hard_at_ = now + kKillPatience;
  }
  if (due(beat_at_)) {
    keep_state();
    beat_at_ = now + std::min<std::chrono::nanoseconds>(kBeat, now - started_);
  }
  if (due(look_at_)) watch_processes();
  if (due(walk_at_)) {
    walking_ = true;
    walk_since_ = now;
  }
  if (walking_) watch_disk();
}

void Supervisor::watch_disk() {
  if (!disk_.step(kWalkStep)) return;
  walking_ = false;
  const MonotonicPoint now = clock_.monotonic();
  const std::int64_t grown = disk_.bytes() - walked_bytes_, left = spec_.workload.disk_bytes - disk_.bytes();
  std::chrono::nanoseconds wait = kWalkEvery;
  // Half of the time in which it would be full if it went on as since the last walk.
  if (grown > 0 && left > 0)
    wait = std::min(
        wait, std::chrono::duration_cast<std::chrono::nanoseconds>(
                  (walk_since_ - walked_) * (static_cast<double>(left) / static_cast<double>(grown) / 2)));
  wait = std::max<std::chrono::nanoseconds>(wait, kWalkSoon);
  walk_at_ = now + std::max<std::chrono::nanoseconds>(wait, kWalkShare * (now - walk_since_));
  walked_ = walk_since_;
  walked_bytes_ = disk_.bytes();
  if (cause_ || (disk_.bytes() <= spec_.workload.disk_bytes && !disk_.too_deep())) return;
  note(disk_.too_deep() ? fmt::format("killed: folders lie more than {} deep, where no disk space is counted",
                                      DiskUse::kMaxDepth)
                        : fmt::format("killed: {} bytes of disk are used, the limit is {}", disk_.bytes(),
                                      spec_.workload.disk_bytes));
  begin_stop(milliseconds(0), ExitCause::kDisk);
}

void Supervisor::watch_processes() {
  const MonotonicPoint now = clock_.monotonic();
  const Resources& want = spec_.workload.resources;
  const std::int64_t threads_max = want.pids + 1;  // the first process of the sandbox is ours
  const TreeUse use = counts_threads_ ? tree_use(init_pid_, threads_max) : tree_use(init_pid_);
  std::int64_t memory = 0;
  if (counts_memory_) {
    const std::int64_t scratch = scratch_.bytes();
    memory = use.memory_bytes + scratch;
    if (memory > want.memory_bytes) memory = shared_memory_use(use.processes, scratch);
  }
  const auto took = clock_.monotonic() - now;
  const bool soon = memory > want.memory_bytes / 2;
  look_at_ = now + std::max<std::chrono::nanoseconds>(soon ? kLookSoon : kLookEvery, kLookShare * took);
  if (cause_) return;
  if (counts_memory_ && memory > want.memory_bytes) {
    begin_stop(milliseconds(0), ExitCause::kMemory);
  } else if (counts_threads_ && use.threads > threads_max) {
    note(fmt::format("killed: it has more than {} processes and threads, its limit", want.pids));
    begin_stop(milliseconds(0), ExitCause::kProcesses);
  }
}

void Supervisor::fail(const std::string& why) {
  note(why);
  if (!cause_) cause_ = ExitCause::kNotStarted;
}

void Supervisor::on_bwrap_end(int wait_status) {
  signal_process(init_, SIGKILL);
  if (init_) wait_ended(init_, static_cast<int>(kGonePatience.count()));
  if (channel_) on_inside();
  exit_ = exit_record(host::exit_code_of(wait_status));
}

// bwrap ends with the status of its child, or 128 and the number of the signal that ended it: good enough where the
// first process could not tell.
ExitRecord Supervisor::exit_record(int bwrap_code) const {
  ExitRecord exit{.at = now_since_start()};
  Cgroup::Usage used;
  if (cgroup_) used = cgroup_->usage();
  if (ended_) {
    if (WIFEXITED(ended_->wait_status)) exit.code = WEXITSTATUS(ended_->wait_status);
    if (WIFSIGNALED(ended_->wait_status)) exit.signal = WTERMSIG(ended_->wait_status);
  } else {
    exit.signal = bwrap_code > 128 ? bwrap_code - 128 : 0;
    exit.code = bwrap_code > 128 ? -1 : bwrap_code;
  }
  if (cause_)
    exit.cause = *cause_;
  else if (init_pid_ <= 0)
    exit.cause = ExitCause::kNotStarted;
  else if (used.oom_kills > 0 && exit.code != 0)
    exit.cause = ExitCause::kMemory;
  if (exit.cause == ExitCause::kNotStarted) {
    exit.code = kNotStartedCode;
    exit.signal = 0;
  }
  exit.asked = exit.cause == ExitCause::kAsked;
  exit.cpu_time_us = used.cpu_time_us.value_or(ended_ ? ended_->cpu_time_us : 0);
  exit.memory_peak_bytes =
      used.memory_peak_bytes > 0 ? used.memory_peak_bytes : (ended_ ? ended_->memory_peak_bytes : 0);
  return exit;
}

Result<void> Supervisor::finish() {
  // All who could write are gone, so this comes to an end.
  for (pollfd left{output_.get(), POLLIN, 0}; output_ && ::poll(&left, 1, 0) > 0;) on_output();
  if (exit_->cause == ExitCause::kMemory)
    note(fmt::format("killed: the memory limit of {} bytes was reached", limits_.memory_bytes));
  if (cgroup_) cgroup_->remove();
  state_ = WorkloadState::kExited;
  engine_pid_ = 0;
  keep_state();
  TRY_VOID(host::write_file_atomic(folder_ + "/exit.json", to_json(*exit_), 0600));
  ::unlink(spec_.control_socket.c_str());
  return host::remove_tree(spec_.data_dir);
}

}  // namespace millrace::executor
