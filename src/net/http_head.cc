#include "net/http_head.h"

#include <array>
#include <cstring>
#include <utility>

#include "net/http_chars.h"

namespace millrace::net {

namespace {

/// Path of an absolute-form target without one: the only view of a head that may lie outside the bytes read.
constexpr char kRootPath[] = "/";

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

HeadResult bad(int status, std::string_view reason) { return {HeadResult::State::kBad, 0, status, reason}; }
HeadResult need_more() { return {}; }

/// A line ending in CRLF off the front of `rest`. kBad for a bare CR, a bare LF or NUL as soon as it is seen.
enum class LineState : std::uint8_t { kNeedMore, kBad, kDone };
LineState take_line(std::string_view& rest, std::string_view& line) {
  if (rest.empty()) return LineState::kNeedMore;
  const auto* lf = static_cast<const char*>(std::memchr(rest.data(), '\n', rest.size()));
  const auto length = lf == nullptr ? rest.size() : static_cast<std::size_t>(lf - rest.data());
  const auto* cr = static_cast<const char*>(std::memchr(rest.data(), '\r', length));
  const auto cr_at = cr == nullptr ? length : static_cast<std::size_t>(cr - rest.data());
  if (lf == nullptr) return cr_at + 1 < rest.size() ? LineState::kBad : LineState::kNeedMore;
  if (length == 0 || cr_at != length - 1) return LineState::kBad;
  line = rest.substr(0, length - 1);
  rest.remove_prefix(length + 1);
  return LineState::kDone;
}

std::string_view trim_blanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Digits only, no sign, at most 18 of them (so that it cannot overflow); leading zeros are allowed.
bool parse_length(std::string_view text, std::uint64_t& value) {
  if (text.empty() || text.size() > 18) return false;
  value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return true;
}

/// host [":" port] of RFC 3986: a registered name, IPv4 address or bracketed IPv6 address. May be empty.
bool valid_authority(std::string_view text) {
  if (text.empty()) return true;
  std::string_view port;
  if (text.front() == '[') {
    const auto close = text.find(']');
    if (close == std::string_view::npos || close < 3) return false;
    for (const char c : text.substr(1, close - 1)) {
      if (!is_hex(c) && c != ':' && c != '.') return false;
    }
    port = text.substr(close + 1);
  } else {
    const auto colon = text.find(':');
    const auto name = text.substr(0, colon);
    if (name.empty()) return false;
    for (std::size_t i = 0; i < name.size(); ++i) {
      if (name[i] == '%' ? !(i + 2 < name.size() && is_hex(name[i + 1]) && is_hex(name[i + 2]))
                         : !is_host_char(name[i])) {
        return false;
      }
    }
    port = colon == std::string_view::npos ? std::string_view{} : text.substr(colon);
  }
  if (port.empty()) return true;
  if (port.front() != ':' || port.size() > 6) return false;
  unsigned value = 0;
  for (const char c : port.substr(1)) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  return value <= 65535;
}

/// What the header section says about framing, gathered while it is read.
struct Framing {
  bool has_length = false;
  std::uint64_t length = 0;
  bool has_transfer_encoding = false;
  bool close = false;
  bool keep_alive = false;
  bool expect_continue = false;
  bool has_host = false;
  std::string_view host;
  int status = 0;  // not 0: refuse with this and the reason
  std::string_view reason;

