#include "platform/idle.h"

#include <algorithm>

namespace millrace::platform {

std::chrono::seconds idle_notice(std::chrono::seconds idle) {
  return std::min<std::chrono::seconds>(idle / 4, std::chrono::minutes{5});
}

IdleDecision judge_idle(std::chrono::nanoseconds unused, std::chrono::seconds idle) {
  if (idle <= std::chrono::seconds{0}) return {IdleVerdict::kKeep, std::chrono::nanoseconds::max()};
  IdleDecision decision{IdleVerdict::kKeep, idle - unused};
  if (decision.left <= std::chrono::seconds{0}) {
    decision.verdict = IdleVerdict::kStop;
  } else if (decision.left <= idle_notice(idle)) {
    decision.verdict = IdleVerdict::kWarn;
  }
  return decision;
}

}  // namespace millrace::platform
