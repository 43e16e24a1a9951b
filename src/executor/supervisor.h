// Supervisor: one thread that owns one sandboxed process: its start, log, limits, network, stop and exit record.
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "executor/cgroup.h"
#include "executor/disk_use.h"
#include "executor/forwarder.h"
#include "executor/inside/channel.h"
#include "executor/launch.h"
#include "executor/log_file.h"
#include "executor/process_use.h"
#include "executor/protocol.h"
#include "executor/spec.h"
#include "host/fd.h"
#include "host/system_clock.h"

namespace millrace::executor {

inline constexpr int kNotStartedCode = 127;  // as shells say it

/// Everything below is touched by the one thread only. Its end is in supervisor_end.cc.
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

  Supervisor(std::string folder, SupervisorSpec spec, LogWriter log, host::Fd lock);

  // The sandbox's life, in this order.
  Result<void> prepare();
  Result<void> start_sandbox();
  Result<void> confine();
  void limit_without_group();
  void on_inside();
  void on_hello(pid_t init);
  void on_unpacked();
  void on_running();
  void on_bwrap_end(int wait_status);
  ExitRecord exit_record(int bwrap_code) const;
  Result<void> finish();

  // The loop and what it hears of.
  Result<void> loop();
  int poll_timeout_ms() const;
  void on_signals();
  void on_output();
  void on_accept();
  bool on_client(Client& client);
  std::string answer(std::string_view line);
  void on_time();

  // Ends and limits.
  void begin_stop(std::chrono::milliseconds grace, ExitCause cause);
  void kill_all();
  void fail(const std::string& why);
  void watch_disk();
  void watch_processes();
  Result<void> set_cpu(std::int64_t cpu_millis);

  std::string unpack_marker() const;
  WorkloadStatus status() const;
  TimePoint now_since_start() const;
  void keep_state() const;
  void note(const std::string& text);

  const host::SystemClock clock_;
  const std::string folder_;
  const SupervisorSpec spec_;
  LogWriter log_;
  const host::Fd lock_;
  host::Fd ready_, signals_, listener_, output_, channel_;
  std::vector<Client> clients_;
  std::optional<Cgroup> cgroup_;
  std::optional<Forwarder> forwarder_;
  DiskUse disk_;
  Limits limits_{.kind = "rlimits"};
  WorkloadState state_ = WorkloadState::kStarting;
  bool unpack_ = false;
  bool in_group_ = false;    // bwrap was born in cgroup_
  pid_t bwrap_pid_ = 0;      // our child
  pid_t init_pid_ = 0;       // first process of the sandbox: killing it ends all of it
  pid_t engine_pid_ = 0;     // the workload itself
  host::Fd init_, program_;  // handles of the two
  TimePoint started_at_{};
  MonotonicPoint started_{};
  std::optional<MonotonicPoint> hello_by_, limit_at_, term_at_, kill_at_, kill_hard_at_, walk_at_, beat_at_,
      look_at_;
  bool counts_memory_ = false, counts_threads_ = false;  // by looking: no control group does
  ScratchUse scratch_;
  MonotonicPoint walk_since_{}, walked_{};  // begin of this walk, and of the last one that was whole
  std::int64_t walked_bytes_ = 0;
  bool walking_ = false;
  std::optional<ExitCause> cause_;
  std::optional<inside::Ended> ended_;
  std::optional<ExitRecord> exit_;
};

}  // namespace millrace::executor
