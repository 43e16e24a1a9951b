#include "platform/environments.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "host/fd.h"
#include "host/file.h"
#include "host/sha256.h"
#include "host/ssh_key.h"
#include "identity/environment_pass.h"
#include "identity/secrets.h"
#include "platform/idle.h"

namespace millrace::platform {
namespace {

using control::WorkState;

constexpr std::array kStageNames = {"stopped", "queued", "starting", "running", "stopping", "failed"};
constexpr std::int64_t kCpuMax = 1'000'000, kMemoryMax = 64 << 20;
constexpr std::chrono::hours kIdleMax{24 * 365};

std::unexpected<Error> bad(std::string_view what) {
  return failure(ErrorCode::kInvalidArgument, std::string(what));
}

std::string key_of(std::string_view name) { return std::string(kEnvironmentPrefix) + std::string(name); }

Result<store::Record> must_get(const store::Store& store, std::string_view name) {
  auto record = store.get(key_of(name));
  if (!record && record.error().code == ErrorCode::kNotFound) {
    return failure(ErrorCode::kNotFound, fmt::format("there is no environment '{}'", name.substr(0, 64)));
  }
  return record;
}

Result<void> check(const EnvironmentRequest& request) {
  if (!is_environment_name(request.name)) {
    return bad(
        "name: want 1 to 63 of a-z, 0-9 and '-', starting and ending with a letter or digit: it is a host "
        "name");
  }
  if (request.kind != kJupyter && request.kind != kShell) return bad("kind: want jupyter or shell");
  if (request.cpu_milli < 100 || request.cpu_milli > kCpuMax) return bad("cpus: want from 0.1 to 1000");
  if (request.memory_mib < 256 || request.memory_mib > kMemoryMax)
    return bad("memory: want from 256 MiB to 64 TiB");
  if (request.accelerators < 0 || request.accelerators > 32) return bad("accelerators: want from 0 to 32");
  if (request.idle && (request.idle->count() < 0 || *request.idle > kIdleMax)) {
    return bad("idle: want from 0 (never) to a year");
  }
  if (request.kind == kShell && request.public_key.empty()) {
    return bad("public_key: a shell is reached by ssh; give the key that may come in");
  }
  if (request.kind != kShell && !request.public_key.empty()) return bad("public_key: is for shells only");
  return {};
}

void put_secret(store::Transaction& change, std::string_view project, std::string_view name,
                std::string text) {
  change.put.push_back({fmt::format("{}{}/{}", identity::kSecretPrefix, project, name), std::move(text)});
}

identity::KeyDigest random_secret(Rng& rng) {
  identity::KeyDigest secret{};
  for (std::size_t i = 0; i < secret.size(); i += 8) {
    std::uint64_t word = rng.next();
    for (std::size_t k = 0; k < 8; ++k, word >>= 8) secret[i + k] = static_cast<std::uint8_t>(word);
  }
  return secret;
}

struct Stage {
  EnvironmentStage stage;
  std::string reason, reason_code = {};
};

Stage stage_of(const EnvironmentRecord& record, const Result<control::ObservedWork>& work) {
  const bool over = record.work == 0 || (work && control::is_over(work->state));
  if (!record.wanted) {
    const bool is_unseen = !work && work.error().code == ErrorCode::kNotFound;
    if (over || is_unseen) return {EnvironmentStage::kStopped, record.reason};
    return {EnvironmentStage::kStopping, record.reason};
  }
  if (!work) return {EnvironmentStage::kStarting, "waits for the control loop to take it up", "submitted"};
  switch (work->state) {
    case WorkState::kQueued:
      return {EnvironmentStage::kQueued, work->reason, work->reason_code};
    case WorkState::kStarting:
      return {EnvironmentStage::kStarting, work->reason};
    case WorkState::kRunning:
      return {EnvironmentStage::kRunning, {}};
    case WorkState::kPausing:
      return {EnvironmentStage::kStopping, work->reason};
    case WorkState::kSucceeded:
    case WorkState::kCancelled:
      return {EnvironmentStage::kStopped, work->reason.empty() ? "it ended by itself" : work->reason};
    case WorkState::kFailed:
    case WorkState::kTimedOut:
    case WorkState::kLost:
      break;
  }
  return {EnvironmentStage::kFailed, work->reason.empty() ? "it broke; see its log" : work->reason};
}

bool runs_or_will(EnvironmentStage stage) {
  return stage == EnvironmentStage::kQueued || stage == EnvironmentStage::kStarting ||
         stage == EnvironmentStage::kRunning;
}

}  // namespace

bool is_listening(const std::string& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() >= sizeof address.sun_path) return false;
  std::ranges::copy(socket, std::begin(address.sun_path));
  const host::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return false;
  // EAGAIN: more wait to be let in than it takes.
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
         errno == EAGAIN;
}

