// Any head may come from a browser or an environment: what passes on holds no cookie of ours and changes nothing twice.
#include <cstdint>
#include <cstdlib>

#include "gateway/environment_host.h"

namespace {

using millrace::net::find_header;

void check_request(std::string_view bytes) {
  using millrace::gateway::headers_for_environment;
  millrace::net::RequestHead head;
  const auto read = millrace::net::parse_request_head(bytes, {}, head);
  if (read.state != millrace::net::HeadResult::State::kDone) return;
  (void)millrace::gateway::environment_of_host(head.host, "localhost");
  const auto upgrade = millrace::gateway::upgrade_of(head);
  std::string cookies;
  const auto headers = headers_for_environment(
      head, {.peer = "p", .host = head.host, .upgrade = upgrade.value_or(millrace::gateway::Upgrade::kNone)},
      cookies);
  const bool leaks = !millrace::gateway::pass_cookies(headers, false).empty() ||
                     !millrace::gateway::pass_cookies(headers, true).empty() ||
                     find_header(headers, "authorization") || find_header(headers, "transfer-encoding") ||
                     find_header(headers, "content-length");
  if (leaks ||
      (find_header(headers, "upgrade") && (!upgrade || *upgrade == millrace::gateway::Upgrade::kNone))) {
    std::abort();
  }
}

void check_response(std::string_view bytes) {
  millrace::net::ResponseHead head;
  const auto read = millrace::net::parse_response_head(bytes, {}, millrace::net::Method::kGet, head);
  if (read.state != millrace::net::HeadResult::State::kDone) return;
  std::vector<std::string> kept;
  for (const auto& header : millrace::gateway::headers_for_browser(head, kept)) {
    if (!millrace::net::equals_ignoring_case(header.name, "set-cookie")) continue;
    const auto again = millrace::gateway::set_cookie_for_browser(header.value);
    if (!again || *again != header.value) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes{reinterpret_cast<const char*>(data), size};
  check_request(bytes);
  check_response(bytes);
  (void)millrace::gateway::shows_busy_kernel(bytes);
  (void)millrace::gateway::is_lone_ping(bytes);
  return 0;
}