  void refuse(int new_status, std::string_view new_reason) {
    if (status == 0) {
      status = new_status;
      reason = new_reason;
    }
  }
};

void note_transfer_encoding(Framing& framing, std::string_view value) {
  if (framing.has_transfer_encoding) return framing.refuse(400, "Transfer-Encoding is there more than once");
  framing.has_transfer_encoding = true;
  // RFC 9112, 6.1: a coding that is not understood ought to be 501; anything that is not one clean word is an attempt
  // at being read differently by two parsers.
  if (equals_ignoring_case(value, "chunked")) return;
  if (token_length(value) != value.size())
    return framing.refuse(400, "Transfer-Encoding must be chunked, alone");
  framing.refuse(value.empty() ? 400 : 501, "Transfer-Encoding other than chunked is not supported");
}

void note_length(Framing& framing, std::string_view value) {
  if (framing.has_length) return framing.refuse(400, "Content-Length is there more than once");
  framing.has_length = true;
  if (!parse_length(value, framing.length)) framing.refuse(400, "Content-Length is not a number");
}

void note_host(Framing& framing, std::string_view value) {
  if (framing.has_host) return framing.refuse(400, "Host is there more than once");
  framing.has_host = true;
  framing.host = value;
  if (!valid_authority(value)) framing.refuse(400, "Host is malformed");
}

/// Looks at the headers that matter for framing; length and first letter sort out nearly all others.
void note(Framing& framing, const Header& header) {
  const auto is = [&](std::string_view name) { return equals_ignoring_case(header.name, name); };
  switch (header.name.size()) {
    case 4:
      if (is("host")) note_host(framing, header.value);
      break;
    case 6:
      if (is("expect")) {
        if (equals_ignoring_case(header.value, "100-continue")) {
          framing.expect_continue = true;
        } else {
          framing.refuse(417, "the expectation is not 100-continue");
        }
      }
      break;
    case 10:
      if (is("connection")) {
        framing.close = framing.close || list_has_token(header.value, "close");
        framing.keep_alive = framing.keep_alive || list_has_token(header.value, "keep-alive");
      }
      break;
    case 14:
      if (is("content-length")) note_length(framing, header.value);
      break;
    case 17:
      if (is("transfer-encoding")) note_transfer_encoding(framing, header.value);
      break;
    default:
      break;
  }
}

/// The usual case of take_line, and what it tells beyond it: a whole line, of bytes that may stand in a field value. False
/// if it is anything else; `rest` is then as it was.
bool take_clean_line(std::string_view& rest, std::string_view& line) {
  const std::size_t length = field_text_length(rest);
  if (rest.substr(length, 2) != "\r\n") return false;
  line = rest.substr(0, length);
  rest.remove_prefix(length + 2);
  return true;
}

/// One field line (RFC 9112, 5), all of it field text if it is `clean`. False with the reason in `framing`.
bool parse_field(std::string_view line, bool clean, Header& header, Framing& framing) {
  if (line.front() == ' ' || line.front() == '\t') {
    framing.refuse(400, "a header is folded over lines");
    return false;
  }
  const std::size_t colon = token_length(line);
  if (colon == 0 || colon == line.size() || line[colon] != ':') {
    framing.refuse(400, "a header name is malformed");
    return false;
  }
  if (!clean && !is_field_text(line.substr(colon + 1))) {
    framing.refuse(400, "a header value holds a control byte");
    return false;
  }
  header.name = line.substr(0, colon);
  header.value = trim_blanks(line.substr(colon + 1));
  return true;
}

/// The header section up to and including the blank line. `rest` is moved on as lines are taken.
HeadResult parse_fields(std::string_view& rest, const HeadLimits& limits, std::vector<Header>& headers,
                        Framing& framing) {
  headers.clear();
  while (true) {
    std::string_view line;
    const bool clean = take_clean_line(rest, line);
    if (!clean) {
      const LineState state = take_line(rest, line);
      if (state == LineState::kBad) return bad(400, "a header line holds a bare CR or LF");
      if (state == LineState::kNeedMore) return need_more();
    }
    if (line.empty()) return {HeadResult::State::kDone, 0, 0, {}};
    if (headers.size() == limits.max_headers) return bad(431, "there are too many headers");
    Header header;
    if (!parse_field(line, clean, header, framing)) return bad(framing.status, framing.reason);
    note(framing, header);
    if (framing.status != 0) return bad(framing.status, framing.reason);
    headers.push_back(header);
  }
}

/// "HTTP/1.x" exactly. -1 if malformed, -2 if a version that is not supported.
int parse_version(std::string_view text) {
  if (text.size() != 8 || !text.starts_with("HTTP/") || text[5] < '0' || text[5] > '9' || text[6] != '.' ||
      text[7] < '0' || text[7] > '9') {
    return -1;
  }
  if (text[5] != '1' || text[7] > '1') return -2;
  return text[7] - '0';
}

constexpr std::array<std::pair<std::string_view, Method>, 7> kMethods = {{{"POST", Method::kPost},
                                                                          {"GET", Method::kGet},
                                                                          {"HEAD", Method::kHead},
                                                                          {"PUT", Method::kPut},
                                                                          {"PATCH", Method::kPatch},
                                                                          {"DELETE", Method::kDelete},
                                                                          {"OPTIONS", Method::kOptions}}};

struct RequestLine {
  Method method = Method::kGet;
  int minor_version = 1;
  std::string_view target;
  std::string_view path;
  std::string_view query;
  std::string_view authority;  // of an absolute-form target
  bool absolute = false;
};

void split_query(RequestLine& out, std::string_view origin) {
  const auto mark = origin.find('?');
  out.path = origin.substr(0, mark);
  out.query = mark == std::string_view::npos ? std::string_view{} : origin.substr(mark + 1);
}

/// RFC 9112, 3.2. False: malformed.
bool parse_target(RequestLine& out) {
  const std::string_view target = out.target;
  if (target.empty()) return false;
  for (const char c : target) {
    // Visible ASCII but for '#': a fragment is never sent.
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7f || c == '#') return false;
  }
  if (target.front() == '/') {
    split_query(out, target);
    return true;
  }
  if (target == "*") {
    out.path = target;
    return out.method == Method::kOptions;
  }
  std::string_view rest = target;
  if (rest.size() > 7 && equals_ignoring_case(rest.substr(0, 7), "http://")) {
    rest.remove_prefix(7);
  } else if (rest.size() > 8 && equals_ignoring_case(rest.substr(0, 8), "https://")) {
    rest.remove_prefix(8);
  } else {
    return false;
  }
  const auto slash = rest.find_first_of("/?");
  out.authority = rest.substr(0, slash);
  out.absolute = true;
  split_query(out, slash == std::string_view::npos ? std::string_view{} : rest.substr(slash));
  if (out.path.empty()) out.path = {kRootPath, 1};
  return !out.authority.empty() && valid_authority(out.authority);
}

HeadResult parse_request_line(std::string_view line, const HeadLimits& limits, RequestLine& out) {
  const auto first = line.find(' ');
  const auto method = line.substr(0, first);
  if (method.empty()) return bad(400, "the request line is malformed");
  for (const char c : method) {
    if (!is_token_char(c)) return bad(400, "the method is malformed");
  }
  if (first == std::string_view::npos) return bad(400, "the request line is malformed");
  const auto last = line.rfind(' ');
  if (last == first) return bad(400, "the request line has no version");
  const int version = parse_version(line.substr(last + 1));
  if (version == -1) return bad(400, "the version is malformed");
  if (version == -2) return bad(505, "only HTTP/1.0 and HTTP/1.1 are supported");
  out.minor_version = version;
  out.target = line.substr(first + 1, last - first - 1);
  if (out.target.size() > limits.max_target_bytes) return bad(414, "the request target is too long");
  const Method* found = nullptr;
  for (const auto& [name, value] : kMethods) {
    if (name == method) found = &value;
  }
  if (found == nullptr) {
    // RFC 9110, 9.1: 501 for a method that is not known, 405 for one that is known and not allowed.
    const bool known = method == "TRACE" || method == "CONNECT" || method == "QUERY";
    return bad(known ? 405 : 501, "the method is not supported");
  }
  out.method = *found;
  if (!parse_target(out)) return bad(400, "the request target is malformed");
  return {HeadResult::State::kDone, 0, 0, {}};
}

/// Checks that take the whole head. Returns a status of 0 when all is well.
HeadResult finish_request(const RequestLine& line, const Framing& framing, RequestHead& head) {
  if (line.minor_version == 1 && !framing.has_host) return bad(400, "Host is missing");
  if (framing.has_transfer_encoding && framing.has_length) {
    return bad(400, "both Content-Length and Transfer-Encoding are there");
  }
  if (framing.has_transfer_encoding && line.minor_version == 0)
    return bad(400, "Transfer-Encoding in HTTP/1.0");
  head.method = line.method;
  head.minor_version = line.minor_version;
  head.target = line.target;
  head.path = line.path;
  head.query = line.query;
  head.host = line.absolute ? line.authority : framing.host;
  head.body = BodyKind::kNone;
  head.content_length = framing.has_length ? framing.length : 0;
  if (framing.has_transfer_encoding) {
    head.body = BodyKind::kChunked;
  } else if (head.content_length > 0) {
    head.body = BodyKind::kLength;
  }
  head.keep_alive = !framing.close && (line.minor_version == 1 || framing.keep_alive);
  // RFC 9110, 10.1.1: the expectation of an HTTP/1.0 client is ignored.
  head.expect_continue = framing.expect_continue && line.minor_version == 1 && head.body != BodyKind::kNone;
  return {HeadResult::State::kDone, 0, 0, {}};
}

/// While the start line is not whole: is it hopeless already?
HeadResult unfinished_start(std::string_view bytes, std::string_view rest, const HeadLimits& limits,
                            bool request) {
  if (request && !rest.empty() && !is_token_char(rest.front()) && rest.front() != '\r') {
    return bad(400, "the request line is malformed");
  }
  if (rest.size() > limits.max_target_bytes + 64)
    return bad(request ? 414 : 502, "the request target is too long");
  if (bytes.size() > limits.max_head_bytes) return bad(431, "the head is too large");
  return need_more();
}

bool parse_status_line(std::string_view line, ResponseHead& head) {
  if (line.size() < 12) return false;
  const int version = parse_version(line.substr(0, 8));
  if (version < 0 || line[8] != ' ') return false;
  int status = 0;
  for (const char c : line.substr(9, 3)) {
    if (c < '0' || c > '9') return false;
    status = status * 10 + (c - '0');
  }
  // The blank before an empty reason is often left out.
  if (status < 100 || status > 599 || (line.size() > 12 && line[12] != ' ')) return false;
  head.minor_version = version;
  head.status = status;
  head.reason = line.size() > 13 ? line.substr(13) : std::string_view{};
  return is_field_text(head.reason);
}

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

std::optional<std::string_view> find_header(std::span<const Header> headers, std::string_view name) {
  for (const Header& header : headers) {
    if (equals_ignoring_case(header.name, name)) return header.value;
  }
  return std::nullopt;
}

bool list_has_token(std::string_view value, std::string_view token) {
  while (true) {
    const auto comma = value.find(',');
    if (equals_ignoring_case(trim_blanks(value.substr(0, comma)), token)) return true;
    if (comma == std::string_view::npos) return false;
    value.remove_prefix(comma + 1);
  }
}

std::string_view name_of(Method method) {
  for (const auto& [name, value] : kMethods) {
    if (value == method) return name;
  }
  return "GET";
}

void RequestHead::rebase(const char* from, const char* to) {
  const auto move = [from, to](std::string_view& view) {
    if (view.data() != nullptr && view.data() != kRootPath) view = {to + (view.data() - from), view.size()};
  };
  move(target);
  move(path);
  move(query);
  move(host);
  for (Header& header : headers) {
    move(header.name);
    move(header.value);
  }
}

HeadResult parse_request_head(std::string_view bytes, const HeadLimits& limits, RequestHead& head) {
  std::string_view rest = bytes;
  if (rest.starts_with("\r\n")) rest.remove_prefix(2);
  std::string_view line;
  const LineState state = take_line(rest, line);
  if (state == LineState::kBad) return bad(400, "the request line holds a bare CR or LF");
  if (state == LineState::kNeedMore) return unfinished_start(bytes, rest, limits, true);
  RequestLine request_line;
  HeadResult result = parse_request_line(line, limits, request_line);
  if (result.state == HeadResult::State::kBad) return result;
  Framing framing;
  result = parse_fields(rest, limits, head.headers, framing);
  if (result.state == HeadResult::State::kBad) return result;
  const std::size_t used = bytes.size() - rest.size();
  const bool whole = result.state == HeadResult::State::kDone;
  if (used > limits.max_head_bytes || (!whole && bytes.size() > limits.max_head_bytes)) {
    return bad(431, "the head is too large");
  }
  if (!whole) return need_more();
  result = finish_request(request_line, framing, head);
  if (result.state == HeadResult::State::kDone) result.consumed = used;
  return result;
}

HeadResult parse_response_head(std::string_view bytes, const HeadLimits& limits, Method request_method,
                               ResponseHead& head) {
  const auto broken = [](std::string_view reason) { return bad(502, reason); };
  std::string_view rest = bytes;
  std::string_view line;
  const LineState state = take_line(rest, line);
  if (state == LineState::kBad) return broken("the status line holds a bare CR or LF");
  if (state == LineState::kNeedMore) {
    const auto result = unfinished_start(bytes, rest, limits, false);
    return result.state == HeadResult::State::kBad ? broken("the status line is too long") : result;
  }
  if (!parse_status_line(line, head)) return broken("the status line is malformed");
  Framing framing;
  const HeadResult result = parse_fields(rest, limits, head.headers, framing);
  if (result.state == HeadResult::State::kBad) return broken(result.reason);
  const std::size_t used = bytes.size() - rest.size();
  if (used > limits.max_head_bytes) return broken("the head is too large");
  if (result.state == HeadResult::State::kNeedMore) {
    return bytes.size() > limits.max_head_bytes ? broken("the head is too large") : need_more();
  }
  if (framing.has_transfer_encoding && framing.has_length)
    return broken("both Content-Length and Transfer-Encoding");
  if (framing.has_transfer_encoding && head.minor_version == 0)
    return broken("Transfer-Encoding in HTTP/1.0");
  head.content_length = framing.has_length ? framing.length : 0;
  head.keep_alive = !framing.close && (head.minor_version == 1 || framing.keep_alive);
  if (request_method == Method::kHead || head.status < 200 || head.status == 204 || head.status == 304) {
    head.body = BodyKind::kNone;
  } else if (framing.has_transfer_encoding) {
    head.body = BodyKind::kChunked;
  } else if (framing.has_length) {
    head.body = head.content_length > 0 ? BodyKind::kLength : BodyKind::kNone;
  } else {
    head.body = BodyKind::kUntilClose;
    head.keep_alive = false;
  }
  return {HeadResult::State::kDone, used, 0, {}};
}

}  // namespace millrace::net
