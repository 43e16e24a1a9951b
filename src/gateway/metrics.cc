#include "gateway/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace millrace::gateway {
namespace {

void family(std::string& out, std::string_view name, std::string_view type, std::string_view help) {
  fmt::format_to(std::back_inserter(out), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void counter(std::string& out, std::string_view name, std::string_view help, double value) {
  family(out, name, "counter", help);
  fmt::format_to(std::back_inserter(out), "{}_total {}\n", name, value);
}

void gauge(std::string& out, std::string_view name, std::string_view help, std::int64_t value) {
  family(out, name, "gauge", help);
  fmt::format_to(std::back_inserter(out), "{} {}\n", name, value);
}

}  // namespace

void Histogram::add(double seconds) {
  const auto at = std::ranges::lower_bound(kBounds, seconds) - kBounds.begin();
  ++buckets_[static_cast<std::size_t>(at)];
  ++count_;
  sum_ += seconds;
}

void Histogram::append(std::string& out, std::string_view name) const {
  std::int64_t below = 0;
  for (std::size_t i = 0; i < kBounds.size(); ++i) {
    below += buckets_[i];
    fmt::format_to(std::back_inserter(out), "{}_bucket{{le=\"{}\"}} {}\n", name, kBounds[i], below);
  }
  fmt::format_to(std::back_inserter(out), "{}_bucket{{le=\"+Inf\"}} {}\n{}_sum {}\n{}_count {}\n", name, count_, name,
                 sum_, name, count_);
}

void Metrics::count_answer(std::string_view route, int status) {
  auto it = answers.find(route);
  if (it == answers.end()) it = answers.emplace(std::string(route), std::map<int, std::int64_t>{}).first;
  ++it->second[status];
}

std::string render_openmetrics(const Metrics& metrics, const Gauges& gauges) {
  std::string out;
  family(out, "millrace_gateway_answers", "counter", "Answers by route and status.");
  for (const auto& [route, by_status] : metrics.answers) {
    for (const auto& [status, count] : by_status) {
      fmt::format_to(std::back_inserter(out), "millrace_gateway_answers_total{{route=\"{}\",status=\"{}\"}} {}\n", route,
                     status, count);
    }
  }
  family(out, "millrace_gateway_requests", "counter", "Metered requests by outcome.");
  const std::pair<std::string_view, std::int64_t> outcomes[] = {
      {"completed", metrics.completed}, {"cancelled", metrics.cancelled}, {"failed", metrics.failed}};
  for (const auto& [status, count] : outcomes) {
    fmt::format_to(std::back_inserter(out), "millrace_gateway_requests_total{{status=\"{}\"}} {}\n", status, count);
  }
  counter(out, "millrace_gateway_limit_refusals", "Requests refused by a limit or quota.",
          static_cast<double>(metrics.refused_limit));
  counter(out, "millrace_gateway_input_tokens", "Prompt tokens, cached ones included.",
          static_cast<double>(metrics.input_tokens));
  counter(out, "millrace_gateway_cached_tokens", "Prompt tokens answered from the engine's cache.",
          static_cast<double>(metrics.cached_tokens));
  counter(out, "millrace_gateway_output_tokens", "Generated tokens.", static_cast<double>(metrics.output_tokens));
  counter(out, "millrace_gateway_energy_joules", "Energy attributed to requests.",
          static_cast<double>(metrics.energy_uj) / 1e6);
  counter(out, "millrace_gateway_co2e_grams", "CO2 equivalent of that energy.",
          static_cast<double>(metrics.co2e_ug) / 1e6);
  counter(out, "millrace_gateway_cost_euros", "Price of answers.", static_cast<double>(metrics.cost_microeur) / 1e6);
  gauge(out, "millrace_gateway_connections", "Open client connections.", gauges.connections);
  gauge(out, "millrace_gateway_exchanges", "Exchanges in work.", gauges.exchanges);
  gauge(out, "millrace_gateway_active_requests", "Inference requests in work.", gauges.active_requests);
  gauge(out, "millrace_gateway_journal_open", "Open slots of the journal.", gauges.journal_open);
  gauge(out, "millrace_gateway_server_connected", "1 while the policy feed is connected.",
        gauges.server_connected ? 1 : 0);
  family(out, "millrace_gateway_time_to_first_token_seconds", "histogram",
         "From a whole request to the first output of the engine.");
  metrics.time_to_first_token.append(out, "millrace_gateway_time_to_first_token_seconds");
  family(out, "millrace_gateway_request_duration_seconds", "histogram",
         "From a whole request to the last byte handed to the kernel.");
  metrics.duration.append(out, "millrace_gateway_request_duration_seconds");
  out += "# EOF\n";
  return out;
}

}  // namespace millrace::gateway
