// ExecutorRuns: runs of jobs and environments as sandboxed workloads of an executor, one for each task.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "control/runs.h"
#include "executor/executor.h"

namespace millrace::control {

struct ExecutorRunsOptions {
  std::string work_folder;  // of each work: <name>/dir, its working folder, and <name>/output
  std::string log_folder;   // outputs of tasks that ended; empty: they are forgotten with their run
  std::int64_t fence = 0;   // of Store::take_fence
  /// Where the platform's endpoints are for work without network, in plain HTTP: a socket's path, or "127.0.0.1:8080".
  /// Empty: nowhere.
  std::string gateway = {};
  /// Root file system of an image; kNotFound says how to get it. Any thread.
  std::function<Result<std::string>(const std::string& image)> image_root;
  /// Text of a project's secret. Any thread.
  std::function<Result<std::string>(const std::string& project, const std::string& name)> secret;
  /// Makes a folder that the workload's user may write; absent: it is made with the caller's rights. Any thread.
  std::function<Result<void>(const std::string& folder)> make_folder;
};

/// What each task runs, as the executor wants it. Pure but for what the options ask.
Result<std::vector<executor::WorkloadSpec>> task_specs(const WantedWork& work, const StartRun& run,
                                                       const std::vector<NamedPlace>& places,
                                                       const ExecutorRunsOptions& options);

/// What the ends of a run's tasks come to; `tasks` are all of them. One that is lost counts up to when it was seen last.
RunEnd run_end(const std::vector<executor::WorkloadStatus>& tasks);

/// Every method is safe from any thread.
class ExecutorRuns final : public Runs {
 public:
  ExecutorRuns(ExecutorRunsOptions options, executor::Executor& executor)
      : options_(std::move(options)), executor_(executor) {}

  Result<void> start(const WantedWork& work, const StartRun& run,
                     const std::vector<NamedPlace>& places) override;
  std::vector<Result<void>> start_all(std::span<const Begin> begins) override;
  Result<void> stop(const WantedWork& work, const StopRun& stop) override;
  Result<void> cap(const WantedWork& work, const CapRun& cap) override;
  Result<std::vector<RunStatus>> ended() override;
  Result<std::vector<RunStatus>> all() override;
  Result<RunStatus> status(RunKey key) override;
  /// Empty where a task wrote nothing, is not there, or its output was removed.
  Result<ReplicaLog> log(RunKey key, std::int32_t task, std::int64_t from, std::size_t max) override;
  void forget(RunKey key) override;
  void wait_event(std::chrono::milliseconds timeout) override { executor_.wait_event(timeout); }
  void wake() override { executor_.wake(); }

 private:
  struct Run {
    std::int32_t tasks = 1;
    std::map<std::int32_t, executor::WorkloadStatus> over = {};  // by task
    bool is_stopping = false;                                    // the others were told, because one failed
    bool is_whole() const { return static_cast<std::int32_t>(over.size()) == tasks; }
  };
  bool was_there(const std::string& id);
  bool was_there(RunKey key, std::int32_t tasks);
  void withdraw(RunKey key, std::int32_t started);
  void take(const executor::WorkloadStatus& status);
  Result<void> keep_log(const std::string& task_id);
  RunStatus status_of(RunKey key, const Run& run) const;

  const ExecutorRunsOptions options_;
  executor::Executor& executor_;
  std::mutex mutex_;
  std::map<RunKey, Run> runs_;  // guarded by mutex_
};

}  // namespace millrace::control