const char* name_of(EnvironmentStage stage) { return kStageNames.at(static_cast<std::size_t>(stage)); }

Environments::Environments(EnvironmentOptions options, EnvironmentPorts ports)
    : options_(std::move(options)), ports_(ports), watched_since_(ports.clock.monotonic()) {}

// ---- what there is ------------------------------------------------------------------------------------------------

EnvironmentFolders Environments::folders_of(const EnvironmentRecord& record) const {
  return {.volume = fmt::format("{}/{}/{}", options_.volumes, record.project, record.name),
          .socket = fmt::format("{}/e-{}", options_.sockets, host::sha256_hex(record.name).substr(0, 12))};
}

std::string Environments::work_folder(control::WorkloadId work) const {
  return fmt::format("{}/{}", options_.work_folder, control::number_of(work));
}

std::string Environments::socket_path(const EnvironmentRecord& record) const {
  return folders_of(record).socket + "/env.sock";
}

Environment Environments::shown(const EnvironmentRecord& record) const {
  const auto work = record.work == 0 ? failure(ErrorCode::kNotFound, "") : ports_.view.find(record.work);
  auto [stage, reason, reason_code] = stage_of(record, work);
  const bool runs = stage == EnvironmentStage::kRunning && work;
  Environment environment{
      .record = record, .stage = stage, .reason_code = std::move(reason_code), .reason = std::move(reason)};
  environment.host = record.name + "." + options_.domain;
  const std::lock_guard lock(mutex_);
  const auto seen = seen_.find(record.name);
  if (seen != seen_.end()) {
    environment.used_at = seen->second.used_at;
    environment.connections = seen->second.connections;
  }
  if (!runs) return environment;
  environment.started_at = work->started_at;
  environment.cpu_us = work->cpu_us;
  if (seen == seen_.end() || seen->second.ready_of != work->started_at) {
    environment.stage = EnvironmentStage::kStarting;
    environment.reason = "it runs, but cannot be reached yet";
  }
  // Of a start that is not noted yet: it is new.
  if (seen == seen_.end() || seen->second.started_at != work->started_at) return environment;
  const MonotonicPoint used = std::max(seen->second.used, watched_since_);
  const auto idle = judge_idle(ports_.clock.monotonic() - used, record.idle);
  if (idle.verdict != IdleVerdict::kKeep) {
    environment.stops_at =
        ports_.clock.now() + std::chrono::duration_cast<std::chrono::microseconds>(idle.left);
  }
  return environment;
}

Result<EnvironmentRecord> Environments::record(std::string_view name) const {
  return parse_environment_record(TRY(must_get(ports_.store, name)).value);
}

Result<Environment> Environments::show(std::string_view name) const { return shown(TRY(record(name))); }

Result<identity::Page<Environment>> Environments::list(const EnvironmentFilter& filter, std::size_t limit,
                                                       std::string_view after) const {
  const auto page = TRY(identity::page_of<EnvironmentRecord>(
      ports_.store, kEnvironmentPrefix, limit, after, parse_environment_record,
      [&](const EnvironmentRecord& record) {
        return (filter.tenant.empty() || record.tenant == filter.tenant) &&
               (filter.project.empty() || record.project == filter.project);
      }));
  identity::Page<Environment> shown_page{.data = {}, .next = page.next};
  for (const auto& record : page.data) shown_page.data.push_back(shown(record));
  return shown_page;
}

