#include "executor/spec.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "host/json.h"

namespace millrace::executor {
namespace {

using host::JsonObject;
using host::JsonWriter;

constexpr std::size_t kMaxRecordBytes = 4 << 20;
constexpr std::size_t kMaxSecretBytes = 64 << 10;
constexpr std::size_t kMaxSecrets = 64, kMaxForwards = 32;

Error corrupt(const Error& error) { return {ErrorCode::kCorrupt, error.message}; }

// Reads one JSON object of our version; `read` may use every reader of JsonObject.
template <typename T, typename Read>
Result<T> parse_record(std::string_view json, const char* what, Read read,
                       std::int64_t newest = kProtocolVersion) {
  const auto value = host::parse_json(json, {.max_depth = 16, .max_bytes = kMaxRecordBytes});
  if (!value) return std::unexpected(corrupt(value.error()));
  const auto object = JsonObject::of(*value, what);
  if (!object) return std::unexpected(corrupt(object.error()));
  const auto version = object->required_int("version");
  if (!version) return std::unexpected(corrupt(version.error()));
  if (*version < 1 || *version > newest)
    return failure(ErrorCode::kCorrupt,
                   fmt::format("{}: version {} was written by another Millrace; this one reads version {}",
                               what, *version, newest));
  Result<T> result = read(*object);
  if (!result) return std::unexpected(corrupt(result.error()));
  return result;
}

Result<std::vector<std::string>> read_strings(const JsonObject& object, std::string_view key) {
  std::vector<std::string> out;
  for (const boost::json::value& item : *TRY(object.required_array(key))) {
    if (!item.is_string()) return failure(ErrorCode::kCorrupt, object.path_of(key) + ": want strings");
    out.emplace_back(item.get_string());
  }
  return out;
}

Result<std::map<std::string, std::string>> read_map(const JsonObject& object, std::string_view key) {
  std::map<std::string, std::string> out;
  const JsonObject inner = TRY(object.required_object(key));
  for (const auto& member : inner.object())
    out[std::string(member.key())] = TRY(inner.required_string(member.key()));
  return out;
}

void write_map(JsonWriter& w, std::string_view key, const std::map<std::string, std::string>& map) {
  w.key(key).begin_object();
  for (const auto& [name, value] : map) w.field(name, value);
  w.end_object();
}

Result<Resources> read_resources(const JsonObject& o) {
  return Resources{.memory_bytes = TRY(o.required_int("memory_bytes")),
                   .cpu_millis = TRY(o.required_int("cpu_millis")),
                   .pids = TRY(o.required_int("pids")),
                   .open_files = TRY(o.required_int("open_files"))};
}

constexpr Network kNetworks[] = {Network::kNone, Network::kForwards, Network::kHost};

const char* name_of(Network network) {
  switch (network) {
    case Network::kNone:
      return "none";
    case Network::kForwards:
      return "forwards";
    case Network::kHost:
      return "host";
  }
  return "unknown";
}

// What version 2 brought: from the program's start to its end.
Result<void> read_run(const JsonObject& o, WorkloadSpec& spec) {
  spec.workdir = TRY(o.required_string("workdir"));
  spec.unpack_archive = TRY(o.required_string("unpack_archive"));
  for (std::string& target : TRY(read_strings(o, "secrets"))) spec.secrets.push_back({std::move(target), {}});
  const std::string network = TRY(o.required_string("network"));
  const auto* found = std::find_if(std::begin(kNetworks), std::end(kNetworks),
                                   [&](Network n) { return network == name_of(n); });
  if (found == std::end(kNetworks)) return failure(ErrorCode::kCorrupt, "network: unknown: " + network);
  spec.network = *found;
  for (const boost::json::value& item : *TRY(o.required_array("forwards"))) {
    const JsonObject forward = TRY(JsonObject::of(item, "forwards"));
    spec.forwards.push_back(
        {static_cast<std::int32_t>(TRY(forward.required_int("port"))), TRY(forward.required_string("to"))});
  }
  spec.scratch_bytes = TRY(o.required_int("scratch_bytes"));
  spec.disk_bytes = TRY(o.required_int("disk_bytes"));
  spec.time_limit = std::chrono::milliseconds(TRY(o.required_int("time_limit_ms")));
  spec.grace = std::chrono::milliseconds(TRY(o.required_int("grace_ms")));
  spec.stop_signal = static_cast<int>(TRY(o.required_int("stop_signal")));
  spec.log_max_bytes = TRY(o.required_int("log_max_bytes"));
  return {};
}

void write_run(JsonWriter& w, const WorkloadSpec& spec) {
  w.field("workdir", spec.workdir).field("unpack_archive", spec.unpack_archive).key("secrets").begin_array();
  for (const SecretFile& secret : spec.secrets) w.value(secret.target);
  w.end_array().field("network", name_of(spec.network)).key("forwards").begin_array();
  for (const Forward& forward : spec.forwards)
    w.begin_object().field("port", forward.port).field("to", forward.to).end_object();
  w.end_array().field("scratch_bytes", spec.scratch_bytes).field("disk_bytes", spec.disk_bytes);
  w.field("time_limit_ms", spec.time_limit.count()).field("grace_ms", spec.grace.count());
  w.field("stop_signal", spec.stop_signal).field("log_max_bytes", spec.log_max_bytes);
}

Result<WorkloadSpec> read_workload(const JsonObject& o, std::int64_t version) {
  WorkloadSpec spec;
  spec.id = TRY(o.required_string("id"));
  spec.root = TRY(o.required_string("root"));
  for (const boost::json::value& item : *TRY(o.required_array("mounts"))) {
    const JsonObject mount = TRY(JsonObject::of(item, "mounts"));
    spec.mounts.push_back({TRY(mount.required_string("source")), TRY(mount.required_string("target")),
                           TRY(mount.required_bool("writable")),
                           TRY(mount.optional_bool("no_links")).value_or(false)});
  }
  spec.argv = TRY(read_strings(o, "argv"));
  spec.env = TRY(read_map(o, "env"));
  for (const boost::json::value& item : *TRY(o.required_array("cpus"))) {
    if (!item.is_int64()) return failure(ErrorCode::kCorrupt, "cpus: want integers");
    spec.cpus.push_back(static_cast<int>(item.get_int64()));
  }
  const JsonObject resources = TRY(o.required_object("resources"));
  spec.resources = TRY(read_resources(resources));
  spec.labels = TRY(read_map(o, "labels"));
  if (version >= 2) TRY_VOID(read_run(o, spec));
  return spec;
}

void write_workload(JsonWriter& w, const WorkloadSpec& spec) {
  w.begin_object().field("id", spec.id).field("root", spec.root).key("mounts").begin_array();
  for (const Mount& mount : spec.mounts) {
    w.begin_object().field("source", mount.source).field("target", mount.target);
    w.field("writable", mount.writable).field("no_links", mount.no_links).end_object();
  }
  w.end_array().key("argv").begin_array();
  for (const std::string& argument : spec.argv) w.value(argument);
  w.end_array();
  write_map(w, "env", spec.env);
  w.key("cpus").begin_array();
  for (const int cpu : spec.cpus) w.value(cpu);
  w.end_array().key("resources").begin_object();
  w.field("memory_bytes", spec.resources.memory_bytes).field("cpu_millis", spec.resources.cpu_millis);
  w.field("pids", spec.resources.pids).field("open_files", spec.resources.open_files).end_object();
  write_run(w, spec);
  write_map(w, "labels", spec.labels);
  w.end_object();
}

constexpr ExitCause kCauses[] = {ExitCause::kItself,    ExitCause::kAsked, ExitCause::kTimeLimit,
                                 ExitCause::kMemory,    ExitCause::kDisk,  ExitCause::kProcesses,
                                 ExitCause::kNotStarted};

// Supervisors that were started by an earlier Millrace name no cause and count nothing.
Result<ExitRecord> read_exit(const JsonObject& o) {
  const std::string at = TRY(o.required_string("at"));
  ExitRecord exit{.code = static_cast<int>(TRY(o.required_int("code"))),
                  .signal = static_cast<int>(TRY(o.required_int("signal"))),
                  .asked = TRY(o.required_bool("asked")),
                  .at = TRY(parse_rfc3339(at))};
  const std::string cause =
      TRY(o.optional_string("cause")).value_or(name_of(exit.asked ? ExitCause::kAsked : ExitCause::kItself));
  const auto* found =
      std::find_if(std::begin(kCauses), std::end(kCauses), [&](ExitCause c) { return cause == name_of(c); });
  if (found == std::end(kCauses)) return failure(ErrorCode::kCorrupt, "cause: unknown: " + cause);
  exit.cause = *found;
  exit.cpu_time_us = TRY(o.optional_int("cpu_time_us")).value_or(0);
  exit.memory_peak_bytes = TRY(o.optional_int("memory_peak_bytes")).value_or(0);
  return exit;
}

void write_exit(JsonWriter& w, const ExitRecord& exit) {
  w.field("code", exit.code)
      .field("signal", exit.signal)
      .field("asked", exit.asked)
      .field("at", to_rfc3339(exit.at))
      .field("cause", name_of(exit.cause))
      .field("cpu_time_us", exit.cpu_time_us)
      .field("memory_peak_bytes", exit.memory_peak_bytes);
}

constexpr WorkloadState kStates[] = {WorkloadState::kStarting, WorkloadState::kRunning,
                                     WorkloadState::kStopping, WorkloadState::kExited, WorkloadState::kLost};

Result<WorkloadStatus> read_status(const JsonObject& o) {
  WorkloadStatus status;
  status.id = TRY(o.required_string("id"));
  const std::string state = TRY(o.required_string("state"));
  const auto* found = std::find_if(std::begin(kStates), std::end(kStates),
                                   [&](WorkloadState s) { return state == name_of(s); });
  if (found == std::end(kStates)) return failure(ErrorCode::kCorrupt, "state: unknown: " + state);
  status.state = *found;
  status.supervisor_pid = static_cast<int>(TRY(o.required_int("supervisor_pid")));
  status.engine_pid = static_cast<int>(TRY(o.required_int("engine_pid")));
  status.data_dir = TRY(o.required_string("data_dir"));
  status.labels = TRY(read_map(o, "labels"));
  const JsonObject limits = TRY(o.required_object("limits"));
  status.limits = {TRY(limits.required_string("kind")),
                   TRY(limits.required_int("memory_bytes")),
                   TRY(limits.required_int("cpu_millis")),
                   TRY(limits.required_int("pids")),
                   TRY(limits.optional_string("why")).value_or(""),
                   TRY(limits.optional_bool("seccomp")).value_or(false)};
  const std::string started_at = TRY(o.required_string("started_at"));
  status.started_at = TRY(parse_rfc3339(started_at));
  if (const auto ns = TRY(o.optional_int("started_steady_ns")))
    status.started = MonotonicPoint(std::chrono::nanoseconds(*ns));
  status.seen_at = status.started_at;
  if (const auto seen = TRY(o.optional_string("seen_at"))) status.seen_at = TRY(parse_rfc3339(*seen));
  status.cpu_time_us = TRY(o.required_int("cpu_time_us"));
  if (const auto exit = TRY(o.optional_object("exit"))) status.exit = TRY(read_exit(*exit));
  return status;
}

std::unexpected<Error> wrong(std::string text) {
  return failure(ErrorCode::kInvalidArgument, "workload: " + std::move(text));
}

// Absolute, and no step back: what it names is the same for the caller and for the sandbox.
bool is_plain_path(const std::string& path) {
  return path.starts_with('/') && path.find('\0') == std::string::npos && !(path + "/").contains("/../");
}

Result<void> check_bounds(const WorkloadSpec& spec) {
  if (!spec.workdir.empty() && !is_plain_path(spec.workdir))
    return wrong("workdir must be an absolute path without .., found '" + spec.workdir + "'");
  if (!spec.unpack_archive.empty() && (!spec.unpack_archive.starts_with('/') || spec.workdir.empty()))
    return wrong("unpack_archive must be an absolute path of the host, and needs a workdir");
  if (spec.scratch_bytes < 0 || spec.disk_bytes < 0 || spec.log_max_bytes < 0 ||
      spec.time_limit.count() < 0 || spec.grace.count() < 0)
    return wrong("scratch_bytes, disk_bytes, log_max_bytes, time_limit and grace must not be negative");
  if (spec.stop_signal < 0 || spec.stop_signal > 31 || spec.stop_signal == 9 || spec.stop_signal == 19)
    return wrong(fmt::format("stop_signal must be 0 to 31 and one that a program can handle, found {}",
                             spec.stop_signal));
  return {};
}

bool is_in(const std::string& path, const std::string& folder) {
  return (path + "/").starts_with(folder + "/");
}

// A place inside another mount would be made in that one's source, and by way of its symbolic links anywhere.
Result<void> check_mounts(const WorkloadSpec& spec) {
  for (const Mount& mount : spec.mounts) {
    if (!is_plain_path(mount.source) || !is_plain_path(mount.target))
      return wrong("mounts must be absolute paths without .., found '" + mount.source + "' at '" +
                   mount.target + "'");
    for (const Mount& other : spec.mounts)
      if (&other != &mount && is_in(mount.target, other.target))
        return wrong("the mount at " + mount.target + " lies in that at " + other.target +
                     ": it must be in a place of its own");
  }
  return {};
}

Result<void> check_secrets(const WorkloadSpec& spec) {
  if (spec.secrets.size() > kMaxSecrets) return wrong(fmt::format("more than {} secrets", kMaxSecrets));
  for (const SecretFile& secret : spec.secrets) {
    if (!is_plain_path(secret.target) || secret.target.ends_with('/'))
      return wrong("a secret's target must be the absolute path of a file, found '" + secret.target + "'");
    if (secret.text.size() > kMaxSecretBytes)
      return wrong(fmt::format("the secret at {} is larger than {} bytes", secret.target, kMaxSecretBytes));
    const auto below = [&](const std::string& folder) {
      return secret.target == folder || secret.target.starts_with(folder == "/" ? folder : folder + "/");
    };
    // There its name would be made on a disk.
    const auto covers = [&](const Mount& mount) { return below(mount.target); };
    if (below("/usr") || below("/data") || below("/proc") || below("/dev") ||
        std::any_of(spec.mounts.begin(), spec.mounts.end(), covers))
      return wrong("the secret at " + secret.target + " lies in a mount: it must be in a place of its own");
  }
  return {};
}

Result<void> check_forwards(const WorkloadSpec& spec) {
  if (!spec.forwards.empty() && spec.network != Network::kForwards)
    return wrong("forwards need the network 'forwards'");
  if (spec.forwards.size() > kMaxForwards) return wrong(fmt::format("more than {} forwards", kMaxForwards));
  for (const Forward& forward : spec.forwards) {
    if (forward.port < 1 || forward.port > 65535)
      return wrong(fmt::format("a forward's port must be 1 to 65535, found {}", forward.port));
    if (!parse_forward_target(forward.to))
      return wrong(
          "a forward must go to an address like 127.0.0.1:8080 or to the absolute path of a unix socket, "
          "found '" +
          forward.to + "'");
  }
  return {};
}

}  // namespace

std::optional<ForwardTarget> parse_forward_target(std::string_view to) {
  ForwardTarget target;
  if (to.starts_with('/')) {
    if (to.size() > kMaxSocketPath || to.contains('\0')) return std::nullopt;
    target.path = to;
    return target;
  }
  const std::size_t colon = to.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view port = to.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), target.port);
  if (error != std::errc() || end != port.data() + port.size() || target.port == 0) return std::nullopt;
  target.address = to.substr(0, colon);
  in_addr parsed{};
  if (::inet_pton(AF_INET, target.address.c_str(), &parsed) != 1) return std::nullopt;
  return target;
}

