#include "api/metrics.h"

#include <map>
#include <utility>

#include "api/handlers/handlers.h"

namespace millrace::api {

namespace {

using host::MetricsText;

void add_replicas(Services& services, MetricsText& text) {
  std::map<std::pair<std::string, std::string>, std::int64_t> count;
  std::map<std::string, std::int64_t> restarts;
  for (const auto& replica : services.replicas.observed()) {
    ++count[{replica.endpoint, name_of(replica.state)}];
    restarts[replica.endpoint] += replica.restarts;
  }
  text.begin_gauge("millrace_replicas", "Replicas by endpoint and state.");
  for (const auto& [name, number] : count)
    text.sample({{"endpoint", name.first}, {"state", name.second}}, double(number));
  text.begin_gauge("millrace_replica_restarts",
                   "Restarts of the replicas that run now, since this server took them over.");
  for (const auto& [endpoint, number] : restarts) text.sample({{"endpoint", endpoint}}, double(number));
}

}  // namespace

std::string metrics_text(Services& services, MetricsText::Format format) {
  MetricsText text(format);
  text.begin_gauge("millrace_server_info", "Version of the server; always 1.");
  text.sample({{"version", services.version}}, 1);
  const LiveTotals totals = services.live.totals();
  text.begin_counter("millrace_requests",
                     "Inference requests that gateways finished since the server started.");
  text.sample({}, double(totals.requests));
  text.begin_counter("millrace_tokens", "Tokens since the server started.");
  text.sample({{"direction", "input"}}, double(totals.input_tokens));
  text.sample({{"direction", "output"}}, double(totals.output_tokens));
  const LiveFigures figures = services.live.figures();
  text.begin_gauge("millrace_gateways", "Gateways that reported within the last 5 seconds.");
  text.sample({}, double(figures.gateways));
  text.begin_gauge("millrace_active_requests", "Inference requests in work.");
  text.sample({}, double(figures.active_requests));
  const Power power = power_of(services);
  if (power.watts) {
    text.begin_gauge("millrace_site_power_watts",
                     "Mean power of the site in the last interval that was sampled.");
    text.sample({{"basis", power.basis}}, *power.watts);
  }
  add_replicas(services, text);
  return text.finish();
}

}  // namespace millrace::api
