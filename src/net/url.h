// Where an HTTP server is, and the URLs that say so.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"

namespace millrace::net {

class TlsContext;

/// A server to send requests to. Values; two with the same key() share pooled connections.
struct Upstream {
  std::string unix_path;  // not empty: a unix socket, and the rest but `host` is unused
  std::string host;       // name or numeric address (IPv6 without brackets)
  std::uint16_t port = 0;
  std::shared_ptr<TlsContext> tls;  // client context, null for plain HTTP

  static Upstream unix_socket(std::string path) { return {std::move(path), "localhost", 0, nullptr}; }
  static Upstream tcp(std::string host, std::uint16_t port) { return {{}, std::move(host), port, nullptr}; }

  /// Identifies the server and how it is spoken to.
  std::string key() const;
  /// Value for the Host header: "name", "name:port", "[::1]:port"; default ports are left out.
  std::string host_header() const;
};

struct Url {
  bool https = false;
  std::string unix_path;  // from unix:PATH
  std::string host;
  std::uint16_t port = 0;  // 80 or 443 if the URL names none
  std::string target;      // path and query, at least "/"

  /// `tls` is used for https only.
  Upstream upstream(std::shared_ptr<TlsContext> tls) const;
};

/// "http://host[:port][/path][?query]", "https://...", "unix:/socket/path[:/http/path]". kInvalidArgument for
/// anything else, user information and fragments included.
Result<Url> parse_url(std::string_view text);

/// "HOST:PORT", "[IPv6]:PORT", ":PORT" (host empty). kInvalidArgument otherwise.
struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};
Result<HostPort> parse_host_port(std::string_view text);

/// True for 127.0.0.0/8, ::1 and "localhost".
bool is_loopback(std::string_view host);

}  // namespace millrace::net