const char* name_of(WorkloadState state) {
  switch (state) {
    case WorkloadState::kStarting:
      return "starting";
    case WorkloadState::kRunning:
      return "running";
    case WorkloadState::kStopping:
      return "stopping";
    case WorkloadState::kExited:
      return "exited";
    case WorkloadState::kLost:
      return "lost";
  }
  return "unknown";
}

const char* name_of(ExitCause cause) {
  switch (cause) {
    case ExitCause::kItself:
      return "itself";
    case ExitCause::kAsked:
      return "asked";
    case ExitCause::kTimeLimit:
      return "time_limit";
    case ExitCause::kMemory:
      return "memory";
    case ExitCause::kDisk:
      return "disk";
    case ExitCause::kProcesses:
      return "processes";
    case ExitCause::kNotStarted:
      return "not_started";
  }
  return "unknown";
}

Result<void> check_spec(const WorkloadSpec& spec) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
  };
  if (spec.id.empty() || spec.id.size() > 80 || !std::all_of(spec.id.begin(), spec.id.end(), allowed) ||
      spec.id.front() == '.' || spec.id.front() == '-')
    return wrong("id must be 1 to 80 of [a-z0-9.-] starting with a letter or digit, found '" + spec.id + "'");
  if (!spec.root.starts_with('/')) return wrong("root must be an absolute path, found '" + spec.root + "'");
  if (spec.argv.empty() || spec.argv[0].empty()) return wrong("argv is empty");
  TRY_VOID(check_mounts(spec));
  const auto holds_nul = [](const std::string& text) { return text.find('\0') != std::string::npos; };
  if (std::any_of(spec.argv.begin(), spec.argv.end(), holds_nul)) return wrong("argv holds a NUL byte");
  for (const auto& [name, value] : spec.env) {
    if (name.empty() || name.find('=') != std::string::npos || holds_nul(name) || holds_nul(value))
      return wrong("env has an impossible name or value: '" + name + "'");
  }
  const Resources& r = spec.resources;
  if (r.memory_bytes < 0 || r.cpu_millis < 0 || r.pids < 0 || r.open_files < 0)
    return wrong("a resource is negative");
  if (std::any_of(spec.cpus.begin(), spec.cpus.end(), [](int cpu) { return cpu < 0 || cpu > 1023; }))
    return wrong("cpus must be 0 to 1023");
  TRY_VOID(check_bounds(spec));
  TRY_VOID(check_secrets(spec));
  return check_forwards(spec);
}

