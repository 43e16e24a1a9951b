#include "api/feed/policy_records.h"

#include <algorithm>

namespace millrace::api {

Result<PolicyRecords> ServicePolicy::assemble() {
  identity::PolicyChange directory = TRY(directory_.policy());
  PolicyRecords records = std::move(directory.set);
  const auto replicas = replicas_.observed();
  for (auto& endpoint : TRY(endpoints_.policies())) {
    for (const auto& replica : replicas) {
      if (replica.endpoint != endpoint.name) continue;
      if (replica.state == control::ReplicaState::kCrashLoop) endpoint.trouble = replica.reason;
      const bool is_coming = replica.state == control::ReplicaState::kStarting ||
                             replica.state == control::ReplicaState::kFailed;
      if (is_coming && endpoint.hold.empty()) endpoint.hold = replica.reason;
    }
    records["endpoint/" + endpoint.name] = encode(endpoint);
  }
  for (const auto& replica : replicas) {
    if (replica.state != control::ReplicaState::kReady) continue;
    identity::ReplicaPolicy policy;
    policy.id = replica.id;
    policy.endpoint = replica.endpoint;
    policy.socket = replica.socket;
    policy.pid = replica.engine_pid;
    policy.slots = std::int32_t(std::clamp<std::int64_t>(replica.slots, 1, INT32_MAX));
    policy.context_tokens = replica.context_tokens;
    policy.template_has_tools = replica.template_has_tools;
    policy.template_has_reasoning = replica.template_has_reasoning;
    records["replica/" + policy.id] = encode(policy);
  }
  for (const auto& price : TRY(prices_.all_current())) {
    records["price/" + price.model] = encode(identity::PricePolicy{
        price.model, price.version, price.input_microeur_per_mtok, price.output_microeur_per_mtok});
  }
  for (const auto& environment : TRY(environments_.policies()))
    records["environment/" + environment.name] = encode(environment);
  records["site"] = encode(site_);
  TRY_VOID(used_.add_to(records));
  return records;
}

}  // namespace millrace::api
