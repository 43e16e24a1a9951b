// Idle: when an environment that nobody uses is stopped. Pure.
#pragma once

#include <chrono>
#include <cstdint>

namespace millrace::platform {

enum class IdleVerdict : std::uint8_t { kKeep, kWarn, kStop };

struct IdleDecision {
  IdleVerdict verdict = IdleVerdict::kKeep;
  std::chrono::nanoseconds left{};  // until it is stopped, unless it is used before; also where it is kept
};

/// How long before the stop its owner is told: a quarter of the time, five minutes at most.
std::chrono::seconds idle_notice(std::chrono::seconds idle);

/// `unused`: for how long nobody used it, by the steady clock: clocks are set. `idle` of 0: never stopped.
IdleDecision judge_idle(std::chrono::nanoseconds unused, std::chrono::seconds idle);

}  // namespace millrace::platform
