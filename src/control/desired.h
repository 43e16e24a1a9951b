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
  std::string model_file;         // "llama" only: absolute path of the GGUF
  std::int64_t min_replicas = 1;  // 0 to max_replicas
  std::int64_t max_replicas = 1;  // to 64; what is between the two follows the load
  bool embeds = false;
  std::int64_t context = 0;            // 0: default; tokens in all slots of a replica together
  std::int64_t slots = 0;              // 0: default
  std::int64_t threads = 0;            // 0: decided from the machine
  std::int64_t idle_s = 300;           // min_replicas 0: without a request for this long, none is left
  std::int64_t first_token_ms = 0;     // mean time to the first token to be aimed at; 0: none
  std::int64_t start_timeout_s = 120;  // how long a request waits for a replica
  std::string routing = "cost";        // "cost" or "round-robin"
  std::string spread = "none";         // "node", "rack" or "rail": no two replicas on one
  std::int64_t changes = 0;            // made to it since its creation
  TimePoint created_at{};
  bool operator==(const DesiredEndpoint&) const = default;
};

/// kCorrupt naming the key that is wrong.
Result<DesiredEndpoint> parse_desired(std::string_view json);
/// One JSON object with all the keys above (created_at in RFC 3339). Records of earlier versions have "replicas" in
/// place of the two bounds.
std::string to_json(const DesiredEndpoint& endpoint);

}  // namespace millrace::control
