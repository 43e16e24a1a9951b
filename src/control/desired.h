// Desired state: what should run, as written to the store by platform and read by the control loop.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "core/result.h"

namespace millrace::control {

inline constexpr std::string_view kEndpointPrefix = "endpoint/";

/// Record "endpoint/<name>". Keys that this version does not know are kept out of here and ignored, so that platform
/// may store more in the same object.
struct DesiredEndpoint {
  std::string name;
  std::string engine = "llama";  // "llama" runs here; "openai" is an upstream and needs nothing from control
  std::string model;
  std::string model_file;     // "llama" only: absolute path of the GGUF
  std::int64_t replicas = 1;  // 0 to 64
  bool embeds = false;
  std::int64_t context = 0;  // 0: default; tokens in all slots of a replica together
  std::int64_t slots = 0;    // 0: default
  std::int64_t threads = 0;  // 0: decided from the machine
  TimePoint created_at{};
  bool operator==(const DesiredEndpoint&) const = default;
};

/// kCorrupt naming the key that is wrong.
Result<DesiredEndpoint> parse_desired(std::string_view json);
/// One JSON object with all the keys above (created_at in RFC 3339).
std::string to_json(const DesiredEndpoint& endpoint);

}  // namespace millrace::control
