#include "twin/routing.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_set>

#include "twin/sim/statistics.h"

namespace millrace::twin {
namespace {

using routing::BlockHash;

/// Queues are counted in millionths of a block: the drain is a whole number of thousandths of a block a second and the
/// trace's time of milliseconds, so nothing is rounded.
constexpr std::int64_t kUnitsPerBlock = 1'000'000;

struct Replica {
  routing::PrefixCache cache;
  std::int64_t queued_units = 0;
  std::int64_t computed_blocks = 0;
};

class Replay {
 public:
  explicit Replay(const RoutingOptions& options)
      : options_(options),
        drain_units_per_ms_(std::llround(options.drain_blocks_per_s * 1000)),
        replicas_(static_cast<std::size_t>(options.replicas),
                  Replica{routing::PrefixCache(options.cache_tokens)}),
        loads_(replicas_.size()) {
    // Replicas here have no limit on requests, so that cost alone decides.
    for (auto& load : loads_) load = {.ready = true, .slots = std::numeric_limits<std::int64_t>::max()};
  }

  void arrive(const PromptArrival& request) {
    drain_until(request.time_ms);
    look_at_caches(request.blocks);
    const std::size_t chosen = choose();
    Replica& replica = replicas_[chosen];
    const std::int64_t hits = loads_[chosen].cached_blocks / kUnitsPerBlock;
    const std::int64_t missing = static_cast<std::int64_t>(request.blocks.size()) - hits;
    hit_blocks_ += hits;
    replica.computed_blocks += missing;
    replica.queued_units += missing * kUnitsPerBlock;
    replica.cache.insert(request.blocks);
    waits_s_.add(static_cast<double>(replica.queued_units) / static_cast<double>(drain_units_per_ms_) / 1000);
    ++next_;
  }

  void report(RoutingResult& result) {
    result.hit_blocks = hit_blocks_;
    std::int64_t largest = 0;
    std::int64_t sum = 0;
    for (const auto& replica : replicas_) {
      largest = std::max(largest, replica.computed_blocks);
      sum += replica.computed_blocks;
    }
    const auto count = static_cast<double>(replicas_.size());
    result.imbalance = sum == 0 ? 0.0 : static_cast<double>(largest) * count / static_cast<double>(sum);
    result.wait_mean_s = waits_s_.mean();
    result.wait_p50_s = waits_s_.quantile(0.5);
    result.wait_p99_s = waits_s_.quantile(0.99);
  }

 private:
  void drain_until(std::int64_t time_ms) {
    const auto drained = static_cast<__int128>(drain_units_per_ms_) * (time_ms - now_ms_);
    now_ms_ = time_ms;
    for (auto& replica : replicas_) {
      replica.queued_units = static_cast<std::int64_t>(std::max<__int128>(0, replica.queued_units - drained));
    }
  }

  void look_at_caches(std::span<const BlockHash> blocks) {
    for (std::size_t i = 0; i < replicas_.size(); ++i) {
      loads_[i].queued_blocks = replicas_[i].queued_units;
      loads_[i].cached_blocks =
          static_cast<std::int64_t>(replicas_[i].cache.longest_prefix(blocks)) * kUnitsPerBlock;
    }
  }

  std::size_t choose() const {
    switch (options_.policy) {
      case RoutingPolicy::kRoundRobin:
        return next_ % replicas_.size();
      case RoutingPolicy::kLongestPrefix: {
        const auto best = std::ranges::max_element(loads_, {}, &routing::ReplicaLoad::cached_blocks);
        return static_cast<std::size_t>(best - loads_.begin());
      }
      case RoutingPolicy::kCost:
        break;
    }
    return routing::choose_replica(loads_, options_.missing_weight)
        .value_or(0);  // all are ready: there is always one
  }