Result<std::vector<identity::EnvironmentPolicy>> Environments::policies() const {
  std::vector<identity::EnvironmentPolicy> policies;
  for (const auto& stored : TRY(ports_.store.list(kEnvironmentPrefix))) {
    const auto record = TRY(parse_environment_record(stored.value));
    auto environment = shown(record);
    if (environment.started_at && environment.stage == EnvironmentStage::kStarting &&
        options_.is_ready(socket_path(record))) {
      note_ready(environment);
      environment = shown(record);
    }
    identity::EnvironmentPolicy policy{.name = environment.record.name,
                                       .tenant = environment.record.tenant,
                                       .project = environment.record.project,
                                       .kind = environment.record.kind,
                                       .state = identity::EnvironmentState::kStopped,
                                       .reason = environment.reason,
                                       .socket = {},
                                       .secret = environment.record.secret,
                                       .stops_at_s = 0};
    if (runs_or_will(environment.stage)) policy.state = identity::EnvironmentState::kStarting;
    if (environment.stage == EnvironmentStage::kRunning) {
      policy.state = identity::EnvironmentState::kRunning;
      policy.socket = socket_path(environment.record);
    }
    if (environment.stops_at) {
      policy.stops_at_s =
          std::chrono::floor<std::chrono::seconds>(environment.stops_at->time_since_epoch()).count();
    }
    policies.push_back(std::move(policy));
  }
  return policies;
}

// ---- life ---------------------------------------------------------------------------------------------------------

Result<Environment> Environments::create(const EnvironmentRequest& request) {
  TRY_VOID(check(request));
  if (options_.check_image) TRY_VOID(options_.check_image(request.kind));
  if (ports_.store.get(key_of(request.name))) {
    return failure(ErrorCode::kConflict, fmt::format("the name '{}' is taken", request.name));
  }
  EnvironmentRecord record{.name = request.name,
                           .kind = request.kind,
                           .tenant = request.tenant,
                           .project = request.project,
                           .user = request.user,
                           .cpu_milli = request.cpu_milli,
                           .memory_mib = request.memory_mib,
                           .accelerators = request.accelerators,
                           .accelerator_kind = request.accelerator_kind,
                           .idle = request.idle.value_or(options_.idle),
                           .created_at = ports_.clock.now(),
                           .secret = random_secret(ports_.rng),
                           .reason = "it was never started"};
  store::Transaction change;
  if (record.kind == kShell) {
    record.public_key = TRY(host::check_ssh_public_key(request.public_key));
    const auto pair = TRY(host::make_ssh_key_pair(record.name));
    record.host_key = TRY(host::check_ssh_public_key(pair.public_key));
    put_secret(change, record.project, host_key_secret(record.name), pair.private_key);
  }
  identity::KeyRequest inside;
  inside.project = record.project;
  inside.role = identity::Role::kDeveloper;
  const auto key = TRY(ports_.directory.create_key(inside));
  record.key_id = key.key.id;
  put_secret(change, record.project, api_key_secret(record.name), key.text);
  change.expect.push_back({key_of(record.name), 0});
  change.put.push_back({key_of(record.name), to_json(record)});
  if (const auto done = ports_.store.commit(std::move(change)); !done) {
    (void)ports_.directory.revoke_key(key.key.id);
    if (done.error().code != ErrorCode::kConflict) return std::unexpected(done.error());
    return failure(ErrorCode::kConflict, fmt::format("the name '{}' is taken", request.name));
  }
  return start(record.name);
}

Result<void> Environments::make_folders(const EnvironmentRecord& record) const {
  if (!options_.make_folder) return {};
  const auto folders = folders_of(record);
  TRY_VOID(host::make_dirs(options_.volumes, 0711));
  TRY_VOID(host::make_dirs(options_.volumes + "/" + record.project, 0711));
  TRY_VOID(options_.make_folder(folders.volume));
  return options_.make_folder(folders.socket);
}

