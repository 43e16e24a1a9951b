#include "serving/replicas.h"

#include <fmt/format.h>

#include <algorithm>

#include "serving/engine_command.h"
#include "serving/policy.h"

namespace millrace::serving {
namespace {

constexpr std::chrono::milliseconds kStopGrace{5000};
constexpr std::chrono::minutes kFailureMemory{10};

bool has_ended(const executor::WorkloadStatus& status) {
  return status.state == executor::WorkloadState::kExited || status.state == executor::WorkloadState::kLost;
}

std::string socket_of(const Replica& replica) {
  return replica.workload.data_dir.empty() ? std::string() : replica.workload.data_dir + "/" + kEngineSocket;
}

std::string end_text(const executor::WorkloadStatus& status) {
  if (!status.exit) return "its supervisor was killed";
  if (status.exit->signal != 0) return fmt::format("ended by signal {}", status.exit->signal);
  return fmt::format("ended with exit code {}", status.exit->code);
}

}  // namespace

Result<void> Replicas::refresh() {
  const std::vector<executor::WorkloadStatus> workloads = TRY(executor_.list());
  for (const executor::WorkloadStatus& workload : workloads) {
    auto found = replicas_.find(workload.id);
    if (found == replicas_.end()) {
      auto spec = spec_from_labels(workload.id, workload.labels);
      if (!spec) continue;  // something else's workload
      Replica adopted{.spec = std::move(*spec), .since = clock_.monotonic()};
      // What had ended before we came is started again without counting it.
      if (has_ended(workload)) adopted.phase = Phase::kEnded;
      if (workload.state == executor::WorkloadState::kStopping) adopted.phase = Phase::kStopping;
      found = replicas_.emplace(workload.id, std::move(adopted)).first;
    }
    observe(found->second, workload);
  }
  for (auto& [id, replica] : replicas_) {
    const bool listed = std::any_of(workloads.begin(), workloads.end(),
                                    [&](const auto& w) { return w.id == replica.spec.id; });
    if (!listed && replica.phase != Phase::kEnded) {
      replica.workload = {};
      note_end(replica);
    }
  }
  return {};
}

void Replicas::observe(Replica& replica, const executor::WorkloadStatus& workload) {
  const bool known_end = replica.phase == Phase::kEnded;
  replica.workload = workload;
  if (has_ended(workload)) {
    if (!known_end) note_end(replica);
    return;
  }
  if (known_end) become(replica, Phase::kStarting);
  probe(replica);
}

void Replicas::probe(Replica& replica) {
  const std::string socket = socket_of(replica);
  if (replica.phase == Phase::kDraining) {
    // An engine that cannot say counts as busy, until the drain's time is up.
    replica.busy_slots = prober_.busy_slots(socket).value_or(1);
    return;
  }
  if (replica.phase != Phase::kStarting && replica.phase != Phase::kReady) return;
  const auto health = prober_.health(socket);
  if (!health) {
    if (replica.phase == Phase::kReady && !replica.silent_since) replica.silent_since = clock_.monotonic();
    if (replica.phase == Phase::kStarting) replica.reason = "the engine reads its model";
    return;
  }
  replica.silent_since.reset();
  if (replica.phase == Phase::kReady) return;
  const auto props = prober_.props(socket);
  if (!props) return;
  replica.props = *props;
  replica.reason.clear();
  become(replica, Phase::kReady);
}

bool Replicas::probe_starting() {
  bool any = false;
  for (auto& [id, replica] : replicas_) {
    if (replica.phase != Phase::kStarting) continue;
    probe(replica);
    any = any || replica.phase == Phase::kReady;
  }
  return any;
}

std::optional<std::chrono::milliseconds> Replicas::probe_due(MonotonicPoint now) const {
  using std::chrono::milliseconds;
  std::optional<milliseconds> due;
  for (const auto& [id, replica] : replicas_) {
    if (replica.phase != Phase::kStarting) continue;
    const auto age = std::chrono::duration_cast<milliseconds>(now - replica.since);
    const auto pause = std::clamp(age / 200, milliseconds(2), milliseconds(50));
    due = std::min(due.value_or(pause), pause);
  }
  return due;
}

void Replicas::become(Replica& replica, Phase phase) {
  replica.phase = phase;
  replica.since = clock_.monotonic();
  replica.silent_since.reset();
}

void Replicas::note_end(Replica& replica) {
  const bool wished =
      (replica.phase == Phase::kStopping && !replica.unwanted_stop) || replica.phase == Phase::kDraining;
  if (wished) {
    replica.reason = "stopped";
  } else {
    replica.reason =
        replica.unwanted_stop ? replica.reason : "the engine " + end_text(replica.workload) + "; see its log";
    note_failure(replica);
  }
  replica.unwanted_stop = false;
  become(replica, Phase::kEnded);
}

void Replicas::note_failure(Replica& replica) {
  const MonotonicPoint now = clock_.monotonic();
  std::erase_if(replica.failures, [&](MonotonicPoint at) { return now - at > kFailureMemory; });
  replica.failures.push_back(now);
  const auto next = next_start(replica.failures);
  replica.retry_at =
      next ? clock_.now() + std::chrono::duration_cast<std::chrono::microseconds>(*next - now) : TimePoint{};
}

void Replicas::start(const ReplicaSpec& wanted, std::size_t replicas_in_all) {
  ReplicaSpec spec = wanted;
  Replica& replica = replicas_[spec.id];
  const bool again = replica.spec.generation == spec.generation && !replica.spec.id.empty();
  if (again)
    ++replica.restarts;
  else
    replica = Replica{};
  read_ahead_.begin(spec.model_file);
  std::vector<std::vector<int>> in_use;
  for (const auto& [id, other] : replicas_)
    if (other.phase != Phase::kEnded && id != spec.id) in_use.push_back(other.spec.cpus);
  const std::size_t threads = spec.threads > 0 ? static_cast<std::size_t>(spec.threads)
                                               : default_threads(options_.cpus.size(), replicas_in_all);
  spec.cpus = assign_cpus(options_.cpus, in_use, threads);
  replica.spec = spec;
  become(replica, Phase::kStarting);
  replica.reason = "the engine reads its model";
  const auto started = [&]() -> Result<executor::WorkloadStatus> {
    const ReplicaSpec whole = TRY(complete(spec));
    replica.spec = whole;
    const executor::WorkloadSpec workload = TRY(workload_of(whole, options_.engine));
    return executor_.start(workload, options_.fence);
  }();
  if (started) {
    replica.workload = *started;
    return;
  }
  replica.reason = started.error().message;
  note_failure(replica);
  become(replica, Phase::kEnded);
}

void Replicas::drain(const std::string& id) {
  const auto found = replicas_.find(id);
  if (found == replicas_.end()) return;
  found->second.reason = "finishes its requests";
  found->second.busy_slots = 1;
  become(found->second, Phase::kDraining);
}

void Replicas::stop(const std::string& id, const std::string& why, bool failed) {
  const auto found = replicas_.find(id);
  if (found == replicas_.end()) return;
  Replica& replica = found->second;
  // Asked a second time: the grace is over.
  const auto grace = replica.phase == Phase::kStopping ? std::chrono::milliseconds(0) : kStopGrace;
  replica.unwanted_stop = replica.phase == Phase::kStopping ? replica.unwanted_stop : failed;
  replica.reason = why;
  become(replica, Phase::kStopping);
  if (const auto stopped = executor_.stop(id, grace); !stopped) replica.reason = stopped.error().message;
}

void Replicas::remove(const std::string& id) {
  const auto removed = executor_.remove(id);
  if (removed || removed.error().code == ErrorCode::kNotFound) replicas_.erase(id);
}

std::vector<ReplicaStatus> Replicas::statuses() const {
  std::vector<ReplicaStatus> out;
  for (const auto& [id, replica] : replicas_) out.push_back(status_of(replica));
  return out;
}

ReplicaStatus Replicas::status_of(const Replica& replica) const {
  const ReplicaSpec& spec = replica.spec;
  ReplicaStatus status{.id = spec.id, .endpoint = spec.endpoint, .model = spec.model};
  switch (replica.phase) {
    case Phase::kStarting:
      status.state = ReplicaState::kStarting;
      break;
    case Phase::kReady:
      status.state = ReplicaState::kReady;
      break;
    case Phase::kDraining:
      status.state = ReplicaState::kDraining;
      break;
    case Phase::kStopping:
      status.state = ReplicaState::kStopping;
      break;
    case Phase::kEnded:
      status.state = ReplicaState::kStopped;
      break;
  }
  if (replica.phase == Phase::kEnded && !replica.failures.empty()) {
    status.state = next_start(replica.failures) ? ReplicaState::kFailed : ReplicaState::kCrashLoop;
    status.retry_at = replica.retry_at;
  }
  status.reason = replica.reason;
  status.socket = socket_of(replica);
  status.engine_pid = replica.workload.engine_pid;
  status.supervisor_pid = replica.workload.supervisor_pid;
  status.slots = replica.props.slots > 0 ? replica.props.slots : spec.slots;
  status.context_tokens = replica.props.context_tokens;
  status.template_has_tools = replica.props.template_has_tools;
  status.template_has_reasoning = replica.props.template_has_reasoning;
  status.embeds = spec.embeds;
  status.cpus = spec.cpus;
  status.limits_kind = replica.workload.limits.kind;
  status.memory_limit_bytes = replica.workload.limits.memory_bytes;
  status.restarts = replica.restarts;
  status.started_at = replica.workload.started_at;
  return status;
}

}  // namespace millrace::serving
