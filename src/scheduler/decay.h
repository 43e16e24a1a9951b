// Decay: how much of what was remains after a time, without libm (its last bit differs between machines).
#pragma once

#include <chrono>

namespace millrace::scheduler {

/// 2^-(elapsed / half_life), within 1e-9; 0 for a half_life of 0 and an elapsed above 0.
double remaining(std::chrono::microseconds elapsed, std::chrono::microseconds half_life);

}  // namespace millrace::scheduler
