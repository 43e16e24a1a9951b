#include "platform/idle.h"

#include <fmt/format.h>

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

std::chrono::seconds work_window(std::chrono::seconds idle) {
  return std::clamp<std::chrono::seconds>(idle / 8, std::chrono::seconds{1}, std::chrono::seconds{30});
}

bool is_at_work(std::int64_t cpu_us, std::chrono::nanoseconds elapsed) {
  constexpr int kShare = 10;
  return elapsed.count() > 0 && std::chrono::microseconds{cpu_us} * kShare >= elapsed;
}

std::string idle_reason(std::chrono::seconds idle) {
  constexpr std::int64_t kMinute = 60;
  if (idle.count() % kMinute != 0) return fmt::format("nobody used it for {} seconds", idle.count());
  const auto minutes = idle.count() / kMinute;
  return fmt::format("nobody used it for {} minute{}", minutes, minutes == 1 ? "" : "s");
}

}  // namespace millrace::platform