std::string encode_secrets(const std::vector<SecretFile>& secrets) {
  std::string bytes;
  for (const SecretFile& secret : secrets) {
    for (int shift = 0; shift < 32; shift += 8)
      bytes.push_back(static_cast<char>(secret.text.size() >> shift & 0xff));
    bytes += secret.text;
  }
  return bytes;
}

Result<void> decode_secrets(std::string_view bytes, std::vector<SecretFile>& secrets) {
  for (SecretFile& secret : secrets) {
    if (bytes.size() < 4) return failure(ErrorCode::kCorrupt, "secrets: fewer texts than the spec names");
    std::size_t size = 0;
    for (std::size_t i = 0; i < 4; ++i)
      size |= static_cast<std::size_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    bytes.remove_prefix(4);
    if (size > bytes.size()) return failure(ErrorCode::kCorrupt, "secrets: a text is cut off");
    secret.text = bytes.substr(0, size);
    bytes.remove_prefix(size);
  }
  if (!bytes.empty()) return failure(ErrorCode::kCorrupt, "secrets: more texts than the spec names");
  return {};
}

Result<SupervisorSpec> parse_spec(std::string_view json) {
  const auto read = [](const JsonObject& o) -> Result<SupervisorSpec> {
    const JsonObject workload = TRY(o.required_object("workload"));
    const std::int64_t version = TRY(o.required_int("version"));
    return SupervisorSpec{.workload = TRY(read_workload(workload, version)),
                          .control_socket = TRY(o.required_string("control_socket")),
                          .data_dir = TRY(o.required_string("data_dir")),
                          .secrets_fd = static_cast<int>(TRY(o.optional_int("secrets_fd")).value_or(-1)),
                          .ready_fd = static_cast<int>(TRY(o.optional_int("ready_fd")).value_or(-1))};
  };
  return parse_record<SupervisorSpec>(json, "spec.json", read, kSpecVersion);
}

