#include "ledger/usage_json.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdlib>

#include "core/short_text.h"

namespace millrace::ledger {
namespace {

void write_millionths(host::JsonWriter& out, std::string_view key, const std::optional<std::int64_t>& value) {
  out.key(key);
  if (value) {
    out.raw(decimal_of_millionths(*value));
  } else {
    out.null();
  }
}

void write_text_or_null(host::JsonWriter& out, std::string_view key, const std::string& text) {
  out.key(key);
  if (text.empty()) {
    out.null();
  } else {
    out.value(text);
  }
}

Result<std::optional<std::int64_t>> read_millionths(const host::JsonObject& object, std::string_view key) {
  const auto value = TRY(object.optional_double(key));
  if (!value) return std::nullopt;
  if (!(std::abs(*value) < 9e12)) {
    return failure(ErrorCode::kInvalidArgument, fmt::format("{}: is out of range", object.path_of(key)));
  }
  return std::llround(*value * 1e6);
}

Result<TimePoint> read_time(const host::JsonObject& object, std::string_view key) {
  const std::string text = TRY(object.required_string(key));
  return parse_rfc3339(text);
}

Result<store::UsageStatus> parse_status(const std::string& text) {
  for (const auto status :
       {store::UsageStatus::kCompleted, store::UsageStatus::kCancelled, store::UsageStatus::kFailed}) {
    if (text == store::name_of(status)) return status;
  }
  return failure(ErrorCode::kInvalidArgument, "status: want completed, cancelled or failed");
}

}  // namespace

std::string decimal_of_millionths(std::int64_t millionths) {
  constexpr std::int64_t kMillion = 1'000'000;
  ShortText<24> text;
  if (millionths < 0 && millionths > -kMillion) text.add("-");  // 0 has no sign of its own
  text.add(millionths / kMillion);
  std::array<char, 7> decimals{'.'};
  std::int64_t rest = std::abs(millionths % kMillion);
  for (std::size_t at = decimals.size() - 1; at > 0; --at, rest /= 10)
    decimals[at] = static_cast<char>('0' + rest % 10);
  text.add({decimals.data(), decimals.size()});
  return std::string(text.view());
}

void write_usage(host::JsonWriter& out, const store::UsageRecord& record) {
  out.begin_object().field("request_id", record.request_id);
  write_text_or_null(out, "client_request_id", record.client_request_id);
  out.field("tenant", record.tenant).field("project", record.project).field("key_id", record.key_id);
  out.field("endpoint", record.endpoint).field("model", record.model).field("status", name_of(record.status));
  out.field("input_tokens", record.input_tokens).field("cached_tokens", record.cached_tokens);
  out.field("output_tokens", record.output_tokens).field("reasoning_tokens", record.reasoning_tokens);
  write_millionths(out, "energy_j", record.energy_uj);
  write_millionths(out, "co2e_g", record.co2e_ug);
  write_text_or_null(out, "energy_model", record.energy_model);
  write_millionths(out, "accelerator_s", record.accelerator_ms * 1000);
  write_millionths(out, "cpu_s", record.cpu_us);
  out.field("cost_microeur", record.cost_microeur).field("price_version", record.price_version);
  out.field("basis", record.basis).field("site", record.site).field("zone", record.zone);
  out.field("started_at", to_rfc3339(record.started_at)).field("ended_at", to_rfc3339(record.ended_at));
  out.end_object();
}

Result<store::UsageRecord> parse_usage(const host::JsonObject& object) {
  store::UsageRecord record;
  record.request_id = TRY(object.required_string("request_id"));
  record.client_request_id = TRY(object.optional_string("client_request_id")).value_or("");
  record.tenant = TRY(object.required_string("tenant"));
  record.project = TRY(object.required_string("project"));
  record.key_id = TRY(object.required_string("key_id"));
  record.endpoint = TRY(object.required_string("endpoint"));
  record.model = TRY(object.required_string("model"));
  const std::string status = TRY(object.required_string("status"));
  record.status = TRY(parse_status(status));
  record.input_tokens = TRY(object.required_int("input_tokens"));
  record.cached_tokens = TRY(object.required_int("cached_tokens"));
  record.output_tokens = TRY(object.required_int("output_tokens"));
  record.reasoning_tokens = TRY(object.required_int("reasoning_tokens"));
  record.energy_uj = TRY(read_millionths(object, "energy_j"));
  record.co2e_ug = TRY(read_millionths(object, "co2e_g"));
  record.energy_model = TRY(object.optional_string("energy_model")).value_or("");
  record.accelerator_ms = TRY(read_millionths(object, "accelerator_s")).value_or(0) / 1000;
  record.cpu_us = TRY(read_millionths(object, "cpu_s")).value_or(0);
  record.cost_microeur = TRY(object.required_int("cost_microeur"));
  record.price_version = TRY(object.required_int("price_version"));
  record.basis = TRY(object.required_string("basis"));
  record.site = TRY(object.required_string("site"));
  record.zone = TRY(object.required_string("zone"));
  record.started_at = TRY(read_time(object, "started_at"));
  record.ended_at = TRY(read_time(object, "ended_at"));
  return record;
}

void write_usage_sum(host::JsonWriter& out, const store::UsageSum& sum) {
  out.begin_object().field("name", sum.name).field("requests", sum.requests);
  out.field("input_tokens", sum.input_tokens).field("cached_tokens", sum.cached_tokens);
  out.field("output_tokens", sum.output_tokens).field("reasoning_tokens", sum.reasoning_tokens);
  write_millionths(out, "energy_j", sum.energy_uj);
  write_millionths(out, "co2e_g", sum.co2e_ug);
  write_millionths(out, "accelerator_s", sum.accelerator_ms * 1000);
  write_millionths(out, "cpu_s", sum.cpu_us);
  out.field("cost_microeur", sum.cost_microeur);
  write_millionths(out, "cost_eur", sum.cost_microeur);
  out.end_object();
}

}  // namespace millrace::ledger
