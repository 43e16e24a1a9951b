// Lenient look-ups in a peer's JSON: what is absent or of another type counts as not said.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/result.h"

namespace millrace::engine::wire {

inline std::string_view view(const boost::json::string& text) { return {text.data(), text.size()}; }

inline const boost::json::object* find_object(const boost::json::object& in, std::string_view key) {
  const boost::json::value* value = in.if_contains({key.data(), key.size()});
  return value == nullptr ? nullptr : value->if_object();
}

inline const boost::json::array* find_array(const boost::json::object& in, std::string_view key) {
  const boost::json::value* value = in.if_contains({key.data(), key.size()});
  return value == nullptr ? nullptr : value->if_array();
}

/// "" if it is not there or no string.
inline std::string_view find_string(const boost::json::object& in, std::string_view key) {
  const boost::json::value* value = in.if_contains({key.data(), key.size()});
  const boost::json::string* text = value == nullptr ? nullptr : value->if_string();
  // Never null inside: boost::json copies keys with memcpy, which must not be given a null pointer.
  return text == nullptr ? std::string_view("") : view(*text);
}

/// A count: negative ones and those above 2^53 are nullopt.
std::optional<std::int64_t> find_count(const boost::json::object& in, std::string_view key);

/// Parses with `storage`; kCorrupt if `text` is not JSON (RFC 8259, UTF-8, at most 64 levels).
Result<boost::json::value> parse_value(std::string_view text, boost::json::storage_ptr storage);

/// Parses with `storage`; kCorrupt if `text` is not one JSON object (RFC 8259, UTF-8, at most 64 levels).
Result<boost::json::value> parse_object(std::string_view text, boost::json::storage_ptr storage);

}  // namespace millrace::engine::wire
