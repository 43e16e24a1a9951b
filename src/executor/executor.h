// Executor: the port to what runs workloads in sandboxes, whoever asked for them.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/result.h"

namespace millrace::executor {

/// 0 means no limit.
struct Resources {
  std::int64_t memory_bytes = 0;
  std::int64_t cpu_millis = 0;  // thousandths of a core
  std::int64_t pids = 0;
  std::int64_t open_files = 1024;
  bool operator==(const Resources&) const = default;
};

/// A file or folder of the host that the workload sees at `target`.
struct Mount {
  std::string source;
  std::string target;
  bool writable = false;
  /// The source is a stranger's choice: no symbolic link on its path is followed, and what was found is what is bound,
  /// whatever is put in its place meanwhile.
  bool no_links = false;
  bool operator==(const Mount&) const = default;
};

/// A small file that is there before the program starts, readable by the workload alone, in memory only: never on disk,
/// in no status, no log and no process list.
struct SecretFile {
  std::string target;
  std::string text;
  bool operator==(const SecretFile&) const = default;
};

/// What the workload reaches over IP.
enum class Network : std::uint8_t {
  kNone,
  kForwards,  // 127.0.0.1 of its own, with the forwards of the spec and nothing else
  kHost,      // the host's network
};

/// A port at 127.0.0.1 inside, whose connections the supervisor passes to a socket of the host.
struct Forward {
  std::int32_t port = 0;
  std::string to;  // "127.0.0.1:8080", or the absolute path of a unix socket
  bool operator==(const Forward&) const = default;
};

/// What to run. The workload has no capabilities, an unprivileged user, a private /tmp, and /data: a
/// writable folder of its own, outlived by nothing.
struct WorkloadSpec {
  std::string id = {};    // 1 to 80 of [a-z0-9.-], starting with a letter or digit
  std::string root = {};  // root file system, read-only; "/" is the host's own programs and libraries
  std::vector<Mount> mounts = {};
  std::vector<std::string> argv = {};  // argv[0] is looked up in the root's /usr/bin unless it is a path
  std::map<std::string, std::string> env = {};  // all of it: nothing is inherited
  std::vector<int> cpus = {};                   // logical processors it may use; empty: all
  Resources resources = {};
  std::string workdir = {};  // where it starts, a path inside; empty: /
  std::string unpack_archive =
      {};  // host path of a tar that the workload's own user unpacks into `workdir`, before the
           // program starts, unless that was done there before; empty: none
  std::vector<SecretFile> secrets = {};
  Network network = Network::kNone;
  std::vector<Forward> forwards = {};
  std::int64_t scratch_bytes = 0;  // size of its /tmp, a file system of its own; 0: no bound
  std::int64_t disk_bytes = 0;  // of all writable mounts and /data together; it is killed above; 0: no bound
  std::chrono::milliseconds time_limit{0};  // wall time, then it is stopped as by stop(grace); 0: none
  std::chrono::milliseconds grace{5000};
  int stop_signal = 0;                             // sent first by stop(); 0: SIGTERM
  std::int64_t log_max_bytes = 16 << 20;           // the oldest part is dropped, and the log says so
  std::map<std::string, std::string> labels = {};  // the owner's, handed back by status
  bool operator==(const WorkloadSpec&) const = default;
};

enum class WorkloadState : std::uint8_t {
  kStarting,  // the sandbox is being made
  kRunning,
  kStopping,  // told to stop, still there
  kExited,    // `exit` is set
  kLost,      // its supervisor was killed; the workload died with it
};
const char* name_of(WorkloadState state);

/// Why a workload ended that did not end by itself.
enum class ExitCause : std::uint8_t { kItself, kAsked, kTimeLimit, kMemory, kDisk, kProcesses, kNotStarted };
const char* name_of(ExitCause cause);

struct ExitRecord {
  int code = -1;       // exit status, -1 if a signal ended it
  int signal = 0;      // 0 if it exited
  bool asked = false;  // it was told to stop
  TimePoint at{};      // the start plus the time that it took, whatever the clock was set to meanwhile
  ExitCause cause = ExitCause::kItself;
  std::int64_t cpu_time_us = 0;        // of all its processes, final
  std::int64_t memory_peak_bytes = 0;  // 0: unknown
  bool operator==(const ExitRecord&) const = default;
};

/// Which limits hold, and by what: "cgroup-v2", "cgroup-v1", "rlimits". 0 where a limit is not enforced.
struct Limits {
  std::string kind;
  std::int64_t memory_bytes = 0;
  std::int64_t cpu_millis = 0;
  std::int64_t pids = 0;
  std::string why = {};  // rlimits: why there is no control group
  bool seccomp = false;  // system calls are filtered
  bool operator==(const Limits&) const = default;
};

struct WorkloadStatus {
  std::string id;
  WorkloadState state = WorkloadState::kStarting;
  int supervisor_pid = 0;  // 0 if it is gone
  int engine_pid = 0;      // of the workload itself in the host's pid namespace; 0 if not running
  std::string data_dir;    // host path of its /data
  std::map<std::string, std::string> labels;
  Limits limits;
  TimePoint started_at{};
  std::optional<MonotonicPoint> started;  // the same on the machine's steady clock, where it is known
  /// When this was so: the start plus the time that passed, whatever the clock was set to meanwhile; its end, if it ended.
  /// Of a lost one what its supervisor kept last: at most 5 s before its end, and at least half of its life (but for the
  /// first second).
  TimePoint seen_at{};
  std::int64_t cpu_time_us = 0;  // of the workload, up to then
  std::optional<ExitRecord> exit;
};

/// A piece of a workload's output. Offsets count all bytes it ever wrote; old ones are dropped, so `from` may be
/// above what was asked for: at the begin of a line then, and the text starts with a line more that says so.
struct LogPiece {
  std::int64_t from = 0;
  std::string text;       // may end inside a line or a character
  std::int64_t next = 0;  // where to go on; equal to `from` if there is no more
};

/// Every method is safe from any thread. Methods that take an id answer kNotFound if it was never started or is
/// removed; any other error says nothing of whether it is there or has ended.
class Executor {
 public:
  virtual ~Executor() = default;

