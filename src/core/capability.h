// Capability: what an accelerator can do, whatever its vendor. A figure that is not known stays unknown.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace millrace {

struct Capability {
  std::string kind;                                 // "cpu", "nvidia-h100-sxm", ...
  std::optional<std::int64_t> memory_bytes;         // memory that work on it can use
  std::optional<double> compute_tflops_bf16;        // dense peak
  std::optional<double> memory_bandwidth_gb_per_s;  // peak, 10^9 bytes
  std::optional<double> interconnect_gb_per_s;      // to peers in its domain, each direction
  std::optional<double> power_idle_w;
  std::optional<double> power_max_w;
};

}  // namespace millrace
