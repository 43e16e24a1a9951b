// Idle: when an environment that nobody uses is stopped. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

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

/// Over how long it is judged whether it works: an eighth of the time, from a second to half a minute.
std::chrono::seconds work_window(std::chrono::seconds idle);

/// Whether it works though nobody looks: it took at least a tenth of a core. What only waits takes about a hundredth.
bool is_at_work(std::int64_t cpu_us, std::chrono::nanoseconds elapsed);

/// Why it was stopped, for people.
std::string idle_reason(std::chrono::seconds idle);

}  // namespace millrace::platform