  /// Starts it, or answers the status of the one of this id that is there and not ended (whatever its spec). One
  /// that has ended is replaced. kDenied if a higher fence was used before; kInvalidArgument if the spec cannot be
  /// run as it is. A workload that cannot be executed is started and ends at once: status and log tell why.
  virtual Result<WorkloadStatus> start(const WorkloadSpec& spec, std::int64_t fence) = 0;

  /// Asks it to end, and kills it after `grace`: the spec's stop signal at once and SIGTERM after half of the grace, or
  /// SIGTERM at once if the spec names none. The signals go to the program itself; the kill is for all its processes.
  /// Returns at once; success if it has ended already. A second one can only shorten the grace.
  virtual Result<void> stop(const std::string& id, std::chrono::milliseconds grace) = 0;

  /// Changes how much processor time it may use (0: no limit), for its present run. kUnavailable, with the reason, if
  /// there is no control group to do it with. Success if it has ended.
  virtual Result<void> set_cpu(const std::string& id, std::int64_t cpu_millis) = 0;

  /// Everything started and not removed, by this object or an earlier one on the same folder, ordered by id.
  virtual Result<std::vector<WorkloadStatus>> list() = 0;
  virtual Result<WorkloadStatus> status(const std::string& id) = 0;

  /// `from` below 0 counts from the end. At most `max` bytes. Works after the end, too.
  virtual Result<LogPiece> log(const std::string& id, std::int64_t from, std::size_t max) = 0;

  /// Forgets one that has ended, with its log. kConflict if it has not ended.
  virtual Result<void> remove(const std::string& id) = 0;

  /// Blocks until a workload seen by list() or started has ended, wake() was called, or the time is up.
  virtual void wait_event(std::chrono::milliseconds timeout) = 0;
  /// Ends the present or the next wait_event.
  virtual void wake() = 0;
  /// Ids of workloads that were seen to end since the last call, each once; status() tells how. A hint that saves
  /// looking at all of them: what ended while nobody watched is only found by list().
  virtual std::vector<std::string> take_ended() = 0;
};

/// kInvalidArgument naming the field, if no executor can run this.
Result<void> check_spec(const WorkloadSpec& spec);

}  // namespace millrace::executor
