#include "control/past_use.h"

#include <array>
#include <chrono>

#include "host/json.h"

namespace millrace::control {
namespace {

constexpr std::array kResources = {"accelerators_milli", "cpu_milli", "memory_mib"};

Result<scheduler::PastUse> read(std::string_view json) {
  const auto value = TRY(host::parse_json(json, {.max_depth = 2, .max_bytes = 4096}));
  const auto in = TRY(host::JsonObject::of(value));
  scheduler::PastUse past;
  past.as_of = TimePoint(std::chrono::microseconds(TRY(in.required_int("as_of_us"))));
  for (std::size_t i = 0; i < kResources.size(); ++i) {
    past.mean[i] = TRY(in.optional_double(kResources[i])).value_or(0.0);
    if (past.mean[i] < 0.0) return failure(ErrorCode::kCorrupt, in.path_of(kResources[i]) + ": is below 0");
  }
  return past;
}

}  // namespace

Result<scheduler::PastUse> parse_past_use(std::string_view json) {
  auto past = read(json);
  if (!past) return failure(ErrorCode::kCorrupt, "record of past use: " + past.error().message);
  return past;
}

std::string to_json(const scheduler::PastUse& past) {
  host::JsonWriter out;
  out.begin_object().field(
      "as_of_us", std::chrono::floor<std::chrono::microseconds>(past.as_of.time_since_epoch()).count());
  for (std::size_t i = 0; i < kResources.size(); ++i) out.field(kResources[i], past.mean[i]);
  out.end_object();
  return out.take();
}

}  // namespace millrace::control
