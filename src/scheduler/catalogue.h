// Catalogue: what accelerators on the market can do, each figure with its source. What a source does not state is unknown.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/capability.h"
#include "core/result.h"

namespace millrace::scheduler {

/// Units as in core/capability.h.
struct CatalogueEntry {
  std::string_view kind;    // "nvidia-h100-sxm", "amd-mi300x", "huawei-ascend-950dt"
  std::string_view vendor;  // "nvidia", "amd", "intel", "huawei"
  std::optional<std::int64_t> memory_bytes;
  std::optional<double> compute_tflops_bf16;
  std::optional<double> memory_bandwidth_gb_per_s;
  std::optional<double> interconnect_gb_per_s;
  std::optional<double> power_idle_w;
  std::optional<double> power_max_w;
  std::string_view source;       // of every figure but the idle draw (data/SOURCE.txt)
  std::string_view idle_source;  // empty where power_idle_w is unknown

  Capability capability() const;
};

/// Sorted by kind.
std::span<const CatalogueEntry> catalogue();

/// The entry of a kind; kNotFound names the kinds nearest to what was asked for.
Result<const CatalogueEntry*> find_kind(std::string_view kind);

}  // namespace millrace::scheduler
