// A job's spec as JSON, and the work it stands for.
#include <fmt/format.h>

#include "core/amount.h"
#include "host/json.h"
#include "platform/job_spec.h"

namespace millrace::platform {
namespace {

using host::JsonWriter;

void write_texts(JsonWriter& out, std::string_view key, const std::vector<std::string>& texts) {
  if (texts.empty()) return;
  out.key(key).begin_array();
  for (const std::string& text : texts) out.value(text);
  out.end_array();
}

/// Thousandths as a number that reads back as the same.
void write_milli(JsonWriter& out, std::string_view key, std::int64_t milli) {
  if (milli % 1000 == 0) {
    out.field(key, milli / 1000);
  } else {
    out.field(key, static_cast<double>(milli) / 1000);
  }
}

void write_policy(JsonWriter& out, const JobSpec& spec) {
  if (spec.time_limit) out.field("time_limit", format_duration(*spec.time_limit));
  out.field("priority_class", spec.priority_class);
  if (spec.deadline) out.field("deadline", to_rfc3339(*spec.deadline));
  out.field("deferrable", spec.deferrable).field("retries", spec.retries).field("requeue", spec.requeue);
  out.field("preemptible", spec.preemptible);
  if (spec.checkpoint_signal != 0) out.field("checkpoint_signal", spec.checkpoint_signal);
  out.field("grace", format_duration(spec.grace));
  if (!spec.array.empty()) out.field("array", format_array(spec.array));
  write_texts(out, "after", spec.after);
  write_texts(out, "zones", spec.zones);
}

void write_files(JsonWriter& out, const JobSpec& spec) {
  if (!spec.env.empty()) {
    out.key("env").begin_object();
    for (const auto& [key, value] : spec.env) out.field(key, value);
    out.end_object();
  }
  if (!spec.secrets.empty()) {
    out.key("secret").begin_array();
    for (const JobSecret& secret : spec.secrets)
      out.begin_object().field("name", secret.name).field("path", secret.path).end_object();
    out.end_array();
  }
  if (!spec.mounts.empty()) {
    out.key("mount").begin_array();
    for (const JobMount& mount : spec.mounts) {
      out.begin_object().field("source", mount.source).field("path", mount.path);
      out.field("mode", mount.writable ? "rw" : "ro").end_object();
    }
    out.end_array();
  }
}

control::Program program_of(const JobSpec& spec, const Submission& submission) {
  control::Program program;
  program.image = spec.image;
  program.command = spec.command;
  program.env = spec.env;
  for (const JobSecret& secret : spec.secrets) program.secrets.push_back({secret.name, secret.path});
  for (const JobMount& mount : spec.mounts)
    program.mounts.push_back({mount.source, mount.path, mount.writable});
  program.workdir_archive = submission.workdir_archive;
  program.host_network = spec.host_network;
  program.scratch_bytes = spec.scratch_bytes;
  program.disk_bytes = spec.disk_bytes;
  program.log_max_bytes = spec.log_max_bytes;
  return program;
}

/// The last part of the program's path.
std::string title_of(const JobSpec& spec) {
  if (!spec.name.empty()) return spec.name;
  const std::string& program = spec.command.front();
  return program.substr(program.rfind('/') + 1).substr(0, 128);
}

control::WantedWork common_work(const JobSpec& spec, const Submission& submission) {
  control::WantedWork work;
  work.id = control::workload_id(submission.number);
  work.name = fmt::format("{}", submission.number);
  work.kind = control::WorkKind::kJob;
  work.title = title_of(spec);
  work.tenant = submission.tenant;
  work.project = submission.project;
  work.user = submission.user;
  work.submitted_at = submission.at;
  work.demand = {.cpu_milli = spec.cpu_milli,
                 .memory_mib = spec.memory_mib,
                 .accelerators = spec.accelerators,
                 .accelerator_milli = spec.accelerator_milli};
  work.tasks = spec.nodes * spec.tasks_per_node;
  work.tasks_per_node = spec.tasks_per_node;
  work.kinds = spec.accelerator_kind;
  work.zones = spec.zones;
  work.one_domain = spec.one_domain;
  work.spread = spec.spread;
  work.priority_class = spec.priority_class;
  work.preemptible = spec.preemptible;
  work.time_limit = spec.time_limit;
  work.deadline = spec.deadline;
  work.deferrable = spec.deferrable;
  work.retries = spec.retries;
  work.requeue = spec.requeue;
  work.checkpoint_signal = spec.checkpoint_signal;
  work.grace = spec.grace;
  work.after = submission.after;
  work.program = program_of(spec, submission);
  return work;
}

}  // namespace

std::string to_json(const JobSpec& spec) {
  JsonWriter out;
  out.begin_object();
  if (!spec.name.empty()) out.field("name", spec.name);
  out.field("image", spec.image);
  write_texts(out, "command", spec.command);
  write_milli(out, "cpus", spec.cpu_milli);
  out.field("memory", format_size(spec.memory_mib << 20));
  write_milli(out, "accelerators",
              spec.accelerators == 1 ? spec.accelerator_milli : spec.accelerators * 1000);
  write_texts(out, "accelerator_kind", spec.accelerator_kind);
  out.field("nodes", spec.nodes).field("tasks_per_node", spec.tasks_per_node);
  out.field("one_domain", spec.one_domain).field("spread", name_of(spec.spread));
  write_policy(out, spec);
  write_files(out, spec);
  out.field("network", spec.host_network ? "host" : "none");
  out.field("scratch", format_size(spec.scratch_bytes)).field("disk", format_size(spec.disk_bytes));
  out.field("log_max", format_size(spec.log_max_bytes)).end_object();
  return out.take();
}

std::vector<control::WantedWork> wanted_of(const JobSpec& spec, const Submission& submission) {
  control::WantedWork common = common_work(spec, submission);
  auto& env = common.program.env;
  env["MILLRACE_JOB_ID"] = common.name;
  if (spec.array.empty()) return {std::move(common)};
  env["MILLRACE_ARRAY_ID"] = common.name;
  env["MILLRACE_ARRAY_SIZE"] = fmt::format("{}", spec.array.size());
  std::vector<control::WantedWork> all;
  all.reserve(spec.array.size());
  for (const std::uint32_t index : spec.array) {
    control::WantedWork work = common;
    work.id = control::workload_id(submission.number, index);
    work.name = fmt::format("{}_{}", submission.number, index);
    work.program.env["MILLRACE_JOB_ID"] = work.name;
    work.program.env["MILLRACE_ARRAY_INDEX"] = fmt::format("{}", index);
    all.push_back(std::move(work));
  }
  return all;
}

}  // namespace millrace::platform
