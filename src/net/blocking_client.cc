#include "net/blocking_client.h"

#include <optional>

#include "host/system_clock.h"
#include "net/http_client.h"
#include "net/tls.h"

namespace millrace::net {

namespace {

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

/// Collects one call; `over` when nothing more will come.
class Waiting final : public ResponseHandler {
 public:
  using OnHead = std::function<bool(const BlockingResponse&)>;
  using OnPiece = std::function<bool(std::string_view)>;
  Waiting(const OnHead& on_head, const OnPiece& on_piece) : on_head_(on_head), on_piece_(on_piece) {}

  void on_head(const ResponseHead& head) override {
    response.status = head.status;
    for (const Header& header : head.headers) {
      response.headers.emplace_back(lower_case(header.name), std::string(header.value));
    }
    if (on_head_ != nullptr && !on_head_(response)) over = true;
  }
  void on_body(std::string_view bytes) override {
    if (!over && !on_piece_(bytes)) over = true;
  }
  void on_done() override { over = true; }
  void on_error(const Error& fault, bool) override {
    if (!over) error = fault;
    over = true;
  }

  BlockingResponse response;
  std::optional<Error> error;
  bool over = false;

 private:
  const OnHead& on_head_;
  const OnPiece& on_piece_;
};

Result<BlockingResponse> perform(const BlockingRequest& request, const Waiting::OnHead& on_head,
                                 const Waiting::OnPiece& on_piece) {
  const Url url = TRY(parse_url(request.url));
  std::shared_ptr<TlsContext> tls;
  if (url.https) tls = TRY(TlsContext::client({.ca_file = request.ca_file}));
  const Upstream upstream = url.upstream(std::move(tls));
  std::vector<Header> headers;
  headers.reserve(request.headers.size());
  for (const auto& [name, value] : request.headers) headers.push_back({name, value});
  std::string bytes;
  append_request(bytes, request.method, url.target, upstream.host_header(), headers, request.body);

  const host::SystemClock clock;
  const auto loop = TRY(Loop::create(clock));
  ClientOptions options;
  options.connect_timeout = request.connect_timeout;
  HttpClient client(*loop, options);
  CallOptions call_options;
  call_options.method = request.method;
  call_options.head_timeout = call_options.body_timeout = request.timeout;
  Waiting waiting(on_head, on_piece);
  const CallId id = client.send(upstream, std::move(bytes), call_options, waiting);
  while (!waiting.over) loop->run_once(std::chrono::minutes{1});
  client.cancel(id);
  if (waiting.error) return std::unexpected(std::move(*waiting.error));
  return std::move(waiting.response);
}

}  // namespace

std::string_view BlockingResponse::header(std::string_view name) const {
  for (const auto& [have, value] : headers) {
    if (have == name) return value;
  }
  return {};
}

Result<BlockingResponse> request(const BlockingRequest& request) {
  std::string body;
  bool too_large = false;
  const auto collect = [&](std::string_view piece) {
    too_large = body.size() + piece.size() > request.max_body_bytes;
    if (!too_large) body.append(piece);
    return !too_large;
  };
  BlockingResponse response = TRY(perform(request, nullptr, collect));
  if (too_large) return failure(ErrorCode::kExhausted, "the answer is larger than was allowed");
  response.body = std::move(body);
  return response;
}

Result<void> stream(const BlockingRequest& request,
                    const std::function<bool(const BlockingResponse&)>& on_head,
                    const std::function<bool(std::string_view)>& on_piece) {
  (void)TRY(perform(request, on_head, on_piece));
  return {};
}

}  // namespace millrace::net
