// Any bytes: no crash, no views outside them, and the same verdict however much follows the head.
#include <cstdlib>
#include <string_view>

#include "net/http_head.h"

namespace {

void inside(std::string_view bytes, std::string_view view) {
  if (view.data() == nullptr || view == "/") return;
  if (view.data() < bytes.data() || view.data() + view.size() > bytes.data() + bytes.size()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using millrace::net::HeadLimits;
  using millrace::net::HeadResult;
  using millrace::net::RequestHead;
  using millrace::net::ResponseHead;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const HeadLimits limits{.max_head_bytes = 2048, .max_target_bytes = 256, .max_headers = 16};
  RequestHead request;
  const auto result = parse_request_head(bytes, limits, request);
  if (result.state == HeadResult::State::kDone) {
    if (result.consumed == 0 || result.consumed > size) std::abort();
    for (const auto view : {request.target, request.path, request.query, request.host}) inside(bytes, view);
    for (const auto& header : request.headers) {
      inside(bytes, header.name);
      inside(bytes, header.value);
    }
    RequestHead again;
    if (parse_request_head(bytes.substr(0, result.consumed), limits, again).consumed != result.consumed)
      std::abort();
    if (parse_request_head(bytes.substr(0, result.consumed - 1), limits, again).state ==
        HeadResult::State::kDone) {
      std::abort();
    }
  }
  ResponseHead response;
  const auto answer = parse_response_head(bytes, limits, millrace::net::Method::kGet, response);
  if (answer.state == HeadResult::State::kDone && (answer.consumed == 0 || answer.consumed > size))
    std::abort();
  return 0;
}
