// Uri: taking the path and the query of a request target apart (RFC 3986).
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace millrace::api {

/// "%41" -> "A". kInvalidArgument for a broken escape, and for bytes that are not UTF-8 or hold a NUL after decoding.
Result<std::string> percent_decode(std::string_view text, bool plus_is_space);

/// The segments of "/a/b%2Fc" decoded: {"a","b/c"}. A leading slash is expected; "/" is one empty segment.
Result<std::vector<std::string>> path_segments(std::string_view path);

/// "a=1&b=2" as a map. kInvalidArgument for a name that comes twice.
Result<std::map<std::string, std::string>> query_parameters(std::string_view query);

}  // namespace millrace::api
