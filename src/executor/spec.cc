#include "executor/spec.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/json.h"

namespace millrace::executor {
namespace {

using host::JsonObject;
using host::JsonWriter;

Error corrupt(const Error& error) { return {ErrorCode::kCorrupt, error.message}; }

// Reads one JSON object of our version; `read` may use every reader of JsonObject.
template <typename T, typename Read>
Result<T> parse_record(std::string_view json, const char* what, Read read) {
  const auto value = host::parse_json(json, {.max_depth = 16, .max_bytes = 1 << 20});
  if (!value) return std::unexpected(corrupt(value.error()));
  const auto object = JsonObject::of(*value, what);
  if (!object) return std::unexpected(corrupt(object.error()));
  const auto version = object->required_int("version");
  if (!version) return std::unexpected(corrupt(version.error()));
  if (*version != kProtocolVersion)
    return failure(ErrorCode::kCorrupt,
                   fmt::format("{}: version {} was written by another Millrace; this one reads version {}",
                               what, *version, kProtocolVersion));
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

Result<WorkloadSpec> read_workload(const JsonObject& o) {
  WorkloadSpec spec;
  spec.id = TRY(o.required_string("id"));
  spec.root = TRY(o.required_string("root"));
  for (const boost::json::value& item : *TRY(o.required_array("mounts"))) {
    const JsonObject mount = TRY(JsonObject::of(item, "mounts"));
    spec.mounts.push_back({TRY(mount.required_string("source")), TRY(mount.required_string("target")),
                           TRY(mount.required_bool("writable"))});
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
  return spec;
}

void write_workload(JsonWriter& w, const WorkloadSpec& spec) {
  w.begin_object().field("id", spec.id).field("root", spec.root).key("mounts").begin_array();
  for (const Mount& mount : spec.mounts)
    w.begin_object()
        .field("source", mount.source)
        .field("target", mount.target)
        .field("writable", mount.writable)
        .end_object();
  w.end_array().key("argv").begin_array();
  for (const std::string& argument : spec.argv) w.value(argument);
  w.end_array();
  write_map(w, "env", spec.env);
  w.key("cpus").begin_array();
  for (const int cpu : spec.cpus) w.value(cpu);
  w.end_array().key("resources").begin_object();
  w.field("memory_bytes", spec.resources.memory_bytes).field("cpu_millis", spec.resources.cpu_millis);
  w.field("pids", spec.resources.pids).field("open_files", spec.resources.open_files).end_object();
  write_map(w, "labels", spec.labels);
  w.end_object();
}

Result<ExitRecord> read_exit(const JsonObject& o) {
  const std::string at = TRY(o.required_string("at"));
  return ExitRecord{.code = static_cast<int>(TRY(o.required_int("code"))),
                    .signal = static_cast<int>(TRY(o.required_int("signal"))),
                    .asked = TRY(o.required_bool("asked")),
                    .at = TRY(parse_rfc3339(at))};
}

void write_exit(JsonWriter& w, const ExitRecord& exit) {
  w.field("code", exit.code)
      .field("signal", exit.signal)
      .field("asked", exit.asked)
      .field("at", to_rfc3339(exit.at));
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
  status.limits = {TRY(limits.required_string("kind")), TRY(limits.required_int("memory_bytes")),
                   TRY(limits.required_int("cpu_millis")), TRY(limits.required_int("pids")),
                   TRY(limits.optional_string("why")).value_or("")};
  const std::string started_at = TRY(o.required_string("started_at"));
  status.started_at = TRY(parse_rfc3339(started_at));
  status.cpu_time_us = TRY(o.required_int("cpu_time_us"));
  if (const auto exit = TRY(o.optional_object("exit"))) status.exit = TRY(read_exit(*exit));
  return status;
}

}  // namespace

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

Result<void> check_spec(const WorkloadSpec& spec) {
  const auto wrong = [](std::string text) {
    return failure(ErrorCode::kInvalidArgument, "workload: " + std::move(text));
  };
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
  };
  if (spec.id.empty() || spec.id.size() > 80 || !std::all_of(spec.id.begin(), spec.id.end(), allowed) ||
      spec.id.front() == '.' || spec.id.front() == '-')
    return wrong("id must be 1 to 80 of [a-z0-9.-] starting with a letter or digit, found '" + spec.id + "'");
  if (!spec.root.starts_with('/')) return wrong("root must be an absolute path, found '" + spec.root + "'");
  if (spec.argv.empty() || spec.argv[0].empty()) return wrong("argv is empty");
  for (const Mount& mount : spec.mounts) {
    if (!mount.source.starts_with('/') || !mount.target.starts_with('/'))
      return wrong("mounts must be absolute paths, found '" + mount.source + "' at '" + mount.target + "'");
  }
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
  return {};
}

Result<SupervisorSpec> parse_spec(std::string_view json) {
  return parse_record<SupervisorSpec>(json, "spec.json", [](const JsonObject& o) -> Result<SupervisorSpec> {
    const JsonObject workload = TRY(o.required_object("workload"));
    return SupervisorSpec{.workload = TRY(read_workload(workload)),
                          .control_socket = TRY(o.required_string("control_socket")),
                          .data_dir = TRY(o.required_string("data_dir"))};
  });
}

std::string to_json(const SupervisorSpec& spec) {
  JsonWriter w;
  w.begin_object().field("version", kProtocolVersion).key("workload");
  write_workload(w, spec.workload);
  w.field("control_socket", spec.control_socket).field("data_dir", spec.data_dir).end_object();
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
  if (!status.limits.why.empty()) w.field("why", status.limits.why);
  w.end_object();
  w.field("started_at", to_rfc3339(status.started_at)).field("cpu_time_us", status.cpu_time_us);
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
