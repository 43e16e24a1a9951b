// Strict, pure parsers for the head of an HTTP/1 request or response (RFC 9110, RFC 9112); no copies.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace millrace::net {

/// A field line. As parsed: views into the bytes given; the value without surrounding blanks.
struct Header {
  std::string_view name;
  std::string_view value;
};

/// True if `a` and `b` are equal but for the case of ASCII letters.
bool equals_ignoring_case(std::string_view a, std::string_view b);

/// Value of the first header of this name (any case), nullopt if there is none.
std::optional<std::string_view> find_header(std::span<const Header> headers, std::string_view name);

/// True if the comma-separated list `value` holds `token` (any case).
bool list_has_token(std::string_view value, std::string_view token);

struct HeadLimits {
  std::size_t max_head_bytes = 32 * 1024;   // start line and headers together, else 431
  std::size_t max_target_bytes = 8 * 1024;  // else 414
  std::size_t max_headers = 100;            // else 431
};

enum class Method : std::uint8_t { kGet, kHead, kPost, kPut, kPatch, kDelete, kOptions };
std::string_view name_of(Method method);

/// How the body that follows is delimited.
enum class BodyKind : std::uint8_t { kNone, kLength, kChunked, kUntilClose };

struct RequestHead {
  Method method = Method::kGet;
  int minor_version = 1;    // HTTP/1.x
  std::string_view target;  // as sent
  std::string_view path;   // origin-form path, without the query; "*" for OPTIONS *; never empty; not decoded
  std::string_view query;  // after '?', without it
  std::string_view host;   // Host header, or the authority of an absolute-form target
  std::vector<Header> headers;      // in order
  BodyKind body = BodyKind::kNone;  // kNone, kLength or kChunked
  std::uint64_t content_length = 0;
  bool keep_alive = true;  // what version and Connection say
  bool expect_continue = false;

  std::optional<std::string_view> find(std::string_view name) const { return find_header(headers, name); }
  /// Moves every view from the bytes at `from` to the same bytes at `to`.
  void rebase(const char* from, const char* to);
};

struct ResponseHead {
  int status = 0;  // 100 to 599
  int minor_version = 1;
  std::string_view reason;
  std::vector<Header> headers;
  BodyKind body = BodyKind::kNone;
  std::uint64_t content_length = 0;
  bool keep_alive = true;

  std::optional<std::string_view> find(std::string_view name) const { return find_header(headers, name); }
};

struct HeadResult {
  enum class State : std::uint8_t { kNeedMore, kBad, kDone };
  State state = State::kNeedMore;
  std::size_t consumed = 0;      // kDone: bytes of the head, the blank line included
  int status = 0;                // kBad: what to answer: 400, 405, 414, 417, 431, 501 or 505
  std::string_view reason = {};  // kBad: static text for a person
};

/// Reads a request head from the front of `bytes`. A fault is told as soon as its line is whole, so call it again
/// with all bytes so far whenever more have come; it starts over, and the caller bounds that by max_head_bytes.
/// At most one empty line before the request line is skipped (RFC 9112, 2.2). `head` is written only by kDone
/// (its vector is reused). Refused: obs-fold, bare CR or LF, NUL and other control bytes, blanks before a colon,
/// no or several Host (HTTP/1.1) or a malformed one, Content-Length that is repeated, a list or not digits, together
/// with Transfer-Encoding, any Transfer-Encoding but one `chunked`, any in HTTP/1.0, methods other than Method (501; 405 for TRACE, CONNECT, QUERY),
/// targets other than origin-form, absolute-form with http or https, and `*` with OPTIONS, expectations other than
/// 100-continue (417), versions other than 1.0 and 1.1 (505). Pure.
HeadResult parse_request_head(std::string_view bytes, const HeadLimits& limits, RequestHead& head);

/// The same for a response to a request made with `request_method`, with the same strictness for its headers.
/// status 502 in kBad. Responses to HEAD and with status 1xx, 204, 304 have no body (RFC 9112, 6.3).
HeadResult parse_response_head(std::string_view bytes, const HeadLimits& limits, Method request_method,
                               ResponseHead& head);

}  // namespace millrace::net
