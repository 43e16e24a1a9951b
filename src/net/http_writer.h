// Writes heads and chunks of HTTP/1.1 messages into a string.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "net/http_head.h"

namespace millrace::net {

/// Standard reason phrase ("Not Found"), "Unknown" if there is none.
std::string_view reason_phrase(int status);

/// Appends "HTTP/1.1 200 OK\r\n".
void append_status_line(std::string& out, int status);
/// Appends "GET /path HTTP/1.1\r\n". `target` must be free of blanks and control bytes (the caller made it).
void append_request_line(std::string& out, std::string_view method, std::string_view target);

/// Appends "name: value\r\n". Control bytes in the value become blanks, so that no value can start a new line; a
/// name that is not a token is left out together with its value.
void append_header(std::string& out, std::string_view name, std::string_view value);
void append_header(std::string& out, std::string_view name, std::uint64_t value);
void append_headers(std::string& out, std::span<const Header> headers);

/// Appends a chunk; nothing for an empty piece (which would end the body).
void append_chunk(std::string& out, std::string_view piece);
/// Appends the last chunk without trailers.
void append_last_chunk(std::string& out);

/// "Sun, 22 Nov 2026 10:00:00 GMT" (RFC 9110, 5.6.7) from seconds since 1970, UTC.
std::string http_date(std::int64_t unix_seconds);

}  // namespace millrace::net
