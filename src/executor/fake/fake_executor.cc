#include "executor/fake/fake_executor.h"

#include <algorithm>

namespace millrace::executor {
namespace {

bool has_ended(const WorkloadStatus& status) {
  return status.state == WorkloadState::kExited || status.state == WorkloadState::kLost;
}

std::unexpected<Error> unknown(const std::string& id) {
  return failure(ErrorCode::kNotFound, "there is no workload " + id);
}

}  // namespace

Result<WorkloadStatus> FakeExecutor::start(const WorkloadSpec& spec, std::int64_t fence) {
  TRY_VOID(check_spec(spec));
  const std::lock_guard lock(mutex_);
  if (fence < fence_) return failure(ErrorCode::kDenied, "a higher fence was used");
  fence_ = fence;
  const auto found = workloads_.find(spec.id);
  if (found != workloads_.end() && !has_ended(found->second.status)) return found->second.status;
  Workload& workload = workloads_[spec.id];
  workload.spec = spec;
  workload.status = {};
  workload.log.clear();
  workload.status.id = spec.id;
  workload.status.state = WorkloadState::kRunning;
  workload.status.data_dir = "/nowhere/" + spec.id;
  workload.status.labels = spec.labels;
  workload.status.supervisor_pid = next_pid_++;
  workload.status.engine_pid = next_pid_++;
  workload.status.limits = {
      "fake", spec.resources.memory_bytes, spec.resources.cpu_millis, spec.resources.pids, {}};
  workload.status.started_at = clock_.now();
  ++starts_;
  return workload.status;
}

void FakeExecutor::end_locked(Workload& workload, int code, int signal, bool asked) {
  if (has_ended(workload.status)) return;
  workload.status.state = WorkloadState::kExited;
  workload.status.supervisor_pid = workload.status.engine_pid = 0;
  workload.status.exit = ExitRecord{.code = code, .signal = signal, .asked = asked, .at = clock_.now()};
  woken_ = true;
  changed_.notify_all();
}

Result<void> FakeExecutor::stop(const std::string& id, std::chrono::milliseconds) {
  const std::lock_guard lock(mutex_);
  const auto found = workloads_.find(id);
  if (found == workloads_.end()) return unknown(id);
  if (has_ended(found->second.status)) return {};
  found->second.status.state = WorkloadState::kStopping;
  if (!stubborn_) end_locked(found->second, -1, 15, true);
  return {};
}

Result<std::vector<WorkloadStatus>> FakeExecutor::list() {
  const std::lock_guard lock(mutex_);
  std::vector<WorkloadStatus> all;
  for (const auto& [id, workload] : workloads_) all.push_back(workload.status);
  return all;
}

Result<WorkloadStatus> FakeExecutor::status(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto found = workloads_.find(id);
  if (found == workloads_.end()) return unknown(id);
  return found->second.status;
}

Result<LogPiece> FakeExecutor::log(const std::string& id, std::int64_t from, std::size_t max) {
  const std::lock_guard lock(mutex_);
  const auto found = workloads_.find(id);
  if (found == workloads_.end()) return unknown(id);
  const std::string& text = found->second.log;
  const auto size = static_cast<std::int64_t>(text.size());
  if (from < 0) from = size + std::max(from, -size);
  from = std::min(from, size);
  LogPiece piece{.from = from, .text = text.substr(static_cast<std::size_t>(from), max)};
  piece.next = from + static_cast<std::int64_t>(piece.text.size());
  return piece;
}

Result<void> FakeExecutor::remove(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto found = workloads_.find(id);
  if (found == workloads_.end()) return unknown(id);
  if (!has_ended(found->second.status))
    return failure(ErrorCode::kConflict, "workload " + id + " has not ended");
  workloads_.erase(found);
  return {};
}

void FakeExecutor::wait_event(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, timeout, [this] { return woken_; });
  woken_ = false;
}

void FakeExecutor::wake() {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  changed_.notify_all();
}

void FakeExecutor::end(const std::string& id, int code) {
  const std::lock_guard lock(mutex_);
  if (const auto found = workloads_.find(id); found != workloads_.end())
    end_locked(found->second, code, 0, false);
}

void FakeExecutor::lose(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto found = workloads_.find(id);
  if (found == workloads_.end()) return;
  end_locked(found->second, -1, 9, false);
  found->second.status.state = WorkloadState::kLost;
  found->second.status.exit.reset();
}

void FakeExecutor::write_log(const std::string& id, const std::string& text) {
  const std::lock_guard lock(mutex_);
  if (const auto found = workloads_.find(id); found != workloads_.end()) found->second.log += text;
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
