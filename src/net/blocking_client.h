// HTTP requests that wait for their answer, for commands and helper threads; never on a Loop's thread.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"
#include "net/http_head.h"
#include "net/url.h"

namespace millrace::net {

struct BlockingRequest {
  std::string url;  // http://, https:// or unix:SOCKET[:/path]
  Method method = Method::kGet;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds timeout{60'000};      // to the head, and between two pieces of the body
  std::size_t max_body_bytes = 64 * 1024 * 1024;  // kExhausted beyond it; not for stream()
  std::string ca_file;                            // for https; "" is the system's authorities
};

struct BlockingResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;

  /// Value of the first header of this name (lower case), "" if there is none.
  std::string_view header(std::string_view name) const;
};

/// Any status is a success here. Redirects are not followed. Errors as ResponseHandler::on_error tells them.
Result<BlockingResponse> request(const BlockingRequest& request);

/// Calls `on_head` once (its `body` is empty), then `on_piece` for each piece of the body as it comes. Either may
/// return false to stop: the connection is closed and the call succeeds. `on_head` may be null.
Result<void> stream(const BlockingRequest& request,
                    const std::function<bool(const BlockingResponse&)>& on_head,
                    const std::function<bool(std::string_view)>& on_piece);

}  // namespace millrace::net
