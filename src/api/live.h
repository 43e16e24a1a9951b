// Live: what gateways report once a second, as rates over the last seconds.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "control/scaling.h"
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
  /// now}, integers; others are ignored, a missing one counts as 0. And "endpoints": an object for each local endpoint that
  /// was asked, with the members of serving::EndpointLoad.
  void report(const std::string& gateway, const boost::json::object& stats);
  void forget(const std::string& gateway);

  /// `listener` gets the endpoints' loads after each report, all gateways together; nullopt: none is connected. Its counters
  /// go on when gateways come and go. Set before the first report; called from the reporting thread, must not block.
  using LoadListener = std::function<void(std::optional<control::EndpointLoads>)>;
  void on_loads(LoadListener listener) { listener_ = std::move(listener); }

  LiveFigures figures() const;
  LiveTotals totals() const;

 private:
  struct Sample {
    MonotonicPoint at{};
    std::int64_t requests = 0, input_tokens = 0, output_tokens = 0, active_requests = 0;
  };

  using Loads = control::EndpointLoads;
  void add_loads(const std::string& gateway, const boost::json::object& stats, MonotonicPoint now);
  void tell_loads();
  void add(const std::string& gateway, const boost::json::object& stats);
  void drop(const std::string& gateway);

  const Clock& clock_;
  LoadListener listener_;
  mutable std::mutex mutex_;
  std::map<std::string, std::deque<Sample>> gateways_;  // guarded by mutex_
  LiveTotals totals_;                                   // guarded by mutex_
  std::map<std::string, Loads> reported_;               // by connected gateway, as it said; guarded by mutex_
  Loads loads_;                                         // all together; guarded by mutex_
};

}  // namespace millrace::api
