// Ids: short, sortable by creation time, unguessable enough to be public.
#pragma once

#include <string>
#include <string_view>

#include "core/clock.h"
#include "core/rng.h"

namespace millrace {

/// `prefix` + "_" + 26 characters of Crockford base 32: 48 bits of milliseconds, 80 random bits (the ULID layout).
/// Example: make_id("req", ...) -> "req_01JD8Q6W3M5R8K2T0V9YB4CXEZ".
std::string make_id(std::string_view prefix, TimePoint now, Rng& rng);

/// True if `text` may name a tenant, project, endpoint or model: 1 to 63 of [a-z0-9.-], starting and ending with
/// a letter or digit. Such names are safe in URLs, file names and store keys.
bool is_name(std::string_view text);

}  // namespace millrace
