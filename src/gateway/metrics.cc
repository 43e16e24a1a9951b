#include "gateway/metrics.h"

#include <fmt/format.h>

#include <algorithm>

namespace millrace::gateway {
namespace {

using host::MetricsText;

void counter(MetricsText& out, std::string_view name, std::string_view help, double value) {
  out.begin_counter(name, help);
  out.sample({}, value);
}

void gauge(MetricsText& out, std::string_view name, std::string_view help, std::int64_t value) {
  out.begin_gauge(name, help);
  out.sample({}, static_cast<double>(value));
}

void write_answers(MetricsText& out, const Metrics& metrics) {
  out.begin_counter("millrace_gateway_answers", "Answers by route and status.");
  for (const auto& [route, by_status] : metrics.answers) {
    for (const auto& [status, count] : by_status) {
      out.sample({{"route", route}, {"status", fmt::to_string(status)}}, static_cast<double>(count));
    }
  }
  out.begin_counter("millrace_gateway_requests", "Metered requests by outcome.");
  out.sample({{"status", "completed"}}, static_cast<double>(metrics.completed));
  out.sample({{"status", "cancelled"}}, static_cast<double>(metrics.cancelled));
  out.sample({{"status", "failed"}}, static_cast<double>(metrics.failed));
  counter(out, "millrace_gateway_limit_refusals", "Requests refused by a limit or quota.",
          static_cast<double>(metrics.refused_limit));
}

void write_use(MetricsText& out, const Metrics& metrics) {
  counter(out, "millrace_gateway_input_tokens", "Prompt tokens, cached ones included.",
          static_cast<double>(metrics.input_tokens));
  counter(out, "millrace_gateway_cached_tokens", "Prompt tokens answered from the engine's cache.",
          static_cast<double>(metrics.cached_tokens));
  counter(out, "millrace_gateway_output_tokens", "Generated tokens.",
          static_cast<double>(metrics.output_tokens));
  counter(out, "millrace_gateway_energy_joules", "Energy attributed to requests.",
          static_cast<double>(metrics.energy_uj) / 1e6);
  counter(out, "millrace_gateway_co2e_grams", "CO2 equivalent of that energy.",
          static_cast<double>(metrics.co2e_ug) / 1e6);
  counter(out, "millrace_gateway_cost_euros", "Price of answers.",
          static_cast<double>(metrics.cost_microeur) / 1e6);
}

/// Imbalance: the most blocks that one replica had to compute, over the mean of its endpoint's replicas.
void write_routing(MetricsText& out, const std::vector<Gauges::Routed>& routed) {
  out.begin_counter("millrace_routing_blocks", "Prompt blocks by whether the replica held them already.");
  struct Sum {
    std::int64_t most = 0, all = 0, replicas = 0;
  };
  std::map<std::string_view, Sum> sums;
  for (const auto& one : routed) {
    out.sample({{"replica", one.replica}, {"outcome", "hit"}}, static_cast<double>(one.hit));
    out.sample({{"replica", one.replica}, {"outcome", "miss"}}, static_cast<double>(one.miss));
    Sum& sum = sums[one.endpoint];
    sum.most = std::max(sum.most, one.miss);
    sum.all += one.miss;
    ++sum.replicas;
  }
  out.begin_gauge("millrace_routing_imbalance",
                  "Most blocks computed by one replica over the mean of its endpoint's replicas.");
  for (const auto& [endpoint, sum] : sums) {
    if (sum.all == 0) continue;
    out.sample({{"endpoint", endpoint}},
               static_cast<double>(sum.most * sum.replicas) / static_cast<double>(sum.all));
  }
}

}  // namespace

void Histogram::add(double seconds) {
  const auto at = std::ranges::lower_bound(kBounds, seconds) - kBounds.begin();
  ++buckets_[static_cast<std::size_t>(at)];
  sum_ += seconds;
}

void Histogram::write(MetricsText& out) const { out.histogram({}, kBounds, buckets_, sum_); }

void Metrics::count_answer(std::string_view route, int status) {
  auto it = answers.find(route);
  if (it == answers.end()) it = answers.emplace(std::string(route), std::map<int, std::int64_t>{}).first;
  ++it->second[status];
}

std::string render_metrics(const Metrics& metrics, const Gauges& gauges, MetricsText::Format format) {
  MetricsText out(format);
  write_answers(out, metrics);
  write_use(out, metrics);
  write_routing(out, gauges.routed);
  gauge(out, "millrace_gateway_connections", "Open client connections.", gauges.connections);
  gauge(out, "millrace_gateway_exchanges", "Exchanges in work.", gauges.exchanges);
  gauge(out, "millrace_gateway_active_requests", "Inference requests in work.", gauges.active_requests);
  gauge(out, "millrace_gateway_journal_open", "Open slots of the journal.", gauges.journal_open);
  gauge(out, "millrace_gateway_server_connected", "1 while the policy feed is connected.",
        gauges.server_connected ? 1 : 0);
  out.begin_histogram("millrace_gateway_time_to_first_token_seconds",
                      "From a whole request to the first output of the engine.");
  metrics.time_to_first_token.write(out);
  out.begin_histogram("millrace_gateway_request_duration_seconds",
                      "From a whole request to the last byte handed to the kernel.");
  metrics.duration.write(out);
  return out.finish();
}

}  // namespace millrace::gateway
