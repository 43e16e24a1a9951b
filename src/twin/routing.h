// `millrace twin routing`: replays the prompts of a trace against replicas with prefix caches, under the gateway's own rule
// or one to compare it with.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "routing/choose.h"
#include "routing/prefix_cache.h"
#include "twin/progress.h"

namespace millrace::twin {

enum class RoutingPolicy {
  kRoundRobin,
  kLongestPrefix,  // most leading blocks cached; ties to the lowest index
  kCost,           // routing::choose_replica
};

/// "round-robin", "longest-prefix", "cost".
const char* name_of(RoutingPolicy policy);
/// kInvalidArgument names the three.
Result<RoutingPolicy> parse_routing_policy(std::string_view name);

/// One request of a trace: when it came, and the blocks of its prompt.
struct PromptArrival {
  std::int64_t time_ms = 0;
  std::vector<routing::BlockHash> blocks;
};

/// Reads JSON lines with `timestamp` (milliseconds) and `hash_ids` (one for each block of 512 tokens, equal ids mean equal
/// prefixes), other members are passed over: the format of Mooncake, FAST'25. kInvalidArgument names file and line where
/// a line is none, or goes back in time.
Result<std::vector<PromptArrival>> read_prompt_trace(const std::string& path);

struct RoutingOptions {
  std::string trace;  // path
  std::int64_t replicas = 8;
  std::int64_t cache_tokens = 3'000'000;  // of each replica
  double drain_blocks_per_s = 4.0;        // prompt blocks that a replica computes, at least 0.001
  RoutingPolicy policy = RoutingPolicy::kCost;
  std::int64_t missing_weight = routing::kMissingWeight;  // kCost only
};

struct RoutingResult {
  RoutingOptions options;
  std::int64_t requests = 0;
  std::int64_t blocks = 0;       // of all prompts
  std::int64_t hit_blocks = 0;   // in the longest cached prefix of the replica that was chosen
  double hit_ratio = 0.0;        // hit_blocks / blocks
  double imbalance = 0.0;        // blocks to compute: largest / mean over replicas; 0 if there are none
  double ceiling_hit_ratio = 0;  // hits of one unbounded cache shared by all
  // From arrival until the prompt is computed, first come first served.
  double wait_mean_s = 0.0, wait_p50_s = 0.0, wait_p99_s = 0.0;
};

/// kInvalidArgument where an option is out of range, or the trace cannot be read or is empty.
Result<RoutingResult> run_routing(const RoutingOptions& options, const Progress& progress);

/// The same on requests that were read already; the options must be in range.
RoutingResult replay_prompts(std::span<const PromptArrival> trace, const RoutingOptions& options,
                             const Progress& progress);

/// Members: policy, replicas, cache_tokens, drain_blocks_per_s, missing_weight (cost only), requests, blocks, hit_blocks,
/// hit_ratio, imbalance, ceiling_hit_ratio, wait_mean_s, wait_p50_s, wait_p99_s.
boost::json::object to_json(const RoutingResult& result);

}  // namespace millrace::twin
