// Metrics: what this gateway counts, and its text for scrapers.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "host/openmetrics.h"

namespace millrace::gateway {

/// Cumulative counts of durations in fixed buckets, in seconds.
class Histogram {
 public:
  static constexpr std::array<double, 14> kBounds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                     0.1,    0.25,  0.5,    1,     2.5,  10,    60};
  void add(double seconds);
  void write(host::MetricsText& out) const;

 private:
  std::array<std::uint64_t, kBounds.size() + 1> buckets_{};
  double sum_ = 0;
};

/// One thread.
struct Metrics {
  std::map<std::string, std::map<int, std::int64_t>, std::less<>> answers;  // route -> status -> count
  std::int64_t input_tokens = 0, cached_tokens = 0, output_tokens = 0;
  std::int64_t energy_uj = 0, co2e_ug = 0, cost_microeur = 0;
  std::int64_t completed = 0, cancelled = 0, failed = 0;
  std::int64_t refused_limit = 0;
  Histogram time_to_first_token, duration;

  void count_answer(std::string_view route, int status);
};

/// Figures that are read, not counted.
struct Gauges {
  std::int64_t connections = 0, exchanges = 0, active_requests = 0, journal_open = 0, policy_version = 0;
  bool server_connected = false;
  struct Routed {
    std::string_view endpoint, replica;
    std::int64_t hit = 0, miss = 0;  // blocks
  };
  std::vector<Routed> routed;  // of endpoints that may have several replicas
};

std::string render_metrics(const Metrics& metrics, const Gauges& gauges, host::MetricsText::Format format);

}  // namespace millrace::gateway
