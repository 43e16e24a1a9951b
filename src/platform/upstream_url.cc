#include <fmt/format.h>

#include <algorithm>

#include "platform/endpoints.h"

namespace millrace::platform {
namespace {

constexpr std::size_t kMaxUrlBytes = 2048;

std::unexpected<Error> bad(std::string_view why) {
  return failure(ErrorCode::kInvalidArgument,
                 fmt::format("upstream_url: {}; write http(s)://host[:port][/prefix]", why));
}

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
         c == '_';
}

/// Host names, IPv4 and [IPv6]; what follows the host goes to `port` without its colon.
Result<void> split_authority(std::string_view authority, std::string_view& host, std::string_view& port) {
  std::size_t end = authority.find(':');
  if (authority.starts_with('[')) {
    const std::size_t bracket = authority.find(']');
    if (bracket == std::string_view::npos) return bad("the address has no closing bracket");
    host = authority.substr(1, bracket - 1);
    const bool good =
        !host.empty() && host.find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos;
    if (!good) return bad("this is not an IPv6 address");
    end = bracket + 1;
    if (end < authority.size() && authority[end] != ':') return bad("something follows the address");
  } else {
    host = authority.substr(0, end);
    if (host.empty()) return bad("it has no host");
    if (host.size() > 253 || !std::ranges::all_of(host, is_host_character))
      return bad("the host is malformed");
  }
  if (end >= authority.size()) return {};
  port = authority.substr(end + 1);
  if (port.empty()) return bad("the port is empty");
  return {};
}

Result<void> check_port(std::string_view port) {
  int value = 0;
  for (const char c : port) {
    if (c < '0' || c > '9' || value > 65'535) return bad("the port is not a number from 1 to 65535");
    value = value * 10 + (c - '0');
  }
  if (!port.empty() && (value < 1 || value > 65'535)) return bad("the port is not a number from 1 to 65535");
  return {};
}

}  // namespace

Result<std::string> check_upstream_url(std::string_view url) {
  if (url.size() > kMaxUrlBytes) return bad("it is too long");
  if (!std::ranges::all_of(url, [](char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\'; })) {
    return bad("it has characters that a URL cannot have");
  }
  std::size_t start = 0;
  if (url.starts_with("https://")) start = 8;
  if (url.starts_with("http://")) start = 7;
  if (start == 0) return bad("it starts with neither http:// nor https://");
  if (url.find_first_of("?#") != std::string_view::npos) return bad("it has a query or a fragment");
  const std::string_view authority = url.substr(start, url.find('/', start) - start);
  if (authority.contains('@')) return bad("it has a user or password; give the key as upstream_key");
  std::string_view host;
  std::string_view port;
  TRY_VOID(split_authority(authority, host, port));
  TRY_VOID(check_port(port));
  for (std::size_t at = url.find("/.", start); at != std::string_view::npos; at = url.find("/.", at + 1)) {
    const std::string_view segment = url.substr(at + 1, url.find('/', at + 1) - at - 1);
    if (segment == "." || segment == "..") return bad("its path has a '.' or '..'");
  }
  while (url.ends_with('/')) url.remove_suffix(1);
  return std::string(url);
}

}  // namespace millrace::platform
