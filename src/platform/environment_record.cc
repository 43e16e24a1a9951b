#include "platform/environment_record.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/json.h"
#include "host/sha256.h"

namespace millrace::platform {
namespace {

constexpr std::size_t kNameMax = 63;  // RFC 1035, 2.3.4

Result<identity::KeyDigest> digest_of(std::string_view hex) {
  identity::KeyDigest digest{};
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  bool good = hex.size() == 2 * digest.size();
  for (std::size_t i = 0; good && i < digest.size(); ++i) {
    const int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);
    good = high >= 0 && low >= 0;
    digest[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  if (!good) return failure(ErrorCode::kCorrupt, "secret: want 64 hexadecimal digits");
  return digest;
}

Result<EnvironmentRecord> read(std::string_view json) {
  const auto value = TRY(host::parse_json(json, {.max_depth = 4, .max_bytes = 1u << 20}));
  const auto in = TRY(host::JsonObject::of(value));
  EnvironmentRecord record;
  record.name = TRY(in.required_string("name"));
  record.kind = TRY(in.required_string("kind"));
  record.tenant = TRY(in.required_string("tenant"));
  record.project = TRY(in.required_string("project"));
  record.user = TRY(in.required_string("user"));
  record.cpu_milli = TRY(in.required_int("cpu_milli"));
  record.memory_mib = TRY(in.required_int("memory_mib"));
  record.accelerators = static_cast<std::int32_t>(TRY(in.required_int("accelerators")));
  record.accelerator_kind = TRY(in.required_string("accelerator_kind"));
  record.idle = std::chrono::seconds{TRY(in.required_int("idle_s"))};
  const auto created_at = TRY(in.required_string("created_at"));
  record.created_at = TRY(parse_rfc3339(created_at));
  const auto secret = TRY(in.required_string("secret"));
  record.secret = TRY(digest_of(secret));
  record.key_id = TRY(in.required_string("key_id"));
  record.public_key = TRY(in.required_string("public_key"));
  record.host_key = TRY(in.required_string("host_key"));
  record.wanted = TRY(in.required_bool("wanted"));
  record.work = static_cast<control::WorkloadId>(TRY(in.required_int("work")));
  record.reason = TRY(in.required_string("reason"));
  return record;
}

}  // namespace

std::string to_json(const EnvironmentRecord& record) {
  host::JsonWriter out;
  out.begin_object().field("name", record.name).field("kind", record.kind).field("tenant", record.tenant);
  out.field("project", record.project).field("user", record.user).field("cpu_milli", record.cpu_milli);
  out.field("memory_mib", record.memory_mib).field("accelerators", record.accelerators);
  out.field("accelerator_kind", record.accelerator_kind).field("idle_s", record.idle.count());
  out.field("created_at", to_rfc3339(record.created_at)).field("secret", host::to_hex(record.secret));
  out.field("key_id", record.key_id)
      .field("public_key", record.public_key)
      .field("host_key", record.host_key);
  out.field("wanted", record.wanted).field("work", static_cast<std::int64_t>(record.work));
  out.field("reason", record.reason).end_object();
  return out.take();
}

Result<EnvironmentRecord> parse_environment_record(std::string_view json) {
  auto record = read(json);
  if (record) return record;
  return failure(ErrorCode::kCorrupt, "environment record: " + record.error().message);
}

bool is_environment_name(std::string_view name) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= kNameMax && plain(name.front()) && plain(name.back()) &&
         std::ranges::all_of(name, [&](char c) { return plain(c) || c == '-'; });
}

/// A secret's name has at most 64 characters.
std::string api_key_secret(std::string_view name) {
  return "environment." + host::sha256_hex(name).substr(0, 16) + ".api-key";
}
std::string host_key_secret(std::string_view name) {
  return "environment." + host::sha256_hex(name).substr(0, 16) + ".ssh-host-key";
}

control::WantedWork work_of(const EnvironmentRecord& record, const EnvironmentFolders& folders,
                            std::uint64_t number, TimePoint now) {
  control::WantedWork work;
  work.id = control::workload_id(number);
  work.name = fmt::format("{}", number);
  work.kind = control::WorkKind::kEnvironment;
  work.title = record.name;
  work.tenant = record.tenant;
  work.project = record.project;
  work.user = record.user;
  work.submitted_at = now;
  work.demand = {
      .cpu_milli = record.cpu_milli, .memory_mib = record.memory_mib, .accelerators = record.accelerators};
  if (!record.accelerator_kind.empty()) work.kinds = {record.accelerator_kind};
  work.preemptible = false;  // somebody sits before it
  work.retries = 2;
  work.grace = std::chrono::seconds{10};
  control::Program& program = work.program;
  program.image = record.kind;
  program.command = {"/usr/lib/millrace/start"};
  program.env = {{"HOME", "/home/user"},
                 {"MILLRACE_ENVIRONMENT", record.name},
                 {"OPENAI_BASE_URL", "http://127.0.0.1:8080/v1"},
                 {"ANTHROPIC_BASE_URL", "http://127.0.0.1:8080"}};
  program.secrets = {{api_key_secret(record.name), "/run/secrets/api-key"}};
  if (record.kind == kShell) {
    program.env["MILLRACE_SSH_PUBLIC_KEY"] = record.public_key;
    program.secrets.push_back({host_key_secret(record.name), "/run/secrets/ssh-host-key"});
  }
  program.mounts = {{folders.volume, "/home/user", true}, {folders.socket, "/run/millrace", true}};
  return work;
}

}  // namespace millrace::platform
