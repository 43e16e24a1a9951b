// Supervisor: one thread that owns one sandboxed process: its start, log, limits, stop and exit record.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "executor/cgroup.h"
#include "executor/log_file.h"
#include "executor/protocol.h"
#include "executor/spec.h"
#include "host/fd.h"
#include "host/system_clock.h"

namespace millrace::executor {

/// Everything below is touched by the one thread only.
class Supervisor {
 public:
  /// Returns after the workload's end, with FOLDER/exit.json written. kConflict if another supervisor has the folder.
  static Result<void> run(const std::string& folder);

 private:
  struct Client {
    host::Fd fd;
    std::string received;
    MonotonicPoint since{};
  };

  Supervisor(std::string folder, SupervisorSpec spec, LogWriter log, host::Fd lock)
      : folder_(std::move(folder)), spec_(std::move(spec)), log_(std::move(log)), lock_(std::move(lock)) {}
  Result<void> prepare();
  Result<void> start_sandbox();
  Result<void> confine();
  void find_engine();
  Result<void> loop();
  int poll_timeout_ms() const;
  void on_signals();
  void on_output();
  void on_accept();
  bool on_client(Client& client);
  std::string answer(std::string_view line);
  Result<void> set_cpu(std::int64_t cpu_millis);
  void begin_stop(std::chrono::milliseconds grace);
  void enforce_deadline();
  void reap();
  Result<void> finish();
  WorkloadStatus status() const;
  void note(const std::string& text);

  const host::SystemClock clock_;
  const std::string folder_;
  const SupervisorSpec spec_;
  LogWriter log_;
  const host::Fd lock_;
  host::Fd signals_, listener_, output_;
  std::vector<Client> clients_;
  std::optional<Cgroup> cgroup_;
  Limits limits_{.kind = "rlimits"};
  WorkloadState state_ = WorkloadState::kStarting;
  pid_t bwrap_pid_ = 0;   // our child
  pid_t init_pid_ = 0;    // first process of the sandbox: killing it ends all of it
  pid_t engine_pid_ = 0;  // the workload itself
  std::int64_t cpu_time_us_ = 0;
  TimePoint started_at_{};
  std::optional<MonotonicPoint> kill_at_;
  bool asked_ = false;
  std::optional<ExitRecord> exit_;
};

}  // namespace millrace::executor
