// The records of work as JSON.
#include <fmt/format.h>

#include "control/work.h"
#include "host/json.h"

namespace millrace::control {
namespace {

using host::JsonObject;
using host::JsonWriter;
using std::chrono::seconds;

constexpr std::int64_t kVersion = 1;

template <typename T>
Result<T> corrupt_as(std::string_view what, Result<T> read) {
  if (!read) return failure(ErrorCode::kCorrupt, fmt::format("{}: {}", what, read.error().message));
  return read;
}

template <typename T, typename Read>
Result<T> parse_record(std::string_view json, std::string_view what, Read read) {
  const auto value = host::parse_json(json, {.max_depth = 8, .max_bytes = 4 << 20});
  if (!value) return failure(ErrorCode::kCorrupt, fmt::format("{}: {}", what, value.error().message));
  const auto object = JsonObject::of(*value);
  if (!object) return failure(ErrorCode::kCorrupt, fmt::format("{}: {}", what, object.error().message));
  const auto version = object->required_int("version");
  if (!version || *version != kVersion)
    return failure(ErrorCode::kCorrupt, fmt::format("{}: not written in version {}", what, kVersion));
  return corrupt_as<T>(what, read(*object));
}

Result<std::vector<std::string>> read_strings(const JsonObject& object, std::string_view key) {
  std::vector<std::string> out;
  const auto* const items = TRY(object.optional_array(key));
  if (items == nullptr) return out;
  for (const boost::json::value& item : *items) {
    if (!item.is_string()) return failure(ErrorCode::kCorrupt, object.path_of(key) + ": want strings");
    out.emplace_back(item.get_string());
  }
  return out;
}

/// What `read` makes of each object of a list; empty if there is no list.
template <typename T>
Result<std::vector<T>> read_each(const JsonObject& object, std::string_view key,
                                 Result<T> (*read)(const JsonObject&)) {
  std::vector<T> out;
  const auto* const items = TRY(object.optional_array(key));
  if (items == nullptr) return out;
  for (const boost::json::value& item : *items) {
    const auto each = TRY(JsonObject::of(item, std::string(key)));
    out.push_back(TRY(read(each)));
  }
  return out;
}

void write_strings(JsonWriter& w, std::string_view key, const std::vector<std::string>& texts) {
  w.key(key).begin_array();
  for (const std::string& text : texts) w.value(text);
  w.end_array();
}

Result<std::optional<TimePoint>> read_time(const JsonObject& object, std::string_view key) {
  const auto text = TRY(object.optional_string(key));
  if (!text) return std::nullopt;
  return TRY(parse_rfc3339(*text));
}

void write_time(JsonWriter& w, std::string_view key, const std::optional<TimePoint>& time) {
  if (time) w.field(key, to_rfc3339(*time));
}

/// An integer of its record, in the type that holds it.
template <typename Integer>
Result<Integer> read_int(const JsonObject& object, std::string_view key, Integer fallback = 0) {
  const auto value = TRY(object.optional_int(key)).value_or(static_cast<std::int64_t>(fallback));
  if (!std::in_range<Integer>(value))
    return failure(ErrorCode::kCorrupt, object.path_of(key) + ": out of range");
  return static_cast<Integer>(value);
}

Result<WorkloadId> read_id(const JsonObject& object) {
  const auto id = TRY(object.required_int("id"));
  if (id < 0) return failure(ErrorCode::kCorrupt, "id: below 0");
  return static_cast<WorkloadId>(id);
}

Result<SecretFile> read_secret(const JsonObject& o) {
  return SecretFile{TRY(o.required_string("name")), TRY(o.required_string("path"))};
}

Result<WorkMount> read_mount(const JsonObject& o) {
  return WorkMount{TRY(o.required_string("source")), TRY(o.required_string("path")),
                   TRY(o.required_bool("writable"))};
}

Result<Program> read_program(const JsonObject& o) {
  Program program;
  program.image = TRY(o.required_string("image"));
  program.command = TRY(read_strings(o, "command"));
  if (const auto env = TRY(o.optional_object("env"))) {
    for (const auto& member : env->object())
      program.env[std::string(member.key())] = TRY(env->required_string(member.key()));
  }
  program.secrets = TRY(read_each(o, "secrets", read_secret));
  program.mounts = TRY(read_each(o, "mounts", read_mount));
  program.workdir_archive = TRY(o.optional_string("workdir_archive")).value_or("");
  program.host_network = TRY(o.optional_bool("host_network")).value_or(false);
  program.scratch_bytes = TRY(read_int<std::int64_t>(o, "scratch_bytes"));
  program.disk_bytes = TRY(read_int<std::int64_t>(o, "disk_bytes"));
  program.log_max_bytes = TRY(read_int<std::int64_t>(o, "log_max_bytes"));
  return program;
}

void write_program(JsonWriter& w, const Program& program) {
  w.begin_object().field("image", program.image);
  write_strings(w, "command", program.command);
  w.key("env").begin_object();
  for (const auto& [name, value] : program.env) w.field(name, value);
  w.end_object();
  if (!program.secrets.empty()) {
    w.key("secrets").begin_array();
    for (const auto& each : program.secrets)
      w.begin_object().field("name", each.name).field("path", each.path).end_object();
    w.end_array();
  }
  if (!program.mounts.empty()) {
    w.key("mounts").begin_array();
    for (const auto& each : program.mounts)
      w.begin_object()
          .field("source", each.source)
          .field("path", each.path)
          .field("writable", each.writable)
          .end_object();
    w.end_array();
  }
  if (!program.workdir_archive.empty()) w.field("workdir_archive", program.workdir_archive);
  if (program.host_network) w.field("host_network", true);
  w.field("scratch_bytes", program.scratch_bytes)
      .field("disk_bytes", program.disk_bytes)
      .field("log_max_bytes", program.log_max_bytes)
      .end_object();
}

Result<void> read_needs(const JsonObject& o, WantedWork& work) {
  work.demand.cpu_milli = TRY(read_int<std::int64_t>(o, "cpu_milli"));
  work.demand.memory_mib = TRY(read_int<std::int64_t>(o, "memory_mib"));
  work.demand.accelerators = TRY(read_int<std::int32_t>(o, "accelerators"));
  work.demand.accelerator_milli = TRY(read_int<std::int32_t>(o, "accelerator_milli", 1000));
  work.tasks = TRY(read_int<std::int32_t>(o, "tasks", 1));
  work.tasks_per_node = TRY(read_int<std::int32_t>(o, "tasks_per_node"));
  work.kinds = TRY(read_strings(o, "kinds"));
  work.zones = TRY(read_strings(o, "zones"));
  work.jurisdictions = TRY(read_strings(o, "jurisdictions"));
  work.one_domain = TRY(o.optional_bool("one_domain")).value_or(false);
  const auto spread = scheduler::parse_spread(TRY(o.optional_string("spread")).value_or("none"));
  if (!spread) return failure(ErrorCode::kCorrupt, o.path_of("spread") + ": want none, rack or rail");
  work.spread = *spread;
  work.siblings = TRY(o.optional_string("siblings")).value_or("");
  return {};
}

void write_needs(JsonWriter& w, const WantedWork& work) {
  w.field("cpu_milli", work.demand.cpu_milli).field("memory_mib", work.demand.memory_mib);
  w.field("accelerators", work.demand.accelerators).field("accelerator_milli", work.demand.accelerator_milli);
  w.field("tasks", work.tasks).field("tasks_per_node", work.tasks_per_node);
  if (!work.kinds.empty()) write_strings(w, "kinds", work.kinds);
  if (!work.zones.empty()) write_strings(w, "zones", work.zones);
  if (!work.jurisdictions.empty()) write_strings(w, "jurisdictions", work.jurisdictions);
  if (work.one_domain) w.field("one_domain", true);
  if (work.spread != scheduler::Spread::kNone) w.field("spread", name_of(work.spread));
  if (!work.siblings.empty()) w.field("siblings", work.siblings);
}

Result<void> read_rules(const JsonObject& o, WantedWork& work) {
  work.priority_class = TRY(o.required_string("priority_class"));
  work.preemptible = TRY(o.required_bool("preemptible"));
  if (const auto limit = TRY(o.optional_int("time_limit_s"))) work.time_limit = seconds(*limit);
  work.deadline = TRY(read_time(o, "deadline"));
  work.deferrable = TRY(o.optional_bool("deferrable")).value_or(false);
  work.retries = TRY(read_int<std::uint32_t>(o, "retries"));
  work.requeue = TRY(o.required_bool("requeue"));
  work.checkpoint_signal = TRY(read_int<int>(o, "checkpoint_signal"));
  work.grace = seconds(TRY(o.required_int("grace_s")));
  if (const auto* const after = TRY(o.optional_array("after"))) {
    for (const auto& item : *after) {
      if (!item.is_int64() || item.get_int64() < 0) return failure(ErrorCode::kCorrupt, "after: want ids");
      work.after.push_back(static_cast<WorkloadId>(item.get_int64()));
    }
  }
  return {};
}

void write_rules(JsonWriter& w, const WantedWork& work) {
  w.field("priority_class", work.priority_class).field("preemptible", work.preemptible);
  if (work.time_limit) w.field("time_limit_s", work.time_limit->count());
  write_time(w, "deadline", work.deadline);
  if (work.deferrable) w.field("deferrable", true);
  if (work.retries > 0) w.field("retries", work.retries);
  w.field("requeue", work.requeue);
  if (work.checkpoint_signal != 0) w.field("checkpoint_signal", work.checkpoint_signal);
  w.field("grace_s", work.grace.count());
  if (work.after.empty()) return;
  w.key("after").begin_array();
  for (const WorkloadId id : work.after) w.value(id);
  w.end_array();
}

Result<WantedWork> read_wanted(const JsonObject& o) {
  WantedWork work;
  work.id = TRY(read_id(o));
  work.name = TRY(o.required_string("name"));
  const auto kind = TRY(o.required_string("kind"));
  work.kind = TRY(parse_work_kind(kind));
  work.title = TRY(o.optional_string("title")).value_or("");
  work.tenant = TRY(o.required_string("tenant"));
  work.project = TRY(o.required_string("project"));
  work.user = TRY(o.optional_string("user")).value_or("");
  const auto submitted = TRY(o.required_string("submitted_at"));
  work.submitted_at = TRY(parse_rfc3339(submitted));
  TRY_VOID(read_needs(o, work));
  TRY_VOID(read_rules(o, work));
  const auto program = TRY(o.required_object("program"));
  work.program = TRY(read_program(program));
  work.cancelled_at = TRY(read_time(o, "cancelled_at"));
  work.source = TRY(o.optional_string("source")).value_or("");
  return work;
}

Result<NamedPlace> read_place(const JsonObject& o) {
  return NamedPlace{TRY(o.required_string("node")), TRY(read_int<std::uint32_t>(o, "devices"))};
}

Result<void> read_figures(const JsonObject& o, ObservedWork& work) {
  work.started_at = TRY(read_time(o, "started_at"));
  work.ended_at = TRY(read_time(o, "ended_at"));
  work.accelerator_ms = TRY(read_int<std::int64_t>(o, "accelerator_ms"));
  work.cpu_us = TRY(read_int<std::int64_t>(o, "cpu_us"));
  work.energy_uj = TRY(o.optional_int("energy_uj"));
  work.co2e_ug = TRY(o.optional_int("co2e_ug"));
  work.cost_microeur = TRY(read_int<std::int64_t>(o, "cost_microeur"));
  work.basis = TRY(o.optional_string("basis")).value_or("unknown");
  return {};
}

Result<EndedRun> read_run(const JsonObject& o) {
  EndedRun run;
  run.number = TRY(read_int<std::uint32_t>(o, "number"));
  run.nodes = TRY(read_strings(o, "nodes"));
  const auto started = TRY(o.required_string("started_at"));
  const auto ended = TRY(o.required_string("ended_at"));
  run.started_at = TRY(parse_rfc3339(started));
  run.ended_at = TRY(parse_rfc3339(ended));
  run.outcome = TRY(o.required_string("outcome"));
  run.reason = TRY(o.optional_string("reason")).value_or("");
  run.full_reason = TRY(o.optional_string("full_reason")).value_or("");
  return run;
}

void write_runs(JsonWriter& w, const std::vector<EndedRun>& runs) {
  if (runs.empty()) return;
  w.key("runs").begin_array();
  for (const EndedRun& run : runs) {
    w.begin_object().field("number", run.number);
    write_strings(w, "nodes", run.nodes);
    w.field("started_at", to_rfc3339(run.started_at)).field("ended_at", to_rfc3339(run.ended_at));
    w.field("outcome", run.outcome);
    if (!run.reason.empty()) w.field("reason", run.reason);
    if (!run.full_reason.empty()) w.field("full_reason", run.full_reason);
    w.end_object();
  }
  w.end_array();
}

Result<ObservedWork> read_observed(const JsonObject& o) {
  ObservedWork work;
  work.id = TRY(read_id(o));
  const auto state = TRY(o.required_string("state"));
  work.state = TRY(parse_work_state(state));
  work.reason_code = TRY(o.optional_string("reason_code")).value_or("");
  work.reason = TRY(o.optional_string("reason")).value_or("");
  work.full_reason = TRY(o.optional_string("full_reason")).value_or("");
  if (const auto code = TRY(o.optional_int("exit_code"))) work.exit_code = static_cast<int>(*code);
  work.run = TRY(read_int<std::uint32_t>(o, "run"));
  work.failures = TRY(read_int<std::uint32_t>(o, "failures"));
  work.places = TRY(read_each(o, "places", read_place));
  work.cap_milli = TRY(read_int<std::int32_t>(o, "cap_milli", 1000));
  TRY_VOID(read_figures(o, work));
  work.grace_ms = TRY(o.optional_int("grace_ms"));
  work.stopping = TRY(o.optional_bool("stopping")).value_or(false);
  work.runs = TRY(read_each(o, "runs", read_run));
  return work;
}

}  // namespace

Result<WantedWork> parse_wanted(std::string_view json) {
  return parse_record<WantedWork>(json, "work record", read_wanted);
}

std::string to_json(const WantedWork& work) {
  JsonWriter w;
  w.begin_object().field("version", kVersion).field("id", work.id).field("name", work.name);
  w.field("kind", name_of(work.kind)).field("title", work.title);
  w.field("tenant", work.tenant).field("project", work.project).field("user", work.user);
  w.field("submitted_at", to_rfc3339(work.submitted_at));
  write_needs(w, work);
  write_rules(w, work);
  w.key("program");
  write_program(w, work.program);
  write_time(w, "cancelled_at", work.cancelled_at);
  if (!work.source.empty()) w.field("source", work.source);
  w.end_object();
  return w.take();
}

Result<ObservedWork> parse_observed(std::string_view json) {
  return parse_record<ObservedWork>(json, "state of work", read_observed);
}

std::string to_json(const ObservedWork& work) {
  JsonWriter w;
  w.begin_object().field("version", kVersion).field("id", work.id).field("state", name_of(work.state));
  if (!work.reason.empty()) w.field("reason_code", work.reason_code).field("reason", work.reason);
  if (!work.full_reason.empty()) w.field("full_reason", work.full_reason);
  if (work.exit_code) w.field("exit_code", *work.exit_code);
  w.field("run", work.run);
  if (work.failures > 0) w.field("failures", work.failures);
  if (!work.places.empty()) {
    w.key("places").begin_array();
    for (const NamedPlace& place : work.places)
      w.begin_object().field("node", place.node).field("devices", place.devices).end_object();
    w.end_array();
  }
  if (work.cap_milli != 1000) w.field("cap_milli", work.cap_milli);
  write_time(w, "started_at", work.started_at);
  write_time(w, "ended_at", work.ended_at);
  w.field("accelerator_ms", work.accelerator_ms).field("cpu_us", work.cpu_us);
  if (work.energy_uj) w.field("energy_uj", *work.energy_uj);
  if (work.co2e_ug) w.field("co2e_ug", *work.co2e_ug);
  w.field("cost_microeur", work.cost_microeur).field("basis", work.basis);
  if (work.grace_ms) w.field("grace_ms", *work.grace_ms);
  if (work.stopping) w.field("stopping", true);
  write_runs(w, work.runs);
  w.end_object();
  return w.take();
}

}  // namespace millrace::control
