// Environments: notebooks and shells that people work in; each is work like any other while it runs, and a volume that
// stays. They are opened by passes, and stopped when nobody uses them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "control/work_view.h"
#include "core/clock.h"
#include "core/result.h"
#include "core/rng.h"
#include "identity/directory.h"
#include "platform/environment_record.h"
#include "platform/work_numbers.h"
#include "store/store.h"

namespace millrace::platform {

enum class EnvironmentStage : std::uint8_t { kStopped, kQueued, kStarting, kRunning, kStopping, kFailed };
/// "stopped", "queued", "starting", "running", "stopping", "failed".
const char* name_of(EnvironmentStage stage);

struct Environment {
  EnvironmentRecord record = {};
  EnvironmentStage stage = EnvironmentStage::kStopped;
  std::string reason_code = {}, reason = {};  // of its work, as of a job's; for people
  std::string host = {};                      // "nb.localhost"
  std::optional<TimePoint> started_at = {}, used_at = {};
  std::optional<TimePoint> stops_at = {};  // it is idle, and will be stopped then unless it is used
  std::int64_t connections = 0;
  std::int64_t cpu_us = 0;  // of its present run
};

struct EnvironmentRequest {
  std::string name = {}, kind = {}, tenant = {}, project = {}, user = {};
  std::int64_t cpu_milli = 1000, memory_mib = 2048;
  std::int32_t accelerators = 0;
  std::string accelerator_kind = {};
  std::optional<std::chrono::seconds> idle = {};  // absent: the installation's
  std::string public_key = {};                    // shell: who may come in
};

struct EnvironmentFilter {
  std::string tenant = {}, project = {};  // empty: all
};

/// What a gateway saw of an environment since it last told.
struct EnvironmentUse {
  std::string name = {};
  std::chrono::milliseconds unused{};  // since it was used last
  std::int64_t connections = 0;
  bool wake = false;  // somebody looks at it: start it
};

/// Whether somebody accepts connections at this unix socket.
bool is_listening(const std::string& socket);

struct EnvironmentOptions {
  std::string volumes = {};      // folder of volumes: <project>/<name>
  std::string sockets = {};      // short folder, for unix sockets
  std::string work_folder = {};  // of works: <name>
  std::string domain = "localhost";
  std::chrono::seconds idle{std::chrono::hours{1}};
  /// Makes a folder that the sandbox's user may write; absent: none are made.
  std::function<Result<void>(const std::string& folder)> make_folder = {};
  /// Why an image cannot be used; success if it can.
  std::function<Result<void>(const std::string& image)> check_image = {};
  /// Whether what runs at this socket can be reached yet.
  std::function<bool(const std::string& socket)> is_ready = is_listening;
};

struct EnvironmentPorts {
  store::Store& store;
  const Clock& clock;
  identity::Directory& directory;
  control::WorkView& view;
  WorkNumbers& numbers;
  Rng& rng;  // cryptographic and thread-safe
};

/// Every method is safe from any thread, and durable on return.
class Environments {
 public:
  Environments(EnvironmentOptions options, EnvironmentPorts ports);

  /// Makes it, with a developer's key of its project for what runs inside, and starts it. Names are host names, unique in
  /// the installation; a volume that an environment of this name and project left is used again. kInvalidArgument naming
  /// the field, kConflict for a name that is taken, kNotFound for an image that is not there.
  Result<Environment> create(const EnvironmentRequest& request);
  Result<Environment> show(std::string_view name) const;
  Result<EnvironmentRecord> record(std::string_view name) const;
  Result<identity::Page<Environment>> list(const EnvironmentFilter& filter, std::size_t limit,
                                           std::string_view after) const;
  /// Starts it where it does not run; one that is still stopping is started when it has stopped.
  Result<Environment> start(std::string_view name);
  Result<Environment> stop(std::string_view name, std::string_view reason);
  /// Forgets it and revokes its key; `with_volume`: what its owner has in it goes, too. kConflict while it has not
  /// stopped; it is told to.
  Result<void> remove(std::string_view name, bool with_volume);
  /// A token for the holder of this key, and a start where needed.
  struct Opened {
    Environment environment;
    std::string token;
    TimePoint expires_at{};
  };
  Result<Opened> open(std::string_view name, std::string_view key_id);

  /// What gateways are told, ordered by name. Looks which ones can be reached by now: an environment is shown as running
  /// once it can, and gateways know.
  Result<std::vector<identity::EnvironmentPolicy>> policies() const;
  /// From a gateway. Cheap; what follows from it is done by tick().
  void report(const std::vector<EnvironmentUse>& uses);
  /// Starts what somebody waits for, and stops what is idle. To be called about once a second.
  Result<void> tick();

 private:
  struct Seen {
    MonotonicPoint used{};                // its start included
    std::optional<TimePoint> used_at;     // by somebody, for people
    std::optional<TimePoint> started_at;  // of the run that it is known of
    std::optional<TimePoint> ready_of;    // start of the run that could be reached
    std::optional<TimePoint> worked_of;   // of the run that the next two are of
    std::int64_t cpu_us = 0;
    MonotonicPoint cpu_at{};
    std::int64_t connections = 0;
  };
  EnvironmentFolders folders_of(const EnvironmentRecord& record) const;
  Result<void> make_folders(const EnvironmentRecord& record) const;
  Environment shown(const EnvironmentRecord& record) const;
  Result<void> start_once(std::string_view name);
  Result<void> stop_once(std::string_view name, std::string_view reason);
  void note_start(const Environment& environment);
  void note_ready(const Environment& environment) const;
  /// True if it is at work.
  bool note_work(const Environment& environment);
  Result<void> tick_one(const EnvironmentRecord& record);
  std::string work_folder(control::WorkloadId work) const;
  std::string socket_path(const EnvironmentRecord& record) const;

  const EnvironmentOptions options_;
  const EnvironmentPorts ports_;
  const MonotonicPoint watched_since_;  // since when its use is known; before that, it counts as used
  mutable std::mutex mutex_;
  mutable std::map<std::string, Seen, std::less<>>
      seen_;                                   // guarded by mutex_; policies() notes who can be reached
  std::set<std::string, std::less<>> wanted_;  // guarded by mutex_: to be started when that can be
};

}  // namespace millrace::platform
