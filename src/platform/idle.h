// Idle: when an environment that nobody uses is stopped. Pure.
#pragma once

#include <chrono>
#include <cstdint>

#include "core/clock.h"

namespace millrace::platform {

enum class IdleVerdict : std::uint8_t { kKeep, kWarn, kStop };

struct IdleDecision {
  IdleVerdict verdict = IdleVerdict::kKeep;
  TimePoint stops_at{};  // unless it is used before; also where it is kept
};

/// How long before the stop its owner is told: a quarter of the time, five minutes at most.
std::chrono::seconds idle_notice(std::chrono::seconds idle);

/// `used`: when it was last seen in use, its start included. `watched_since`: since when its use is known; before that,
/// it counts as used. `idle` of 0: never stopped.
IdleDecision judge_idle(TimePoint now, TimePoint used, TimePoint watched_since, std::chrono::seconds idle);

}  // namespace millrace::platform
