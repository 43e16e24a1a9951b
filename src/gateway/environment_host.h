// Environments' host names and what of a request or an answer may pass between a browser and an environment. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "net/http_head.h"

namespace millrace::gateway {

/// Each environment is an origin of its own: NAME.<domain>[:port].
inline constexpr std::string_view kEnvironmentDomain = "localhost";

/// The part of the host name before ".<domain>", in lower case; nullopt if the host is not below the domain. A name
/// that no environment can have comes back as it is: what lies below the domain never reaches another handler, since
/// a page once served there may still be at work in a browser.
std::optional<std::string> environment_of_host(std::string_view host, std::string_view domain);

/// "http://nb.localhost:8080": the origin of a request to that Host.
std::string origin_of(std::string_view host, bool tls);

/// "__Host-millrace_env" under TLS, else "millrace_env": the prefix binds it to this very host, and needs TLS.
std::string_view pass_cookie_name(bool tls);
/// Values of all our cookies in the Cookie headers: a page of a neighbouring host may have added some of its own.
std::vector<std::string_view> pass_cookies(std::span<const net::Header> headers, bool tls);
/// A Cookie header's value without our cookies; empty if nothing is left.
std::string cookies_for_environment(std::string_view value);
/// A Set-Cookie header's value as it may go to the browser: without Domain; nullopt if it would set one of ours.
std::optional<std::string> set_cookie_for_browser(std::string_view value);

enum class Upgrade : std::uint8_t { kNone, kWebSocket, kStream };
inline constexpr std::string_view kStreamProtocol = "millrace-stream";  // bytes of an ssh connection

/// What protocol the request wants to change to. Unknown ones are ignored (RFC 9110, 7.8); kInvalidArgument if it asks
/// for a WebSocket in another way than RFC 6455, 4.1.
Result<Upgrade> upgrade_of(const net::RequestHead& head);
/// kCorrupt unless the answer is 101 for exactly this protocol.
Result<void> check_switched(const net::ResponseHead& head, Upgrade wanted);

/// Headers for the environment: those of the client without what is between it and us (hop by hop, our cookies, keys,
/// who it came through), and who it is. `upgrade` adds those of the change of protocol.
struct ForwardedFrom {
  std::string_view peer, host;
  bool tls = false;
  Upgrade upgrade = Upgrade::kNone;
};
/// Views into the head, into `from` and into `cookies`, which is filled.
std::vector<net::Header> headers_for_environment(const net::RequestHead& head, const ForwardedFrom& from,
                                                 std::string& cookies);
/// Headers for the browser; `kept` is filled with what they view. Content-type and length are the exchange's own.
std::vector<net::Header> headers_for_browser(const net::ResponseHead& head, std::vector<std::string>& kept);

/// True if the answer of Jupyter's /api/kernels shows a kernel at work. Any text may be given.
bool shows_busy_kernel(std::string_view json);

/// True if these bytes are one WebSocket ping or pong: sent by programs, not by people.
bool is_lone_ping(std::string_view bytes);

}  // namespace millrace::gateway