/// kConflict if it changed meanwhile, or is still stopping.
Result<void> Environments::start_once(std::string_view name) {
  const auto stored = TRY(must_get(ports_.store, name));
  EnvironmentRecord record = TRY(parse_environment_record(stored.value));
  const auto before = shown(record);
  if (runs_or_will(before.stage)) return {};
  if (before.stage == EnvironmentStage::kStopping) {
    return failure(ErrorCode::kUnavailable, fmt::format("environment '{}' is still stopping", name));
  }
  TRY_VOID(make_folders(record));
  const std::uint64_t number = TRY(ports_.numbers.take());
  const auto work = work_of(record, folders_of(record), number, ports_.clock.now());
  store::Transaction change{.expect = {{stored.key, stored.revision}}, .put = {}, .erase = {}};
  // Its last run is over and settled: nothing asks for it any more.
  if (record.work != 0) {
    change.erase = {control::work_key(control::kWantedPrefix, record.work),
                    control::work_key(control::kEndedPrefix, record.work)};
    TRY_VOID(host::remove_tree(work_folder(record.work)));
  }
  record.work = work.id;
  record.wanted = true;
  record.reason.clear();
  change.put = {{stored.key, to_json(record)},
                {control::work_key(control::kWantedPrefix, work.id), control::to_json(work)}};
  TRY(ports_.store.commit(std::move(change)));
  return {};
}

Result<Environment> Environments::start(std::string_view name) {
  for (;;) {
    const auto started = start_once(name);
    if (started) break;
    if (started.error().code == ErrorCode::kConflict) continue;
    if (started.error().code != ErrorCode::kUnavailable) return std::unexpected(started.error());
    const std::lock_guard lock(mutex_);
    wanted_.insert(std::string(name));
    break;
  }
  return show(name);
}

Result<void> Environments::stop_once(std::string_view name, std::string_view reason) {
  const auto stored = TRY(must_get(ports_.store, name));
  EnvironmentRecord record = TRY(parse_environment_record(stored.value));
  if (!record.wanted) return {};
  record.wanted = false;
  record.reason = reason;
  store::Transaction change{
      .expect = {{stored.key, stored.revision}}, .put = {{stored.key, to_json(record)}}, .erase = {}};
  const auto wanted = TRY(ports_.store.find(control::work_key(control::kWantedPrefix, record.work)));
  if (wanted) {
    auto work = TRY(control::parse_wanted(wanted->value));
    if (!work.cancelled_at) work.cancelled_at = ports_.clock.now();
    change.expect.push_back({wanted->key, wanted->revision});
    change.put.push_back({wanted->key, control::to_json(work)});
  }
  TRY(ports_.store.commit(std::move(change)));
  return {};
}

Result<Environment> Environments::stop(std::string_view name, std::string_view reason) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = wanted_.find(name); found != wanted_.end()) wanted_.erase(found);
  }
  for (;;) {
    const auto stopped = stop_once(name, reason);
    if (stopped) return show(name);
    if (stopped.error().code != ErrorCode::kConflict) return std::unexpected(stopped.error());
  }
}

Result<void> Environments::remove(std::string_view name, bool with_volume) {
  const auto environment = TRY(stop(name, "it is being deleted"));
  const bool over =
      environment.stage == EnvironmentStage::kStopped || environment.stage == EnvironmentStage::kFailed;
  if (!over) {
    return failure(ErrorCode::kConflict,
                   fmt::format("environment '{}' is still stopping; delete it when it has stopped", name));
  }
  const EnvironmentRecord& record = environment.record;
  const auto stored = TRY(must_get(ports_.store, name));
  (void)ports_.directory.revoke_key(record.key_id);
  store::Transaction change{.expect = {{stored.key, stored.revision}}, .put = {}, .erase = {stored.key}};
  for (const auto& secret : {api_key_secret(name), host_key_secret(name)}) {
    change.erase.push_back(fmt::format("{}{}/{}", identity::kSecretPrefix, record.project, secret));
  }
  if (record.work != 0) {
    change.erase.push_back(control::work_key(control::kWantedPrefix, record.work));
    change.erase.push_back(control::work_key(control::kEndedPrefix, record.work));
  }
  TRY_VOID(ports_.store.commit(std::move(change)));
  if (record.work != 0) TRY_VOID(host::remove_tree(work_folder(record.work)));
  {
    const std::lock_guard lock(mutex_);
    if (const auto seen = seen_.find(name); seen != seen_.end()) seen_.erase(seen);
  }
  if (!with_volume) return {};
  TRY_VOID(host::remove_tree(folders_of(record).socket));
  return host::remove_tree(folders_of(record).volume);
}

