#include "platform/idle.h"

#include <algorithm>

namespace millrace::platform {

std::chrono::seconds idle_notice(std::chrono::seconds idle) {
  return std::min<std::chrono::seconds>(idle / 4, std::chrono::minutes{5});
}

IdleDecision judge_idle(TimePoint now, TimePoint used, TimePoint watched_since, std::chrono::seconds idle) {
  if (idle <= std::chrono::seconds{0}) return {IdleVerdict::kKeep, TimePoint::max()};
  // A clock that was set back must not keep it for ever.
  const TimePoint last = std::min(std::max(used, watched_since), now);
  IdleDecision decision{IdleVerdict::kKeep, last + idle};
  if (now >= decision.stops_at) {
    decision.verdict = IdleVerdict::kStop;
  } else if (now >= decision.stops_at - idle_notice(idle)) {
    decision.verdict = IdleVerdict::kWarn;
  }
  return decision;
}

}  // namespace millrace::platform