std::string to_json(const SupervisorSpec& spec) {
  JsonWriter w;
  w.begin_object().field("version", kSpecVersion).key("workload");
  write_workload(w, spec.workload);
  w.field("control_socket", spec.control_socket).field("data_dir", spec.data_dir);
  w.field("secrets_fd", spec.secrets_fd).field("ready_fd", spec.ready_fd).end_object();
  return w.take();
}

Result<WorkloadStatus> parse_status(std::string_view json) {
  return parse_record<WorkloadStatus>(json, "status", [](const JsonObject& o) { return read_status(o); });
}

std::string to_json(const WorkloadStatus& status) {
  JsonWriter w;
  w.begin_object()
      .field("version", kProtocolVersion)
      .field("id", status.id)
      .field("state", name_of(status.state));
  w.field("supervisor_pid", status.supervisor_pid)
      .field("engine_pid", status.engine_pid)
      .field("data_dir", status.data_dir);
  write_map(w, "labels", status.labels);
  w.key("limits")
      .begin_object()
      .field("kind", status.limits.kind)
      .field("memory_bytes", status.limits.memory_bytes);
  w.field("cpu_millis", status.limits.cpu_millis).field("pids", status.limits.pids);
  w.field("seccomp", status.limits.seccomp);
  if (!status.limits.why.empty()) w.field("why", status.limits.why);
  w.end_object();
  w.field("started_at", to_rfc3339(status.started_at));
  if (status.started) w.field("started_steady_ns", status.started->time_since_epoch().count());
  w.field("seen_at", to_rfc3339(status.seen_at)).field("cpu_time_us", status.cpu_time_us);
  if (status.exit) {
    w.key("exit").begin_object();
    write_exit(w, *status.exit);
    w.end_object();
  }
  w.end_object();
  return w.take();
}

Result<ExitRecord> parse_exit(std::string_view json) {
  return parse_record<ExitRecord>(json, "exit.json", [](const JsonObject& o) { return read_exit(o); });
}

std::string to_json(const ExitRecord& exit) {
  JsonWriter w;
  w.begin_object().field("version", kProtocolVersion);
  write_exit(w, exit);
  w.end_object();
  return w.take();
}

}  // namespace millrace::executor
