// Rollout: which replicas an endpoint should have now, given how many and what is there. Pure.
//
// A change of what a running engine cannot change makes a new generation. Its replicas start and become ready before old
// ones drain: at most one more than wanted is there at a time (the surge). Where there is no room for that, an old one goes
// first; where there is only one, requests wait at the gateways in between. A generation that never becomes ready leaves
// the old one in place.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "control/desired.h"
#include "serving/replicas.h"

namespace millrace::control {

/// Changes with all that a running engine cannot change.
std::string generation_of(const DesiredEndpoint& endpoint);

struct Rollout {
  std::map<std::string, serving::ReplicaSpec>
      wanted;          // by id "<endpoint>-<ordinal>"; old ones that stay included
  std::string surge;   // id of a new replica beyond what is wanted in all; empty: none
  std::string reason;  // for people: what is not yet as wished; empty: nothing
};

/// `count` replicas of `endpoint`; `there` may hold other endpoints' as well. Nothing for an upstream.
Rollout roll_out(const DesiredEndpoint& endpoint, std::int64_t count,
                 const std::map<std::string, serving::Replica>& there, bool may_surge);

}  // namespace millrace::control
