#include "identity/compute_quota.h"

#include <fmt/format.h>

#include "host/json.h"
#include "identity/policy_fields.h"

namespace millrace::identity {
namespace {

constexpr std::int64_t kMostAmount = 1'000'000'000'000'000;
constexpr std::int32_t kMostWeight = 1'000'000;

Result<void> check_range(std::string_view name, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value >= least && value <= most) return {};
  return failure(ErrorCode::kInvalidArgument,
                 fmt::format("{}: must be from {} to {}, found {}", name, least, most, value));
}

}  // namespace

Result<void> check_compute_quota(const ComputeQuota& quota) {
  const std::pair<std::string_view, std::optional<std::int64_t>> amounts[] = {
      {"accelerators_milli", quota.accelerators_milli},
      {"cpu_milli", quota.cpu_milli},
      {"memory_mib", quota.memory_mib},
  };
  for (const auto& [name, value] : amounts) {
    if (value) TRY_VOID(check_range(name, *value, 0, kMostAmount));
  }
  return check_range("weight_milli", quota.weight_milli, 1, kMostWeight);
}

std::string encode(const ComputeQuota& quota) {
  host::JsonWriter out;
  out.begin_object();
  if (quota.accelerators_milli) out.field("accelerators_milli", *quota.accelerators_milli);
  if (quota.cpu_milli) out.field("cpu_milli", *quota.cpu_milli);
  if (quota.memory_mib) out.field("memory_mib", *quota.memory_mib);
  out.field("borrow", quota.borrow).field("weight_milli", quota.weight_milli).end_object();
  return out.take();
}

Result<ComputeQuota> parse_compute_quota(std::string_view json) {
  return parse_record("compute quota", json, [](const host::JsonObject& in) -> Result<ComputeQuota> {
    TRY_VOID(
        in.check_no_unknown({"accelerators_milli", "cpu_milli", "memory_mib", "borrow", "weight_milli"}));
    ComputeQuota quota;
    quota.accelerators_milli = TRY(in.optional_int("accelerators_milli"));
    quota.cpu_milli = TRY(in.optional_int("cpu_milli"));
    quota.memory_mib = TRY(in.optional_int("memory_mib"));
    quota.borrow = TRY(in.required_bool("borrow"));
    const std::int64_t weight = TRY(in.required_int("weight_milli"));
    TRY_VOID(check_range("weight_milli", weight, 1, kMostWeight));
    quota.weight_milli = static_cast<std::int32_t>(weight);
    TRY_VOID(check_compute_quota(quota));
    return quota;
  });
}

}  // namespace millrace::identity
