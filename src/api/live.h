// Live: what gateways report once a second, as rates over the last seconds.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>

#include "core/clock.h"

namespace millrace::api {

/// Sums over the gateways that reported within the last 5 s.
struct LiveFigures {
  std::int64_t gateways = 0, active_requests = 0;
  double requests_per_s = 0, input_tokens_per_s = 0, output_tokens_per_s = 0;
};

/// Totals since the server started, over all gateways that ever reported: they never go back.
struct LiveTotals {
  std::int64_t requests = 0, input_tokens = 0, output_tokens = 0;
};

/// Safe from any thread.
class Live {
 public:
  explicit Live(const Clock& clock) : clock_(clock) {}

  /// `stats` is {"requests","input_tokens","output_tokens": since the gateway started, "active_requests":
  /// now}, integers; others are ignored, a missing one counts as 0.
  void report(const std::string& gateway, const boost::json::object& stats);
  void forget(const std::string& gateway);

  LiveFigures figures() const;
  LiveTotals totals() const;

 private:
  struct Sample {
    MonotonicPoint at{};
    std::int64_t requests = 0, input_tokens = 0, output_tokens = 0, active_requests = 0;
  };

  const Clock& clock_;
  mutable std::mutex mutex_;
  std::map<std::string, std::deque<Sample>> gateways_;  // guarded by mutex_
  LiveTotals totals_;                                   // guarded by mutex_
};

}  // namespace millrace::api
