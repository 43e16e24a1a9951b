// Appends JSON text to a string: the little that answers need, without building a tree.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/dialect/dialect.h"

namespace millrace::gateway::dialect {

/// `text` as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD.
void append_quoted(std::string& out, std::string_view text);
/// A JSON string, or null if `text` is empty.
void append_quoted_or_null(std::string& out, std::string_view text);
void append_number(std::string& out, std::int64_t value);
/// The shortest decimal that reads back as `value`; null if it is not finite.
void append_number(std::string& out, double value);

/// Which names a dialect uses for the counts of tokens.
enum class UsageShape { kOpenAiChat, kOpenAiEmbeddings, kOpenAiResponses, kAnthropic };

/// The whole usage object, `millrace` included. Anthropic's input_tokens exclude the cached ones; all others include them.
void append_usage(std::string& out, UsageShape shape, const engine::Usage& usage, const Footprint& footprint);

/// `prefix` and the unique part of a request id: ("chatcmpl-", "req_01JD...") gives "chatcmpl-01JD...".
std::string object_id(std::string_view prefix, std::string_view request_id);

}  // namespace millrace::gateway::dialect