Result<Environments::Opened> Environments::open(std::string_view name, std::string_view key_id) {
  Opened opened{.environment = TRY(start(name)), .token = {}, .expires_at = {}};
  const auto& record = opened.environment.record;
  const auto pass = identity::make_pass(key_id, identity::kTokenLife, ports_.clock.now(), ports_.rng);
  opened.token = identity::seal(pass, identity::PassKind::kToken, record.secret, record.name);
  opened.expires_at = TimePoint{std::chrono::seconds{pass.expires_s}};
  const std::lock_guard lock(mutex_);
  Seen& seen = seen_[record.name];  // it is about to be used
  seen.used = ports_.clock.monotonic();
  seen.used_at = ports_.clock.now();
  return opened;
}

// ---- use ----------------------------------------------------------------------------------------------------------

void Environments::report(const std::vector<EnvironmentUse>& uses) {
  const std::lock_guard lock(mutex_);
  for (const EnvironmentUse& use : uses) {
    Seen& seen = seen_[use.name];
    const MonotonicPoint used = ports_.clock.monotonic() - use.unused;
    if (used > seen.used || !seen.used_at) seen.used_at = ports_.clock.now() - use.unused;
    seen.used = std::max(seen.used, used);
    seen.connections = use.connections;
    if (use.wake) wanted_.insert(use.name);
  }
}

Result<void> Environments::tick() {
  std::set<std::string, std::less<>> waking;
  {
    const std::lock_guard lock(mutex_);
    waking.swap(wanted_);
  }
  Result<void> result;
  const auto keep = [&](const Result<void>& done) {
    if (!done) result = done;
  };
  for (const auto& name : waking) {
    const auto started = start(name);  // one that is still stopping is wanted again
    if (!started && started.error().code != ErrorCode::kNotFound) keep(std::unexpected(started.error()));
  }
  for (const auto& stored : TRY(ports_.store.list(kEnvironmentPrefix))) {
    const auto record = parse_environment_record(stored.value);
    keep(record ? tick_one(*record) : std::unexpected(record.error()));
  }
  return result;
}

/// A start counts as use. It is told by the wall clock, which is set now and then: what counts is when it was noticed.
void Environments::note_start(const Environment& environment) {
  if (!environment.started_at) return;
  const std::lock_guard lock(mutex_);
  Seen& seen = seen_[environment.record.name];
  if (seen.started_at == environment.started_at) return;
  seen.started_at = environment.started_at;
  seen.used = ports_.clock.monotonic();
}

void Environments::note_ready(const Environment& environment) const {
  const std::lock_guard lock(mutex_);
  seen_[environment.record.name].ready_of = environment.started_at;
}

bool Environments::note_work(const Environment& environment) {
  if (!environment.started_at) return false;
  const std::lock_guard lock(mutex_);
  Seen& seen = seen_[environment.record.name];
  const MonotonicPoint now = ports_.clock.monotonic();
  const bool known = seen.worked_of == environment.started_at;
  if (known && now - seen.cpu_at < work_window(environment.record.idle)) return false;
  const bool at_work = known && is_at_work(environment.cpu_us - seen.cpu_us, now - seen.cpu_at);
  if (at_work) seen.used = now;
  seen.worked_of = environment.started_at;
  seen.cpu_us = environment.cpu_us;
  seen.cpu_at = now;
  return at_work;
}

Result<void> Environments::tick_one(const EnvironmentRecord& record) {
  const auto environment = shown(record);
  note_start(environment);
  if (note_work(environment)) return {};
  if (environment.stops_at && ports_.clock.now() >= *environment.stops_at) {
    TRY(stop(record.name, idle_reason(record.idle)));
  }
  return {};
}

}  // namespace millrace::platform
