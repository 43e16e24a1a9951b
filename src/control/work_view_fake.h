// FakeWorkView: a WorkView that shows what a test put into it.
#pragma once

#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "control/work_view.h"

namespace millrace::control {

class FakeWorkView final : public WorkView {
 public:
  std::vector<ObservedWork> live() const override {
    const std::lock_guard lock(mutex_);
    std::vector<ObservedWork> all;
    for (const auto& [id, work] : work_) {
      if (!is_over(work.state)) all.push_back(work);
    }
    return all;
  }
  Result<ObservedWork> find(WorkloadId id) const override {
    const std::lock_guard lock(mutex_);
    if (is_silent_) return failure(ErrorCode::kUnavailable, "it cannot be told now");
    const auto found = work_.find(id);
    if (found == work_.end()) return failure(ErrorCode::kNotFound, "it was not seen yet");
    return found->second;
  }
  Result<ReplicaLog> work_log(WorkloadId id, std::uint32_t /*run*/, std::int32_t task, std::int64_t from,
                              std::size_t max) override {
    const std::lock_guard lock(mutex_);
    const auto found = logs_.find({id, task});
    if (found == logs_.end()) return failure(ErrorCode::kNotFound, "it never ran");
    const auto size = static_cast<std::int64_t>(found->second.size());
    const auto start = std::clamp<std::int64_t>(from < 0 ? size + from : from, 0, size);
    std::string piece = found->second.substr(static_cast<std::size_t>(start), max);
    const auto next = start + static_cast<std::int64_t>(piece.size());
    return ReplicaLog{.from = start, .text = std::move(piece), .next = next};
  }
  std::vector<NodeStatus> nodes() const override {
    const std::lock_guard lock(mutex_);
    return nodes_;
  }
  std::vector<SitePower> power() const override {
    const std::lock_guard lock(mutex_);
    return power_;
  }

  void set(ObservedWork work) {
    const std::lock_guard lock(mutex_);
    work_[work.id] = std::move(work);
  }
  void set(WorkloadId id, WorkState state) {
    ObservedWork work;
    work.id = id;
    work.state = state;
    set(std::move(work));
  }
  void set_silent(bool silent) {
    const std::lock_guard lock(mutex_);
    is_silent_ = silent;
  }
  void forget(WorkloadId id) {
    const std::lock_guard lock(mutex_);
    work_.erase(id);
  }
  void append_log(WorkloadId id, std::int32_t task, const std::string& text) {
    const std::lock_guard lock(mutex_);
    logs_[{id, task}] += text;
  }
  void set_nodes(std::vector<NodeStatus> nodes) {
    const std::lock_guard lock(mutex_);
    nodes_ = std::move(nodes);
  }
  void set_power(std::vector<SitePower> power) {
    const std::lock_guard lock(mutex_);
    power_ = std::move(power);
  }

 private:
  mutable std::mutex mutex_;  // guards everything below
  bool is_silent_ = false;
  std::map<WorkloadId, ObservedWork> work_;
  std::map<std::pair<WorkloadId, std::int32_t>, std::string> logs_;
  std::vector<NodeStatus> nodes_;
  std::vector<SitePower> power_;
};

}  // namespace millrace::control
