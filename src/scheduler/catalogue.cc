#include "scheduler/catalogue.h"

#include <fmt/format.h>

#include <algorithm>

namespace millrace::scheduler {
namespace {

constexpr CatalogueEntry kEntries[] = {
#include "scheduler/accelerators.inc"
};

std::size_t common_prefix(std::string_view a, std::string_view b) {
  return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return lower;
}

/// At most four, whatever the case: those that hold `kind` as a part, else those that agree with it for longest from their first letter on.
std::string nearest(std::string_view as_asked) {
  const std::string kind = lower_case(as_asked);
  const auto holds = [&](const CatalogueEntry& entry) { return !kind.empty() && entry.kind.contains(kind); };
  const bool any_holds = std::ranges::any_of(kEntries, holds);
  std::size_t best = 0;
  for (const auto& entry : kEntries) best = std::max(best, common_prefix(kind, entry.kind));
  std::string names;
  int count = 0;
  for (const auto& entry : kEntries) {
    const bool is_near = any_holds ? holds(entry) : common_prefix(kind, entry.kind) >= best;
    if (!is_near || ++count > 4) continue;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", entry.kind);
  }
  return names;
}

}  // namespace

Capability CatalogueEntry::capability() const {
  return {.kind = std::string(kind),
          .memory_bytes = memory_bytes,
          .compute_tflops_bf16 = compute_tflops_bf16,
          .memory_bandwidth_gb_per_s = memory_bandwidth_gb_per_s,
          .interconnect_gb_per_s = interconnect_gb_per_s,
          .power_idle_w = power_idle_w,
          .power_max_w = power_max_w};
}

std::span<const CatalogueEntry> catalogue() { return kEntries; }

Result<const CatalogueEntry*> find_kind(std::string_view kind) {
  const auto it = std::ranges::lower_bound(kEntries, kind, {}, &CatalogueEntry::kind);
  if (it != std::end(kEntries) && it->kind == kind) return it;
  return failure(
      ErrorCode::kNotFound,
      fmt::format("accelerator kind \"{}\" is not in the catalogue; nearest: {} (all: millrace twin "
                  "accelerators); or state its figures",
                  kind, nearest(kind)));
}

}  // namespace millrace::scheduler
