// Policy: when an engine that ended is tried again, and which processors a new one gets. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "core/clock.h"

namespace millrace::serving {

inline constexpr std::chrono::seconds kFirstBackoff{1};
inline constexpr std::chrono::seconds kLongestBackoff{60};
inline constexpr std::chrono::minutes kCrashWindow{2};
inline constexpr std::size_t kCrashLimit = 5;

/// What follows from a replica's unwanted ends, oldest first. nullopt: a crash loop (kCrashLimit ends within
/// kCrashWindow); it stays down. Else when to start again: the n-th end in a row within ten minutes waits 2^(n-1)
/// seconds, at most a minute.
std::optional<MonotonicPoint> next_start(const std::vector<MonotonicPoint>& failures);

/// `want` of `available` (all of them if fewer), those that the fewest of `in_use` have; ties to the lowest. Ascending.
std::vector<int> assign_cpus(const std::vector<int>& available, const std::vector<std::vector<int>>& in_use,
                             std::size_t want);

/// Threads of one replica where nobody said: the cores divided among all replicas, one core kept for the gateway from
/// four cores up, one thread on a machine of two (two busy engines there would fight), at least 1.
std::size_t default_threads(std::size_t cores, std::size_t replicas);

}  // namespace millrace::serving
