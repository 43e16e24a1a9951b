// The SQLite schema and its way forward: versions are applied in order, after a copy of the file was kept.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>

#include "core/clock.h"
#include "core/result.h"
#include "store/sqlite/connection.h"

namespace millrace::store {

/// Times are in the tables as microseconds since 1970.
inline std::int64_t us_of(TimePoint time) { return time.time_since_epoch().count(); }
inline TimePoint time_of(std::int64_t us) { return TimePoint{std::chrono::microseconds{us}}; }

/// What usage_minute counts in.
inline constexpr std::int64_t kMinuteUs = 60'000'000;

/// SQL that leads from version i to i + 1; the number of entries is the newest version this program knows.
std::span<const char* const> migrations();

/// Brings the database to the newest version, all steps in one transaction. Before an existing one is changed, a copy
/// is kept at PATH.v<old version>. kConflict if the database is newer than `steps`: nothing is touched then.
Result<void> migrate(Connection& connection, const std::string& path, std::span<const char* const> steps);

}  // namespace millrace::store
