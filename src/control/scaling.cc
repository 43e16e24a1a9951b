#include "control/scaling.h"

#include <algorithm>

#include "serving/engine_command.h"

namespace millrace::control {

serving::ScaleRule scale_rule(const DesiredEndpoint& endpoint) {
  const std::int64_t usual = endpoint.embeds ? 1 : serving::kChatSlots;
  return {.least = endpoint.min_replicas,
          .most = endpoint.max_replicas,
          .slots = endpoint.slots > 0 ? endpoint.slots : usual,
          .idle = std::chrono::seconds(endpoint.idle_s),
          .first_token = std::chrono::milliseconds(endpoint.first_token_ms)};
}

std::map<std::string, std::int64_t> Scaling::counts(const std::vector<DesiredEndpoint>& endpoints,
                                                    const std::map<std::string, serving::Replica>& there,
                                                    const std::optional<EndpointLoads>& loads,
                                                    MonotonicPoint now) {
  look_again_ = MonotonicPoint::max();
  std::map<std::string, serving::ScaleState> next;
  std::map<std::string, std::int64_t> counts;
  for (const DesiredEndpoint& endpoint : endpoints) {
    if (endpoint.engine != "llama") continue;
    const serving::ScaleRule rule = scale_rule(endpoint);
    const auto known = states_.find(endpoint.name);
    const auto running = std::ranges::count_if(there, [&](const auto& item) {
      return item.second.spec.endpoint == endpoint.name && item.second.phase != serving::Phase::kEnded;
    });
    serving::ScaleState state =
        known != states_.end() ? known->second : serving::begin_scaling(rule, running, now);
    std::optional<serving::EndpointLoad> load;
    if (loads) {
      const auto reported = loads->find(endpoint.name);
      // Gateways that say nothing of it have never had a request for it.
      load = reported != loads->end() ? reported->second : serving::EndpointLoad{.at = now};
    }
    state = serving::scale(rule, state, load, now);
    look_again_ = std::min(look_again_, state.look_again);
    counts[endpoint.name] = state.wanted;
    next.emplace(endpoint.name, state);
  }
  states_ = std::move(next);
  return counts;
}

}  // namespace millrace::control
