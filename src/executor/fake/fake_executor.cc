#include "executor/fake/fake_executor.h"

#include <signal.h>

#include <algorithm>
#include <utility>

namespace millrace::executor {
namespace {

bool has_ended(const WorkloadStatus& status) {
  return status.state == WorkloadState::kExited || status.state == WorkloadState::kLost;
}

std::unexpected<Error> unknown(const std::string& id) {
  return failure(ErrorCode::kNotFound, "there is no workload " + id);
}

}  // namespace

FakeExecutor::Workload* FakeExecutor::find(const std::string& id) {
  advance_locked();
  const auto found = workloads_.find(id);
  return found == workloads_.end() ? nullptr : &found->second;
}

Result<WorkloadStatus> FakeExecutor::start(const WorkloadSpec& spec, std::int64_t fence) {
  TRY_VOID(check_spec(spec));
  const std::lock_guard lock(mutex_);
  if (fence < fence_) return failure(ErrorCode::kDenied, "a higher fence was used");
  fence_ = fence;
  if (const Workload* there = find(spec.id); there != nullptr && !has_ended(there->status))
    return there->status;
  FakeRun run = script_ ? script_(spec) : FakeRun{};
  if (run.refused) return std::unexpected(*run.refused);
  Workload& workload = workloads_[spec.id] = {};
  workload.spec = spec;
  workload.log = run.log;
  workload.run = std::move(run);
  begin_locked(workload);
  return workload.status;
}

void FakeExecutor::begin_locked(Workload& workload) {
  const WorkloadSpec& spec = workload.spec;
  WorkloadStatus& status = workload.status;
  status.id = spec.id;
  status.state = WorkloadState::kRunning;
  status.data_dir = "/nowhere/" + spec.id;
  status.labels = spec.labels;
  status.supervisor_pid = next_pid_++;
  status.engine_pid = next_pid_++;
  status.limits = {.kind = "fake",
                   .memory_bytes = spec.resources.memory_bytes,
                   .cpu_millis = spec.resources.cpu_millis,
                   .pids = spec.resources.pids,
                   .why = {},
                   .seccomp = true};
  status.started_at = clock_.now();
  ++starts_;
  status.started = workload.since = clock_.monotonic();
  if (workload.run.time)
    end_at(workload, workload.since + *workload.run.time,
           {.code = workload.run.code, .signal = workload.run.signal, .cause = workload.run.cause});
  if (spec.time_limit.count() > 0)
    end_at(workload, workload.since + spec.time_limit,
           {.code = -1, .signal = SIGTERM, .cause = ExitCause::kTimeLimit});
}

// The earlier end stands.
void FakeExecutor::end_at(Workload& workload, MonotonicPoint when, const ExitRecord& end) {
  if (workload.due && *workload.due <= when) return;
  if (workload.due) due_.erase({*workload.due, workload.spec.id});
  workload.due = when;
  workload.end = end;
  due_.emplace(when, workload.spec.id);
}

void FakeExecutor::advance_locked() {
  const MonotonicPoint now = clock_.monotonic();
  while (!due_.empty() && due_.begin()->first <= now) {
    const auto [when, id] = *due_.begin();
    Workload& workload = workloads_.at(id);
    end_locked(workload, when, workload.end);
  }
}

void FakeExecutor::end_locked(Workload& workload, MonotonicPoint when, const ExitRecord& end) {
  if (has_ended(workload.status)) return;
  if (workload.due) due_.erase({*workload.due, workload.spec.id});
  workload.due.reset();
  const auto ran = std::chrono::duration_cast<std::chrono::microseconds>(when - workload.since);
  workload.status.state = workload.run.lost ? WorkloadState::kLost : WorkloadState::kExited;
  workload.status.supervisor_pid = workload.status.engine_pid = 0;
  workload.status.cpu_time_us = ran.count() * workload.run.cpu_millis / 1000;
  workload.status.seen_at = workload.status.started_at + ran;
  if (!workload.run.lost) {
    ExitRecord exit = end;
    exit.at = workload.status.seen_at;
    exit.cpu_time_us = workload.status.cpu_time_us;
    exit.memory_peak_bytes = workload.run.memory_peak_bytes;
    workload.status.exit = exit;
  }
  ended_.push_back(workload.spec.id);
  woken_ = true;
  changed_.notify_all();
}

Result<void> FakeExecutor::stop(const std::string& id, std::chrono::milliseconds grace) {
  const std::lock_guard lock(mutex_);
  Workload* workload = find(id);
  if (workload == nullptr) return unknown(id);
  if (has_ended(workload->status)) return {};
  workload->status.state = WorkloadState::kStopping;
  if (stubborn_) return {};
  const MonotonicPoint now = clock_.monotonic();
  ExitRecord end{.code = -1, .signal = SIGTERM, .asked = true, .cause = ExitCause::kAsked};
  if (workload->run.obeys) {
    end_locked(*workload, now, end);
  } else {
    end.signal = SIGKILL;
    workload->end.asked = true;
    end_at(*workload, now + grace, end);
    advance_locked();
  }
  return {};
}

Result<void> FakeExecutor::set_cpu(const std::string& id, std::int64_t cpu_millis) {
  const std::lock_guard lock(mutex_);
  Workload* workload = find(id);
  if (workload == nullptr) return unknown(id);
  if (!has_ended(workload->status)) workload->status.limits.cpu_millis = cpu_millis;
  return {};
}

Result<std::vector<WorkloadStatus>> FakeExecutor::list() {
  const std::lock_guard lock(mutex_);
  advance_locked();
  std::vector<WorkloadStatus> all;
  all.reserve(workloads_.size());
  for (const auto& [id, workload] : workloads_) all.push_back(workload.status);
  return all;
}

Result<WorkloadStatus> FakeExecutor::status(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const Workload* workload = find(id);
  if (workload == nullptr) return unknown(id);
  if (silent_) return failure(ErrorCode::kUnavailable, "workload " + id + " does not answer");
  return workload->status;
}

Result<LogPiece> FakeExecutor::log(const std::string& id, std::int64_t from, std::size_t max) {
  const std::lock_guard lock(mutex_);
  const Workload* workload = find(id);
  if (workload == nullptr) return unknown(id);
  const auto size = static_cast<std::int64_t>(workload->log.size());
  if (from < 0) from = size + std::max(from, -size);
  from = std::min(from, size);
  LogPiece piece{.from = from, .text = workload->log.substr(static_cast<std::size_t>(from), max)};
  piece.next = from + static_cast<std::int64_t>(piece.text.size());
  return piece;
}

Result<void> FakeExecutor::remove(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const Workload* workload = find(id);
  if (workload == nullptr) return unknown(id);
  if (!has_ended(workload->status)) return failure(ErrorCode::kConflict, "workload " + id + " has not ended");
  workloads_.erase(id);
  return {};
}

void FakeExecutor::wait_event(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  const auto until = std::chrono::steady_clock::now() + timeout;
  for (advance_locked(); !woken_; advance_locked()) {
    auto next = until;
    if (!due_.empty()) {
      const auto left = due_.begin()->first - clock_.monotonic();
      next = std::min(until, std::chrono::steady_clock::now() +
                                 std::chrono::duration_cast<std::chrono::steady_clock::duration>(left));
    }
    if (changed_.wait_until(lock, next) == std::cv_status::timeout && next == until) break;
  }
  woken_ = false;
}

void FakeExecutor::wake() {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  changed_.notify_all();
}

std::vector<std::string> FakeExecutor::take_ended() {
  const std::lock_guard lock(mutex_);
  advance_locked();
  std::ranges::sort(ended_);
  const auto repeated = std::ranges::unique(ended_);
  ended_.erase(repeated.begin(), repeated.end());
  return std::exchange(ended_, {});
}

void FakeExecutor::set_script(Script script) {
  const std::lock_guard lock(mutex_);
  script_ = std::move(script);
}

void FakeExecutor::clock_moved() {
  const std::lock_guard lock(mutex_);
  advance_locked();
}

void FakeExecutor::end(const std::string& id, int code) {
  const std::lock_guard lock(mutex_);
  if (Workload* workload = find(id); workload != nullptr)
    end_locked(*workload, clock_.monotonic(), {.code = code});
}

void FakeExecutor::lose(const std::string& id) {
  const std::lock_guard lock(mutex_);
  Workload* workload = find(id);
  if (workload == nullptr || has_ended(workload->status)) return;
  workload->run.lost = true;
  end_locked(*workload, clock_.monotonic(), {});
}

void FakeExecutor::write_log(const std::string& id, const std::string& text) {
  const std::lock_guard lock(mutex_);
  if (Workload* workload = find(id); workload != nullptr) workload->log += text;
}

void FakeExecutor::set_silent(bool silent) {
  const std::lock_guard lock(mutex_);
  silent_ = silent;
}

void FakeExecutor::set_stubborn(bool stubborn) {
  const std::lock_guard lock(mutex_);
  stubborn_ = stubborn;
}

std::int64_t FakeExecutor::starts() const {
  const std::lock_guard lock(mutex_);
  return starts_;
}

WorkloadSpec FakeExecutor::spec_of(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = workloads_.find(id);
  return found == workloads_.end() ? WorkloadSpec{} : found->second.spec;
}

}  // namespace millrace::executor
