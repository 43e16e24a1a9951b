// Scaling: how many replicas each endpoint gets, from one look to the next. No clock, no I/O.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/desired.h"
#include "core/clock.h"
#include "serving/autoscale.h"
#include "serving/replicas.h"

namespace millrace::control {

/// By endpoint.
using EndpointLoads = std::map<std::string, serving::EndpointLoad, std::less<>>;

serving::ScaleRule scale_rule(const DesiredEndpoint& endpoint);

/// Remembers each endpoint's history. One thread.
class Scaling {
 public:
  /// The counts of these local endpoints; others are forgotten. An endpoint seen for the first time begins with what is
  /// there of it. No loads: no gateway is connected.
  std::map<std::string, std::int64_t> counts(const std::vector<DesiredEndpoint>& endpoints,
                                             const std::map<std::string, serving::Replica>& there,
                                             const std::optional<EndpointLoads>& loads, MonotonicPoint now);
  /// When another answer is due without a new report; max(): never.
  MonotonicPoint look_again() const { return look_again_; }

 private:
  std::map<std::string, serving::ScaleState> states_;  // by endpoint
  MonotonicPoint look_again_ = MonotonicPoint::max();
};

}  // namespace millrace::control
