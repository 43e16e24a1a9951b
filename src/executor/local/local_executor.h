// LocalExecutor: workloads as sandboxed processes of this machine, one supervisor process each.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "executor/executor.h"
#include "host/fd.h"

namespace millrace::executor {

struct LocalOptions {
  std::string folder;       // state of workloads, one folder each; made with mode 0700
  std::string runtime_dir;  // short path for sockets (host::runtime_dir)
  std::vector<std::string>
      supervise_argv;  // program and arguments that precede the folder: {"/usr/bin/millrace", "supervise"}
  std::chrono::milliseconds start_timeout{10000};
};

/// Supervisors outlive this object and its process, and the next one on the same folder finds them again.
class LocalExecutor final : public Executor {
 public:
  static Result<std::unique_ptr<LocalExecutor>> create(LocalOptions options);

  Result<WorkloadStatus> start(const WorkloadSpec& spec, std::int64_t fence) override;
  Result<void> stop(const std::string& id, std::chrono::milliseconds grace) override;
  Result<void> set_cpu(const std::string& id, std::int64_t cpu_millis) override;
  Result<std::vector<WorkloadStatus>> list() override;
  Result<WorkloadStatus> status(const std::string& id) override;
  Result<LogPiece> log(const std::string& id, std::int64_t from, std::size_t max) override;
  Result<void> remove(const std::string& id) override;
  void wait_event(std::chrono::milliseconds timeout) override;
  void wake() override;
  std::vector<std::string> take_ended() override;

 private:
  LocalExecutor(LocalOptions options, host::Fd wake_fd)
      : options_(std::move(options)), wake_fd_(std::move(wake_fd)) {}
  std::string folder_of(const std::string& id) const { return options_.folder + "/" + id; }
  std::string spec_of(const std::string& id) const { return folder_of(id) + "/spec.json"; }
  std::string control_socket(const std::string& id) const;
  std::string data_dir(const std::string& id) const;
  Result<void> check_fence(std::int64_t fence);
  Result<host::Fd> launch(const WorkloadSpec& spec);
  Result<WorkloadStatus> wait_started(const std::string& id, const host::Fd& ready);
  Result<WorkloadStatus> read_status(const std::string& id);
  Result<WorkloadStatus> ended_status(const std::string& id, const WorkloadSpec& spec) const;
  void watch(const WorkloadStatus& status);

  /// One start or remove of an id at a time; others go on meanwhile.
  class Turn {
   public:
    Turn(LocalExecutor& executor, const std::string& id);
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn();

   private:
    LocalExecutor& executor_;
    const std::string id_;
  };

  const LocalOptions options_;
  const host::Fd wake_fd_;  // eventfd
  std::mutex start_mutex_;  // one launch or remove at a time
  std::mutex turn_mutex_;
  std::condition_variable turn_over_;
  std::set<std::string> taken_;  // ids that are started or removed now; guarded by turn_mutex_
  std::mutex watch_mutex_;
  struct Watched {
    std::string id;
    std::shared_ptr<host::Fd> pidfd;
  };
  std::map<pid_t, Watched> watched_;  // by the supervisor's pid; guarded by watch_mutex_
  std::set<std::string> ended_;       // not yet taken; guarded by watch_mutex_
};

}  // namespace millrace::executor