  const RoutingOptions& options_;
  const std::int64_t drain_units_per_ms_;
  std::vector<Replica> replicas_;
  std::vector<routing::ReplicaLoad> loads_;
  std::int64_t now_ms_ = 0;
  std::size_t next_ = 0;
  std::int64_t hit_blocks_ = 0;
  Sample waits_s_;
};

/// What one cache without bound, shared by all, would have hit.
double ceiling_of(std::span<const PromptArrival> trace, std::int64_t blocks) {
  std::unordered_set<BlockHash> seen;
  std::int64_t hits = 0;
  for (const auto& request : trace) {
    bool prefix = true;
    for (const BlockHash hash : request.blocks) {
      prefix = !seen.insert(hash).second && prefix;
      hits += prefix ? 1 : 0;
    }
  }
  return blocks == 0 ? 0.0 : static_cast<double>(hits) / static_cast<double>(blocks);
}

Result<void> check(const RoutingOptions& options) {
  const auto wrong = [](std::string_view option, auto found, std::string_view wanted) {
    return failure(ErrorCode::kInvalidArgument, fmt::format("{}: found {}, want {}", option, found, wanted));
  };
  if (options.replicas < 1 || options.replicas > 100'000)
    return wrong("--replicas", options.replicas, "1 to 100000");
  if (options.cache_tokens < 0) return wrong("--cache-tokens", options.cache_tokens, "0 or more");
  if (!(options.drain_blocks_per_s >= 0.001 && options.drain_blocks_per_s <= 1e6)) {
    return wrong("--drain-blocks-per-s", options.drain_blocks_per_s, "0.001 to 1000000");
  }
  if (options.missing_weight < 0 || options.missing_weight > 1000) {
    return wrong("--missing-weight", options.missing_weight, "0 to 1000");
  }
  return {};
}

}  // namespace

const char* name_of(RoutingPolicy policy) {
  switch (policy) {
    case RoutingPolicy::kRoundRobin:
      return "round-robin";
    case RoutingPolicy::kLongestPrefix:
      return "longest-prefix";
    case RoutingPolicy::kCost:
      return "cost";
  }
  return "?";
}

Result<RoutingPolicy> parse_routing_policy(std::string_view name) {
  for (const auto policy :
       {RoutingPolicy::kRoundRobin, RoutingPolicy::kLongestPrefix, RoutingPolicy::kCost}) {
    if (name == name_of(policy)) return policy;
  }
  return failure(ErrorCode::kInvalidArgument,
                 fmt::format("--policy: found \"{}\", want round-robin, longest-prefix or cost", name));
}

RoutingResult replay_prompts(std::span<const PromptArrival> trace, const RoutingOptions& options,
                             const Progress& progress) {
  RoutingResult result{.options = options, .requests = static_cast<std::int64_t>(trace.size())};
  for (const auto& request : trace) result.blocks += static_cast<std::int64_t>(request.blocks.size());
  if (trace.empty()) return result;
  Replay replay(options);
  const std::size_t step = std::max<std::size_t>(1, trace.size() / 100);
  for (std::size_t i = 0; i < trace.size(); ++i) {
    replay.arrive(trace[i]);
    if (progress && i % step == 0)
      progress(static_cast<double>(i) / static_cast<double>(trace.size()), "requests");
  }
  replay.report(result);
  result.hit_ratio =
      result.blocks == 0 ? 0.0 : static_cast<double>(result.hit_blocks) / static_cast<double>(result.blocks);
  result.ceiling_hit_ratio = ceiling_of(trace, result.blocks);
  return result;
}

Result<RoutingResult> run_routing(const RoutingOptions& options, const Progress& progress) {
  TRY_VOID(check(options));
  const auto trace = TRY(read_prompt_trace(options.trace));
  if (trace.empty()) {
    return failure(ErrorCode::kInvalidArgument,
                   fmt::format("{}: holds no request; give a trace with some", options.trace));
  }
  return replay_prompts(trace, options, progress);
}

boost::json::object to_json(const RoutingResult& result) {
  const RoutingOptions& options = result.options;
  boost::json::object out{{"policy", name_of(options.policy)},
                          {"replicas", options.replicas},
                          {"cache_tokens", options.cache_tokens},
                          {"drain_blocks_per_s", options.drain_blocks_per_s}};
  if (options.policy == RoutingPolicy::kCost) out["missing_weight"] = options.missing_weight;
  out["requests"] = result.requests;
  out["blocks"] = result.blocks;
  out["hit_blocks"] = result.hit_blocks;
  out["hit_ratio"] = result.hit_ratio;
  out["imbalance"] = result.imbalance;
  out["ceiling_hit_ratio"] = result.ceiling_hit_ratio;
  out["wait_mean_s"] = result.wait_mean_s;
  out["wait_p50_s"] = result.wait_p50_s;
  out["wait_p99_s"] = result.wait_p99_s;
  return out;
}

}  // namespace millrace::twin
