// Autoscale: how many replicas an endpoint gets, from what its gateways report. Pure: no clock, no I/O.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "core/clock.h"

namespace millrace::serving {

/// What gateways say of one endpoint, together. The last four only ever grow while a gateway lives; their change counts.
struct EndpointLoad {
  std::int64_t waiting = 0;         // requests that wait at gateways for a replica
  std::int64_t running = 0;         // sent to replicas and not ended: in a slot, or in an engine's own queue
  std::int64_t begun = 0;           // requests that came
  std::int64_t busy_ms = 0;         // summed over requests: time at a replica
  std::int64_t first_tokens = 0;    // answers that have begun
  std::int64_t first_token_ms = 0;  // summed over those: time from the replica's choice to the first token
  MonotonicPoint at{};              // of the report
  bool operator==(const EndpointLoad&) const = default;
};

/// Time that load must have been low for each step down.
inline constexpr std::chrono::seconds kScaleDownWindow{60};
/// After a step up for the latency's sake, time for the new replica to show in it.
inline constexpr std::chrono::seconds kLatencySettles{30};

struct ScaleRule {
  std::int64_t least = 1, most = 1;          // 0 <= least <= most
  std::int64_t slots = 1;                    // of one replica
  std::chrono::milliseconds idle{300'000};   // without any request: down to `least` at once
  std::chrono::milliseconds first_token{0};  // mean aimed at; 0: none
  std::chrono::milliseconds window{kScaleDownWindow};
};

/// History: what the rule needs to remember between two looks.
struct ScaleState {
  std::int64_t wanted = 0;
  MonotonicPoint used_at{};                      // last sign of a request
  std::optional<MonotonicPoint> low_since = {};  // since when fewer replicas would do
  std::optional<MonotonicPoint> raised_at = {};  // last step up for the latency's sake
  std::optional<EndpointLoad> seen = {};         // the report looked at last
  std::int64_t mean_running = 0;                 // over the last report's interval, rounded up
  std::int64_t mean_first_token_ms = 0;          // 0: no answer has begun in it
  MonotonicPoint look_again{};  // when another answer is due without a new report; max(): never
};

/// To begin with: what runs already (after a restart of the server), within the bounds.
ScaleState begin_scaling(const ScaleRule& rule, std::int64_t running_replicas, MonotonicPoint now);

/// The rule. With load = the greater of (waiting + running now) and the mean of running over the last interval:
/// - up, at once: to ceil(load / slots); by one more each kLatencySettles while the mean time to the first token is above
///   its target and requests run;
/// - down, by one: when load would fit into 80 % of one replica less, and the latency is below half its target, for the
///   whole window; then the window begins anew;
/// - to `least` (which may be 0), at once: when there was no request for `idle`;
/// - from 0 with the first request that waits.
/// Constant load therefore moves it in one direction only, and what is between 80 % and 100 % of the slots stays as it is.
/// Without a report (no gateway is connected) nothing changes but what the bounds demand.
ScaleState scale(const ScaleRule& rule, ScaleState state, const std::optional<EndpointLoad>& load,
                 MonotonicPoint now);

}  // namespace millrace::serving
