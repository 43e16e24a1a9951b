#include "control/rollout.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace millrace::control {
namespace {

using serving::Phase;
using serving::Replica;
using serving::ReplicaSpec;

ReplicaSpec spec_of(const DesiredEndpoint& endpoint, std::string id) {
  ReplicaSpec spec{.id = std::move(id),
                   .endpoint = endpoint.name,
                   .model = endpoint.model,
                   .model_file = endpoint.model_file};
  spec.context = endpoint.context;
  spec.slots = endpoint.slots;
  spec.threads = endpoint.threads;
  spec.embeds = endpoint.embeds;
  spec.spread = endpoint.spread;
  spec.generation = generation_of(endpoint);
  return spec;
}

/// Which of equal ones stay: answering ones first, then those that may soon. Draining and stopping ones are leaving.
int rank(const Replica& replica) {
  if (replica.phase == Phase::kReady) return replica.silent_since ? 1 : 0;
  return replica.phase == Phase::kStarting ? 2 : 3;
}

bool is_leaving(const Replica& replica) {
  return replica.phase == Phase::kDraining || replica.phase == Phase::kStopping;
}

/// "chat-10" comes after "chat-9".
bool earlier(const std::string& a, const std::string& b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

/// What is there of one endpoint.
struct Standing {
  std::vector<const Replica*> fresh;      // of the wished generation and not leaving, best first
  std::vector<const Replica*> old_ready;  // of another one, answering
  std::int64_t old_alive = 0;             // of another one and not ended
  std::int64_t ready_fresh = 0;
};

Standing look(const DesiredEndpoint& endpoint, const std::map<std::string, Replica>& there) {
  Standing standing;
  const std::string generation = generation_of(endpoint);
  for (const auto& [id, replica] : there) {
    if (replica.spec.endpoint != endpoint.name) continue;
    if (replica.spec.generation != generation) {
      standing.old_alive += replica.phase == Phase::kEnded ? 0 : 1;
      if (replica.phase == Phase::kReady) standing.old_ready.push_back(&replica);
    } else if (!is_leaving(replica)) {
      standing.fresh.push_back(&replica);
      standing.ready_fresh += replica.phase == Phase::kReady ? 1 : 0;
    }
  }
  const auto better = [](const Replica* a, const Replica* b) {
    return rank(*a) != rank(*b) ? rank(*a) < rank(*b) : earlier(a->spec.id, b->spec.id);
  };
  std::ranges::sort(standing.fresh, better);
  std::ranges::sort(standing.old_ready, better);
  return standing;
}

std::string reason_of(const Standing& standing, std::int64_t count, bool may_surge) {
  const auto failed = std::ranges::find_if(standing.fresh, [](const Replica* one) {
    return one->phase == Phase::kEnded && !one->failures.empty();
  });
  const std::string why = failed == standing.fresh.end() ? "" : ": " + (*failed)->reason;
  if (standing.old_alive > 0 && count > 0) {
    return fmt::format(
        "replaces its replicas: {} of {} are new{}{}", std::min(standing.ready_fresh, count), count,
        may_surge ? "" : "; there is no room for one more, so one goes before the next comes", why);
  }
  if (standing.ready_fresh >= count) return "";
  return fmt::format("{} of {} replicas are ready{}", standing.ready_fresh, count, why);
}

}  // namespace

std::string generation_of(const DesiredEndpoint& endpoint) {
  // The usual spread adds nothing, so that replicas made by earlier versions stay.
  return fmt::format("{}|{}|{}|{}|{}|{}|{}{}", to_rfc3339(endpoint.created_at), endpoint.model,
                     endpoint.model_file, endpoint.context, endpoint.slots, endpoint.threads,
                     endpoint.embeds ? 1 : 0, endpoint.spread == "none" ? "" : "|" + endpoint.spread);
}

Rollout roll_out(const DesiredEndpoint& endpoint, std::int64_t count,
                 const std::map<std::string, Replica>& there, bool may_surge) {
  Rollout rollout;
  if (endpoint.engine != "llama") return rollout;
  const Standing standing = look(endpoint, there);
  const auto missing = std::max<std::int64_t>(count - standing.ready_fresh - (may_surge ? 0 : 1), 0);
  const auto kept = std::min<std::int64_t>(std::ssize(standing.old_ready), missing);
  for (std::int64_t i = 0; i < kept; ++i) {
    const ReplicaSpec& spec = standing.old_ready[static_cast<std::size_t>(i)]->spec;
    rollout.wanted.emplace(spec.id, spec);
  }
  // What is leaving still takes its room; but nothing that starts already is given up for it.
  const std::int64_t most = count + (may_surge ? 1 : 0);
  const auto there_already = std::min<std::int64_t>(std::ssize(standing.fresh), most - kept);
  const auto fresh = std::min(count, std::max(most - standing.old_alive, there_already));
  const auto stay = std::min<std::int64_t>(fresh, std::ssize(standing.fresh));
  for (std::int64_t i = 0; i < stay; ++i) {
    const std::string& id = standing.fresh[static_cast<std::size_t>(i)]->spec.id;
    rollout.wanted.emplace(id, spec_of(endpoint, id));
  }
  std::string newest;
  for (std::int64_t ordinal = 0, more = fresh - stay; more > 0; ++ordinal) {
    std::string id = fmt::format("{}-{}", endpoint.name, ordinal);
    // An ended one of another generation gives its id away; what is leaving keeps it until it is gone.
    const auto taken = there.find(id);
    const bool free =
        taken == there.end() || (taken->second.phase == Phase::kEnded && !rollout.wanted.contains(id));
    if (!free) continue;
    newest = id;
    rollout.wanted.emplace(id, spec_of(endpoint, id));
    --more;
  }
  if (may_surge && standing.old_alive > 0 && fresh + standing.old_alive > count) rollout.surge = newest;
  rollout.reason = reason_of(standing, count, may_surge);
  return rollout;
}

}  // namespace millrace::control
