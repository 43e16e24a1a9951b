#include "platform/job_record.h"

#include <fmt/format.h>

#include <charconv>

#include "host/json.h"
#include "platform/job_spec.h"

namespace millrace::platform {
namespace {

constexpr std::int64_t kVersion = 1;
constexpr std::uint64_t kNumberMax = 1ULL << 43;  // with the index it fits an id below 2^63

bool take(std::string_view& text, std::uint64_t& number) {
  if (text.starts_with('0') && text.size() > 1 && text[1] >= '0' && text[1] <= '9') return false;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

Result<JobRecord> read(std::string_view json) {
  const auto value = TRY(host::parse_json(json, {.max_depth = 4, .max_bytes = 4u << 20}));
  const auto in = TRY(host::JsonObject::of(value));
  if (TRY(in.required_int("version")) != kVersion) {
    return failure(ErrorCode::kCorrupt, "version: is of another program");
  }
  JobRecord record;
  record.number = static_cast<std::uint64_t>(TRY(in.required_int("number")));
  record.title = TRY(in.required_string("title"));
  record.tenant = TRY(in.required_string("tenant"));
  record.project = TRY(in.required_string("project"));
  record.user = TRY(in.required_string("user"));
  const std::string submitted_at = TRY(in.required_string("submitted_at"));
  record.submitted_at = TRY(parse_rfc3339(submitted_at));
  if (const auto array = TRY(in.optional_string("array"))) record.array = TRY(parse_array(*array));
  record.workdir = TRY(in.optional_string("workdir")).value_or("");
  record.spec = TRY(in.required_string("spec"));
  return record;
}

}  // namespace

std::string job_key(std::uint64_t number) { return fmt::format("{}{:016x}", kJobPrefix, ~number); }

std::vector<control::WorkloadId> JobRecord::ids() const {
  if (array.empty()) return {control::workload_id(number)};
  std::vector<control::WorkloadId> all;
  all.reserve(array.size());
  for (const std::uint32_t index : array) all.push_back(control::workload_id(number, index));
  return all;
}

std::string to_json(const JobRecord& record) {
  host::JsonWriter out;
  out.begin_object().field("version", kVersion).field("number", record.number).field("title", record.title);
  out.field("tenant", record.tenant).field("project", record.project).field("user", record.user);
  out.field("submitted_at", to_rfc3339(record.submitted_at));
  if (record.is_array()) out.field("array", format_array(record.array));
  if (!record.workdir.empty()) out.field("workdir", record.workdir);
  out.field("spec", record.spec).end_object();
  return out.take();
}

Result<JobRecord> parse_job_record(std::string_view json) {
  auto record = read(json);
  if (record) return record;
  return failure(ErrorCode::kCorrupt, "job record: " + record.error().message);
}

std::string to_text(const JobId& id) {
  return id.index ? fmt::format("{}_{}", id.number, *id.index) : fmt::format("{}", id.number);
}

std::optional<JobId> parse_job_id(std::string_view text) {
  JobId id;
  if (!take(text, id.number) || id.number == 0 || id.number >= kNumberMax) return std::nullopt;
  if (text.empty()) return id;
  std::uint64_t index = 0;
  if (!text.starts_with('_')) return std::nullopt;
  text.remove_prefix(1);
  if (!take(text, index) || !text.empty() || index >> control::kArrayBits != 0) return std::nullopt;
  id.index = static_cast<std::uint32_t>(index);
  return id;
}

}  // namespace millrace::platform
