#include "control/executor_runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <thread>

#include "executor/log_file.h"

namespace millrace::control {
namespace {

using executor::ExitCause;
using executor::WorkloadState;
using executor::WorkloadStatus;
using std::chrono::milliseconds;

constexpr std::int64_t kMiB = 1 << 20;
constexpr std::int32_t kGatewayPort = 8080;  // inside the sandbox
constexpr std::int64_t kPids = 4096;
constexpr std::int64_t kOpenFiles = 8192;
constexpr milliseconds kGangGrace{5000};  // for the other tasks, when one has failed
constexpr std::size_t kLogPiece = 1 << 20;

constexpr const char* kWorkLabel = "work";
constexpr const char* kRunLabel = "run";
constexpr const char* kTaskLabel = "task";
constexpr const char* kTasksLabel = "tasks";

std::string task_id(RunKey key, std::int32_t task) {
  return fmt::format("w{}.{}.r{}.t{}", number_of(key.id), index_of(key.id), key.run, task);
}

template <typename Number>
std::optional<Number> number_label(const WorkloadStatus& status, const char* name) {
  const auto found = status.labels.find(name);
  if (found == status.labels.end()) return std::nullopt;
  Number number{};
  const std::string& text = found->second;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

bool is_over(const WorkloadStatus& status) {
  return status.state == WorkloadState::kExited || status.state == WorkloadState::kLost;
}

std::string devices_text(std::uint32_t devices) {
  std::string text;
  for (int i = 0; i < scheduler::kDevicesMax; ++i) {
    if ((devices >> i & 1U) != 0) text += (text.empty() ? "" : ",") + std::to_string(i);
  }
  return text;
}

/// Of every task of the run. What the platform binds counts, whatever its owner set under these names.
std::map<std::string, std::string> environment_of(const WantedWork& work, const StartRun& run,
                                                  std::size_t tasks) {
  std::map<std::string, std::string> env = {{"PATH", "/usr/local/bin:/usr/bin:/bin"},
                                            {"HOME", "/work"},
                                            {"LANG", "C.UTF-8"},
                                            {"PYTHONUNBUFFERED", "1"}};
  for (const auto& [name, value] : work.program.env) env[name] = value;
  env["MILLRACE_JOB"] = work.name;
  env["MILLRACE_RUN"] = std::to_string(run.run);
  env["MILLRACE_TASKS"] = std::to_string(tasks);
  env["MILLRACE_ARRAY_INDEX"] = std::to_string(index_of(work.id));
  env["MILLRACE_OUTPUT"] = "/output";
  return env;
}

/// What differs from task to task.
void set_task(executor::WorkloadSpec& spec, RunKey key, std::int32_t task, const NamedPlace& place) {
  spec.id = task_id(key, task);
  spec.labels[kTaskLabel] = std::to_string(task);
  spec.env["MILLRACE_TASK"] = std::to_string(task);
  spec.env["MILLRACE_NODE"] = place.node;
  const std::string devices = devices_text(place.devices);
  for (const char* const name :
       {"MILLRACE_ACCELERATORS", "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ASCEND_RT_VISIBLE_DEVICES"})
    spec.env[name] = devices;
}

/// A power cap is a share of the processor time that the work was given.
std::int64_t capped(std::int64_t cpu_milli, std::int32_t cap_milli) {
  return std::max<std::int64_t>(cpu_milli * cap_milli / 1000, 10);
}

std::string why_of(const WorkloadStatus& status) {
  switch (status.exit->cause) {
    case ExitCause::kMemory:
      return "used more memory than it asked for, and was killed";
    case ExitCause::kDisk:
      return "wrote more than its disk limit, and was killed";
    case ExitCause::kProcesses:
      return "had more processes and threads than it may, and was killed";
    case ExitCause::kNotStarted:
      return "could not be started; its log says why";
    case ExitCause::kItself:
    case ExitCause::kAsked:
    case ExitCause::kTimeLimit:
      break;
  }
  if (status.exit->signal != 0) return fmt::format("was ended by signal {}", status.exit->signal);
  return {};
}

/// Of one task; later ones weigh more.
Exit exit_of(const WorkloadStatus& status) {
  if (status.state == WorkloadState::kLost || !status.exit) return Exit::kLost;
  switch (status.exit->cause) {
    case ExitCause::kTimeLimit:
      return Exit::kTimedOut;
    case ExitCause::kMemory:
    case ExitCause::kDisk:
    case ExitCause::kProcesses:
    case ExitCause::kNotStarted:
      return Exit::kFailed;
    case ExitCause::kAsked:
      return Exit::kStopped;
    case ExitCause::kItself:
      break;
  }
  if (status.exit->asked) return Exit::kStopped;
  return status.exit->code == 0 ? Exit::kDone : Exit::kFailed;
}

/// The task that started first, of those that told when. The clock may be set between two starts, so the steady one tells,
/// where it is known.
const WorkloadStatus& first_of(const std::vector<WorkloadStatus>& tasks) {
  const auto told = [](const WorkloadStatus& task) { return task.started_at != TimePoint{}; };
  const bool is_steady =
      std::ranges::all_of(tasks, [&](const auto& task) { return task.started || !told(task); });
  return *std::ranges::min_element(tasks, [&](const WorkloadStatus& a, const WorkloadStatus& b) {
    if (!told(a) || !told(b)) return told(a) && !told(b);
    return is_steady ? *a.started < *b.started : a.started_at < b.started_at;
  });
}

/// What takes the other's times to those of `first`: by how far the clock was set back between their starts.
std::chrono::microseconds set_between(const WorkloadStatus& first, const WorkloadStatus& other) {
  if (!first.started || !other.started) return {};
  const auto later = std::chrono::duration_cast<std::chrono::microseconds>(*other.started - *first.started);
  return later - (other.started_at - first.started_at);
}

int weight_of(Exit exit) {
  switch (exit) {
    case Exit::kTimedOut:
      return 4;
    case Exit::kFailed:
      return 3;
    case Exit::kLost:
      return 2;
    case Exit::kStopped:
      return 1;
    default:
      return 0;
  }
}

}  // namespace

Result<std::vector<executor::WorkloadSpec>> task_specs(const WantedWork& work, const StartRun& run,
                                                       const std::vector<NamedPlace>& places,
                                                       const ExecutorRunsOptions& options) {
  const Program& program = work.program;
  const RunKey key{run.id, run.run};
  executor::WorkloadSpec spec;
  spec.root = TRY(options.image_root(program.image));
  const std::string folder = options.work_folder + "/" + work.name;
  spec.mounts = {{folder + "/dir", "/work", true}, {folder + "/output", "/output", true}};
  for (const WorkMount& mount : program.mounts)
    spec.mounts.push_back({mount.source, mount.path, mount.writable, work.kind == WorkKind::kJob});
  spec.argv = program.command;
  spec.env = environment_of(work, run, places.size());
  spec.resources = {.memory_bytes = work.demand.memory_mib * kMiB,
                    .cpu_millis = capped(work.demand.cpu_milli, run.cap_milli),
                    .pids = kPids,
                    .open_files = kOpenFiles};
  spec.workdir = "/work";
  spec.unpack_archive = program.workdir_archive;
  for (const SecretFile& secret : program.secrets)
    spec.secrets.push_back({secret.path, TRY(options.secret(work.project, secret.name))});
  if (program.host_network) {
    spec.network = executor::Network::kHost;
  } else if (!options.gateway.empty()) {
    spec.network = executor::Network::kForwards;
    spec.forwards = {{.port = kGatewayPort, .to = options.gateway}};
    const std::string url = fmt::format("http://127.0.0.1:{}", kGatewayPort);
    spec.env.try_emplace("MILLRACE_URL", url);
    spec.env.try_emplace("OPENAI_BASE_URL", url + "/v1");
    spec.env.try_emplace("ANTHROPIC_BASE_URL", url);
  }
  spec.scratch_bytes = program.scratch_bytes;
  spec.disk_bytes = program.disk_bytes;
  if (work.time_limit) spec.time_limit = *work.time_limit;
  spec.grace = work.grace;
  spec.stop_signal = work.checkpoint_signal;
  spec.log_max_bytes = program.log_max_bytes;
  spec.labels = {{kWorkLabel, std::to_string(key.id)},
                 {kRunLabel, std::to_string(key.run)},
                 {kTasksLabel, std::to_string(places.size())}};
  std::vector<executor::WorkloadSpec> specs(places.size(), spec);
  for (std::size_t task = 0; task < places.size(); ++task)
    set_task(specs[task], key, static_cast<std::int32_t>(task), places[task]);
  return specs;
}

RunEnd run_end(const std::vector<WorkloadStatus>& tasks) {
  RunEnd end{.exit = Exit::kDone, .why = {}, .exit_code = 0};
  const WorkloadStatus& first = first_of(tasks);
  end.started_at = first.started_at;
  for (const WorkloadStatus& task : tasks) {
    const TimePoint until = task.exit ? task.exit->at : task.seen_at;
    end.ended_at = std::max(end.ended_at, until + set_between(first, task));
    if (task.exit) {
      end.cpu_us += task.exit->cpu_time_us > 0 ? task.exit->cpu_time_us : task.cpu_time_us;
    } else {
      end.cpu_us += task.cpu_time_us;
    }
    const Exit exit = exit_of(task);
    if (exit == Exit::kDone || weight_of(exit) <= weight_of(end.exit)) continue;
    end.exit = exit;
    end.exit_code.reset();
    end.why = task.exit ? why_of(task) : "its supervisor was lost";
    if (task.exit) end.exit_code = task.exit->signal != 0 ? 128 + task.exit->signal : task.exit->code;
  }
  end.ended_at = std::max(end.ended_at, end.started_at);
  return end;
}

Result<void> ExecutorRuns::start(const WantedWork& work, const StartRun& run,
                                 const std::vector<NamedPlace>& places) {
  const RunKey key{run.id, run.run};
  const auto tasks = static_cast<std::int32_t>(places.size());
  if (was_there(key, tasks)) {
    const std::lock_guard lock(mutex_);
    runs_[key].tasks = tasks;
    return {};
  }
  const std::string folder = options_.work_folder + "/" + work.name;
  if (options_.make_folder) {
    TRY_VOID(options_.make_folder(folder + "/dir"));
    TRY_VOID(options_.make_folder(folder + "/output"));
  }
  const auto specs = TRY(task_specs(work, run, places, options_));
  {
    const std::lock_guard lock(mutex_);
    runs_[key].tasks = tasks;
  }
  for (std::size_t task = 0; task < specs.size(); ++task) {
    if (was_there(specs[task].id)) continue;
    if (const auto started = executor_.start(specs[task], options_.fence); !started) {
      withdraw(key, static_cast<std::int32_t>(task));
      return std::unexpected(started.error());
    }
  }
  return {};
}

// Most of a start is waiting for a sandbox to be set up, and for work with little processor time that is long.
std::vector<Result<void>> ExecutorRuns::start_all(std::span<const Begin> begins) {
  constexpr std::size_t kAtOnce = 8;
  std::vector<Result<void>> results(begins.size());
  std::atomic<std::size_t> next = 0;
  const auto some = [&] {
    for (std::size_t i = next++; i < begins.size(); i = next++)
      results[i] = start(*begins[i].work, *begins[i].run, begins[i].places);
  };
  std::vector<std::jthread> others;
  for (std::size_t i = 1; i < std::min(begins.size(), kAtOnce); ++i) others.emplace_back(some);
  some();
  others.clear();
  return results;
}

// Told twice of a run, as after a crash: what ran and ended meanwhile would be replaced, and run a second time. What still
// runs may be lost between this look and the start: it counts too, and so does what cannot be asked.
bool ExecutorRuns::was_there(const std::string& id) {
  const auto status = executor_.status(id);
  if (!status) return status.error().code != ErrorCode::kNotFound;
  return status->exit || status->started_at != TimePoint{};
}

// Whole: whatever its start needed, an image or a secret, may be gone since.
bool ExecutorRuns::was_there(RunKey key, std::int32_t tasks) {
  for (std::int32_t task = 0; task < tasks; ++task) {
    if (!was_there(task_id(key, task))) return false;
  }
  return true;
}

// All or nothing: what was started of the gang is stopped. It ends as a run of so many tasks, to be forgotten.
void ExecutorRuns::withdraw(RunKey key, std::int32_t started) {
  {
    const std::lock_guard lock(mutex_);
    if (started == 0) {
      runs_.erase(key);
    } else {
      runs_[key].tasks = started;
    }
  }
  for (std::int32_t task = 0; task < started; ++task)
    (void)executor_.stop(task_id(key, task), milliseconds(0));
}

Result<void> ExecutorRuns::stop(const WantedWork& /*work*/, const StopRun& stop) {
  const RunKey key{stop.id, stop.run};
  std::int32_t tasks = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto at = runs_.find(key);
    if (at == runs_.end()) return {};
    tasks = at->second.tasks;
  }
  const auto grace = std::chrono::ceil<milliseconds>(stop.grace);
  for (std::int32_t task = 0; task < tasks; ++task) {
    const auto told = executor_.stop(task_id(key, task), grace);
    if (!told && told.error().code != ErrorCode::kNotFound) return told;
  }
  return {};
}

Result<void> ExecutorRuns::cap(const WantedWork& work, const CapRun& cap) {
  const RunKey key{cap.id, cap.run};
  for (std::int32_t task = 0; task < work.tasks; ++task) {
    const auto told = executor_.set_cpu(task_id(key, task), capped(work.demand.cpu_milli, cap.cap_milli));
    if (!told && told.error().code != ErrorCode::kNotFound) return told;
  }
  return {};
}

void ExecutorRuns::take(const WorkloadStatus& status) {
  const auto id = number_label<WorkloadId>(status, kWorkLabel);
  const auto run = number_label<std::uint32_t>(status, kRunLabel);
  const auto task = number_label<std::int32_t>(status, kTaskLabel);
  const auto tasks = number_label<std::int32_t>(status, kTasksLabel);
  if (!id || !run || !task || !tasks) return;
  const RunKey key{*id, *run};
  std::vector<std::string> others;
  {
    const std::lock_guard lock(mutex_);
    Run& known = runs_.try_emplace(key, Run{.tasks = *tasks}).first->second;
    if (!is_over(status)) return;
    known.over.insert_or_assign(*task, status);
    const bool has_failed = exit_of(status) != Exit::kDone;
    if (!has_failed || known.is_whole() || known.is_stopping) return;
    known.is_stopping = true;
    for (std::int32_t other = 0; other < known.tasks; ++other) {
      if (!known.over.contains(other)) others.push_back(task_id(key, other));
    }
  }
  for (const std::string& other : others) (void)executor_.stop(other, kGangGrace);
}

RunStatus ExecutorRuns::status_of(RunKey key, const Run& run) const {
  RunStatus status{.key = key, .is_running = true, .started_at = {}, .cpu_us = 0, .end = {}};
  if (!run.is_whole()) return status;
  std::vector<WorkloadStatus> tasks;
  for (const auto& [task, each] : run.over) tasks.push_back(each);
  status.end = run_end(tasks);
  status.started_at = status.end->started_at;
  return status;
}

Result<std::vector<RunStatus>> ExecutorRuns::ended() {
  for (const std::string& id : executor_.take_ended()) {
    if (const auto status = executor_.status(id)) take(*status);
  }
  const std::lock_guard lock(mutex_);
  std::vector<RunStatus> out;
  for (const auto& [key, run] : runs_) {
    if (run.is_whole()) out.push_back(status_of(key, run));
  }
  return out;
}

Result<std::vector<RunStatus>> ExecutorRuns::all() {
  for (const auto& status : TRY(executor_.list())) take(status);
  const std::lock_guard lock(mutex_);
  std::vector<RunStatus> out;
  for (const auto& [key, run] : runs_) out.push_back(status_of(key, run));
  return out;
}

Result<RunStatus> ExecutorRuns::status(RunKey key) {
  RunStatus status;
  std::int32_t tasks = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto at = runs_.find(key);
    if (at == runs_.end()) return failure(ErrorCode::kNotFound, "there is no such run");
    status = status_of(key, at->second);
    tasks = at->second.tasks;
  }
  if (status.end) return status;
  for (std::int32_t task = 0; task < tasks; ++task) {
    const auto each = executor_.status(task_id(key, task));
    if (!each) continue;
    status.cpu_us += each->cpu_time_us;
    status.started_at =
        status.started_at == TimePoint{} ? each->started_at : std::min(status.started_at, each->started_at);
  }
  return status;
}

