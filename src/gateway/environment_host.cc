#include "gateway/environment_host.h"

#include <algorithm>
#include <array>

#include "host/json.h"

namespace millrace::gateway {
namespace {

constexpr std::string_view kPlainCookie = "millrace_env";
constexpr std::string_view kBoundCookie = "__Host-millrace_env";

/// Hop by hop (RFC 9110, 7.6.1), or this gateway's own business. In both directions.
constexpr std::array<std::string_view, 11> kHopByHop = {
    "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization",
    "te",         "trailer",    "upgrade",          "transfer-encoding",  "content-length",
    "expect"};
/// Of a request: rebuilt here, or not the environment's to know.
constexpr std::array<std::string_view, 5> kNotForEnvironment = {"host", "cookie", "authorization",
                                                                "x-api-key", "forwarded"};
/// Of an answer: ours, or of effect beyond the environment's own origin.
constexpr std::array<std::string_view, 5> kNotForBrowser = {"content-type", "date", "set-cookie",
                                                            "clear-site-data", "alt-svc"};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool starts_ignoring_case(std::string_view text, std::string_view start) {
  return text.size() >= start.size() && net::equals_ignoring_case(text.substr(0, start.size()), start);
}

bool is_one_of(std::span<const std::string_view> names, std::string_view name) {
  return std::ranges::any_of(names,
                             [&](std::string_view one) { return net::equals_ignoring_case(one, name); });
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Takes the part before the next ';' off the front.
std::string_view take_item(std::string_view& rest) {
  const std::size_t end = rest.find(';');
  const auto item = trim(rest.substr(0, end));
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  return item;
}

std::string_view name_in(std::string_view item) { return trim(item.substr(0, item.find('='))); }

/// Browsers compare names of cookies exactly, but the prefix without case.
bool is_ours(std::string_view cookie_name) {
  return net::equals_ignoring_case(cookie_name, kPlainCookie) ||
         net::equals_ignoring_case(cookie_name, kBoundCookie);
}

bool listed_in_connection(std::span<const net::Header> headers, std::string_view name) {
  return std::ranges::any_of(headers, [&](const net::Header& header) {
    return net::equals_ignoring_case(header.name, "connection") && net::list_has_token(header.value, name);
  });
}

std::size_t count_of(std::span<const net::Header> headers, std::string_view name) {
  return static_cast<std::size_t>(std::ranges::count_if(
      headers, [&](const net::Header& header) { return net::equals_ignoring_case(header.name, name); }));
}

bool is_websocket_key(std::string_view key) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  return key.size() == 24 && key.ends_with("==") &&
         key.substr(0, 22).find_first_not_of(kAlphabet) == std::string_view::npos;
}

}  // namespace

std::optional<std::string> environment_of_host(std::string_view host, std::string_view domain) {
  if (host.starts_with('[')) return std::nullopt;  // an IPv6 address
  host = host.substr(0, host.find(':'));
  if (host.ends_with('.')) host.remove_suffix(1);  // the absolute form of the same name
  if (host.size() <= domain.size() || host[host.size() - domain.size() - 1] != '.' ||
      !net::equals_ignoring_case(host.substr(host.size() - domain.size()), domain)) {
    return std::nullopt;
  }
  std::string name(host.substr(0, host.size() - domain.size() - 1));
  std::ranges::transform(name, name.begin(), lower);
  return name;
}

std::string origin_of(std::string_view host, bool tls) {
  std::string origin = tls ? "https://" : "http://";
  for (const char c : host) origin.push_back(lower(c));
  return origin;
}

std::string_view pass_cookie_name(bool tls) { return tls ? kBoundCookie : kPlainCookie; }

std::vector<std::string_view> pass_cookies(std::span<const net::Header> headers, bool tls) {
  std::vector<std::string_view> values;
  for (const net::Header& header : headers) {
    if (!net::equals_ignoring_case(header.name, "cookie")) continue;
    std::string_view rest = header.value;
    while (!rest.empty()) {
      const auto item = take_item(rest);
      const std::size_t equals = item.find('=');
      if (equals == std::string_view::npos || name_in(item) != pass_cookie_name(tls)) continue;
      values.push_back(item.substr(equals + 1));
    }
  }
  return values;
}

std::string cookies_for_environment(std::string_view value) {
  std::string kept;
  while (!value.empty()) {
    const auto item = take_item(value);
    if (item.empty() || is_ours(name_in(item))) continue;
    if (!kept.empty()) kept += "; ";
    kept += item;
  }
  return kept;
}

std::optional<std::string> set_cookie_for_browser(std::string_view value) {
  std::string kept(take_item(value));
  // A cookie without a name is sent as its bare value, which may look like one of ours.
  const bool named = kept.find('=') != std::string::npos && !name_in(kept).empty();
  if (!named || is_ours(name_in(kept))) return std::nullopt;
  while (!value.empty()) {
    const auto attribute = take_item(value);
    if (attribute.empty() || net::equals_ignoring_case(name_in(attribute), "domain")) continue;
    kept.append("; ").append(attribute);
  }
  return kept;
}

Result<Upgrade> upgrade_of(const net::RequestHead& head) {
  const auto wanted = head.find("upgrade");
  if (!wanted || !listed_in_connection(head.headers, "upgrade")) return Upgrade::kNone;
  const bool bare =
      head.method == net::Method::kGet && head.minor_version == 1 && head.body == net::BodyKind::kNone;
  if (net::equals_ignoring_case(*wanted, kStreamProtocol)) return bare ? Upgrade::kStream : Upgrade::kNone;
  if (!net::equals_ignoring_case(*wanted, "websocket")) return Upgrade::kNone;
  const bool good = bare && count_of(head.headers, "upgrade") == 1 &&
                    head.find("sec-websocket-version").value_or("") == "13" &&
                    count_of(head.headers, "sec-websocket-key") == 1 &&
                    is_websocket_key(*head.find("sec-websocket-key"));
  if (!good)
    return failure(ErrorCode::kInvalidArgument, "this is not the opening of a WebSocket (RFC 6455, 4.1)");
  return Upgrade::kWebSocket;
}

Result<void> check_switched(const net::ResponseHead& head, Upgrade wanted) {
  const std::string_view protocol = wanted == Upgrade::kStream ? kStreamProtocol : "websocket";
  const bool good = head.status == 101 && wanted != Upgrade::kNone &&
                    count_of(head.headers, "upgrade") == 1 &&
                    net::equals_ignoring_case(*head.find("upgrade"), protocol) &&
                    listed_in_connection(head.headers, "upgrade");
  if (good) return {};
  return failure(ErrorCode::kCorrupt, "the environment switched to a protocol that it was not asked for");
}

std::vector<net::Header> headers_for_environment(const net::RequestHead& head, const ForwardedFrom& from,
                                                 std::string& cookies) {
  std::vector<net::Header> kept;
  cookies.clear();
  for (const net::Header& header : head.headers) {
    if (net::equals_ignoring_case(header.name, "cookie")) {
      const std::string more = cookies_for_environment(header.value);
      if (!cookies.empty() && !more.empty()) cookies += "; ";
      cookies += more;
      continue;
    }
    if (is_one_of(kHopByHop, header.name) || is_one_of(kNotForEnvironment, header.name) ||
        starts_ignoring_case(header.name, "x-forwarded-") || starts_ignoring_case(header.name, "x-real-") ||
        starts_ignoring_case(header.name, "x-scheme") || listed_in_connection(head.headers, header.name)) {
      continue;
    }
    kept.push_back(header);
  }
  if (!cookies.empty()) kept.push_back({"cookie", cookies});
  kept.push_back({"x-forwarded-for", from.peer});
  kept.push_back({"x-forwarded-host", from.host});
  kept.push_back({"x-forwarded-proto", from.tls ? "https" : "http"});
  if (from.upgrade != Upgrade::kNone) {
    kept.push_back({"connection", "upgrade"});
    kept.push_back({"upgrade", from.upgrade == Upgrade::kStream ? kStreamProtocol : "websocket"});
  }
  return kept;
}

std::vector<net::Header> headers_for_browser(const net::ResponseHead& head, std::vector<std::string>& kept) {
  std::vector<net::Header> headers;
  kept.clear();
  kept.reserve(head.headers.size());  // views into it must stay good
  for (const net::Header& header : head.headers) {
    if (net::equals_ignoring_case(header.name, "set-cookie")) {
      auto cookie = set_cookie_for_browser(header.value);
      if (cookie) headers.push_back({"set-cookie", kept.emplace_back(std::move(*cookie))});
      continue;
    }
    if (is_one_of(kHopByHop, header.name) || is_one_of(kNotForBrowser, header.name) ||
        starts_ignoring_case(header.name, "x-millrace-") || listed_in_connection(head.headers, header.name)) {
      continue;
    }
    headers.push_back(header);
  }
  return headers;
}

bool shows_busy_kernel(std::string_view json) {
  const auto value = host::parse_json(json, {.max_depth = 8, .max_bytes = 1u << 20});
  if (!value || !value->is_array()) return false;
  return std::ranges::any_of(value->get_array(), [](const auto& kernel) {
    const auto* state = kernel.is_object() ? kernel.get_object().if_contains("execution_state") : nullptr;
    return state != nullptr && state->is_string() && state->get_string() == "busy";
  });
}

bool is_lone_ping(std::string_view bytes) {
  if (bytes.size() < 2) return false;
  const auto first = static_cast<unsigned char>(bytes[0]);
  const auto second = static_cast<unsigned char>(bytes[1]);
  const std::size_t length = second & 0x7FU;
  const std::size_t mask = (second & 0x80U) != 0 ? 4 : 0;
  return (first == 0x89 || first == 0x8A) && length < 126 && bytes.size() == 2 + mask + length;
}

}  // namespace millrace::gateway
