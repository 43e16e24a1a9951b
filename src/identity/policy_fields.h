// Helpers shared by the codecs of policy and directory records. Private to the module.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/result.h"
#include "host/json.h"
#include "identity/policy.h"

namespace millrace::identity {

/// The same result, its error made kCorrupt and preceded by what was read.
template <typename T>
Result<T> as_corrupt(std::string_view what, Result<T> result) {
  if (result) return result;
  return failure(ErrorCode::kCorrupt, std::string(what) + ": " + result.error().message);
}

/// Parses the text as one object and hands it to `read`; every error is kCorrupt and says what kind of record it was.
template <typename Read>
auto parse_record(std::string_view kind, std::string_view json, Read read)
    -> decltype(read(std::declval<const host::JsonObject&>())) {
  const auto whole = [&]() -> decltype(read(std::declval<const host::JsonObject&>())) {
    const auto value = TRY(host::parse_json(json, {.max_depth = 8, .max_bytes = 1u << 20}));
    const auto object = TRY(host::JsonObject::of(value));
    return read(object);
  };
  return as_corrupt(std::string(kind) + " record", whole());
}

/// Writes {"requests_per_minute":60,...}; absent limits are left out.
void write_limits(host::JsonWriter& out, const Limits& limits);
Result<Limits> read_limits(const host::JsonObject& object);

/// The member `key` as limits; absent or null: nullopt.
Result<std::optional<Limits>> optional_limits(const host::JsonObject& object, std::string_view key);

/// An RFC 3339 text; absent or null: nullopt.
Result<std::optional<TimePoint>> optional_time(const host::JsonObject& object, std::string_view key);
Result<TimePoint> required_time(const host::JsonObject& object, std::string_view key);

/// An integer not below zero.
Result<std::int64_t> count_of(const host::JsonObject& object, std::string_view key);

/// 64 hexadecimal digits.
Result<KeyDigest> digest_field(const host::JsonObject& object, std::string_view key);

}  // namespace millrace::identity
