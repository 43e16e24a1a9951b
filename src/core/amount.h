// Amounts as people write them: sizes ("2GiB") and times ("1h30m").
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace millrace {

/// "2GiB", "512MiB", "1.5GiB", "64kB", "1000" (bytes), without spaces; units B, kB, MB, GB, TB (powers of 1000) and KiB,
/// MiB, GiB, TiB (of 1024). Parts of a byte are dropped. kInvalidArgument, also beyond 2^53.
Result<std::int64_t> parse_size(std::string_view text);
/// In the largest binary unit that leaves no fraction: "1536MiB"; parse_size reads it back exactly.
std::string format_size(std::int64_t bytes);

/// "30m", "1h30m", "45s", "2d", "90" (seconds): whole numbers, the larger unit first. kInvalidArgument, also beyond ten
/// years.
Result<std::chrono::seconds> parse_duration(std::string_view text);
/// "1h30m"; parse_duration reads it back exactly.
std::string format_duration(std::chrono::seconds time);

}  // namespace millrace
