#include "net/url.h"

#include <fmt/format.h>

#include <charconv>

#include "net/http_chars.h"
#include "net/socket.h"
#include "net/tls.h"

namespace millrace::net {

namespace {

std::unexpected<Error> bad_url(std::string_view text, std::string_view why) {
  return failure(
      ErrorCode::kInvalidArgument,
      fmt::format("'{}' is not a usable URL ({}): write http://HOST[:PORT]/PATH, https://... or unix:SOCKET",
                  text.substr(0, 128), why));
}

bool parse_port(std::string_view text, std::uint16_t& port) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return !text.empty() && error == std::errc{} && end == text.data() + text.size();
}

bool valid_target(std::string_view target) {
  for (const char c : target) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7f || c == '#') return false;
  }
  return target.starts_with('/');
}

bool valid_host(std::string_view host) {
  for (const char c : host) {
    if (!is_host_char(c) && c != ':') return false;
  }
  return true;
}

Result<Url> parse_unix(std::string_view text) {
  Url url;
  const auto rest = text.substr(5);
  const auto colon = rest.find(':');
  url.unix_path = rest.substr(0, colon);
  url.host = "localhost";
  url.target = colon == std::string_view::npos ? "/" : std::string(rest.substr(colon + 1));
  if (!url.unix_path.starts_with('/')) return bad_url(text, "the socket's path must be absolute");
  if (!valid_target(url.target)) return bad_url(text, "the path is malformed");
  return url;
}

}  // namespace

std::string Upstream::key() const {
  if (!unix_path.empty()) return "unix:" + unix_path;
  return fmt::format("{}:{}:{}:{}", tls ? "tls" : "tcp", fmt::ptr(tls.get()), host, port);
}

std::string Upstream::host_header() const {
  if (!unix_path.empty()) return host.empty() ? "localhost" : host;
  std::string text = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != (tls ? 443 : 80)) text += fmt::format(":{}", port);
  return text;
}

Upstream Url::upstream(std::shared_ptr<TlsContext> tls) const {
  return {unix_path, host, port, https ? std::move(tls) : nullptr};
}

Result<Url> parse_url(std::string_view text) {
  if (text.starts_with("unix:")) return parse_unix(text);
  Url url;
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    url.https = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return bad_url(text, "the scheme is unknown");
  }
  const auto slash = rest.find_first_of("/?#");
  const auto authority = rest.substr(0, slash);
  url.target = slash == std::string_view::npos ? "/" : std::string(rest.substr(slash));
  if (url.target.front() == '?') url.target.insert(0, "/");
  if (!valid_target(url.target)) return bad_url(text, "the path is malformed");
  if (authority.find('@') != std::string_view::npos) return bad_url(text, "user information is not allowed");
  url.port = url.https ? 443 : 80;
  const bool has_port =
      authority.starts_with('[') ? !authority.ends_with(']') : authority.find(':') != std::string_view::npos;
  if (has_port) {
    const auto pair = parse_host_port(authority);
    if (!pair || pair->port == 0) return bad_url(text, "the port is malformed");
    url.host = pair->host;
    url.port = pair->port;
  } else {
    url.host = authority.starts_with('[') ? authority.substr(1, authority.size() - 2) : authority;
  }
  if (url.host.empty() || !valid_host(url.host)) return bad_url(text, "the host is malformed");
  return url;
}

Result<HostPort> parse_host_port(std::string_view text) {
  HostPort out;
  const auto fault = [&] {
    return failure(
        ErrorCode::kInvalidArgument,
        fmt::format("'{}' is not an address: write HOST:PORT, e.g. 127.0.0.1:8080", text.substr(0, 128)));
  };
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || !parse_port(text.substr(colon + 1), out.port)) return fault();
  auto host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']') && host.size() > 2) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find_first_of(":[]") != std::string_view::npos) {
    return fault();
  }
  if (!valid_host(host)) return fault();
  out.host = host;
  return out;
}

bool is_loopback(std::string_view host) {
  const auto address = numeric_address(std::string(host), 0);
  return address && is_loopback(*address);
}

}  // namespace millrace::net