Result<ReplicaLog> ExecutorRuns::log(RunKey key, std::int32_t task, std::int64_t from, std::size_t max) {
  const std::string id = task_id(key, task);
  auto piece = executor_.log(id, from, max);
  // One that wrote nothing, or long ago, has no log: that is an empty piece.
  if (!piece && !options_.log_folder.empty())
    piece = executor::read_log(options_.log_folder + "/" + id, from, max);
  if (!piece) return ReplicaLog{};
  return ReplicaLog{piece->from, std::move(piece->text), piece->next};
}

// The executor's own records go; what the task wrote stays.
Result<void> ExecutorRuns::keep_log(const std::string& id) {
  std::string all;
  for (std::int64_t from = 0;;) {
    const auto piece = executor_.log(id, from, kLogPiece);
    if (!piece && piece.error().code != ErrorCode::kNotFound) return std::unexpected(piece.error());
    if (!piece || piece->text.empty()) break;
    all += piece->text;
    from = piece->next;
  }
  return all.empty() ? Result<void>{} : executor::write_log(options_.log_folder + "/" + id, all);
}

// All or nothing: of a gang without some of its tasks nobody could tell any more that it has ended.
void ExecutorRuns::forget(RunKey key) {
  std::int32_t tasks = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto at = runs_.find(key);
    if (at == runs_.end() || !at->second.is_whole()) return;
    tasks = at->second.tasks;
  }
  for (std::int32_t task = 0; task < tasks && !options_.log_folder.empty(); ++task) {
    if (!keep_log(task_id(key, task))) return;  // told again in the next pass
  }
  for (std::int32_t task = 0; task < tasks; ++task) (void)executor_.remove(task_id(key, task));
  const std::lock_guard lock(mutex_);
  runs_.erase(key);
}

}  // namespace millrace::control
