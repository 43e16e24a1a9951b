// JSON: strict reading (RFC 8259) into Boost.JSON values.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <string_view>

#include "core/result.h"
#include "host/json_object.h"
#include "host/json_writer.h"

namespace millrace::host {

struct JsonLimits {
  std::size_t max_depth = 64;  // nested arrays and objects
  std::size_t max_bytes = 64u << 20;
  bool refuse_doubled_keys = true;  // readers differ in which one counts; false: the last
};

/// Reads one JSON text; white space may surround it, nothing else. Refused (kInvalidArgument, the message names the
/// byte offset), beyond what RFC 8259 forbids: an object with the same key twice (unless allowed), text that is not UTF-8, an escaped
/// surrogate without its pair, a byte order mark, a number beyond the range of a double, nesting beyond `max_depth`.
/// kExhausted if the text is longer than `max_bytes`. Integers that fit become int64 or uint64, every other number
/// the nearest double.
Result<boost::json::value> parse_json(std::string_view text, const JsonLimits& limits = {},
                                      boost::json::storage_ptr storage = {});

}  // namespace millrace::host
