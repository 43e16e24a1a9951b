#include "gateway/proxy.h"

#include <array>
#include <vector>

#include "host/json_writer.h"

namespace millrace::gateway {
namespace {

constexpr std::size_t kMaxHeldBytes = 48 * 1024;

/// Request headers that the server acts on; everything else stays here.
constexpr std::array<std::string_view, 6> kForwarded = {"authorization", "content-type",    "accept",
                                                        "if-none-match", "idempotency-key", "user-agent"};
/// Headers of the server's answer that go to the client. Length and connection are this side's own.
constexpr std::array<std::string_view, 12> kReturned = {"etag",
                                                        "cache-control",
                                                        "content-security-policy",
                                                        "x-content-type-options",
                                                        "referrer-policy",
                                                        "location",
                                                        "retry-after",
                                                        "allow",
                                                        "www-authenticate",
                                                        "x-frame-options",
                                                        "content-disposition",
                                                        "idempotent-replayed"};

}  // namespace

ProxyJob::~ProxyJob() {
  if (call_ != 0) context_.client.cancel(call_);
}

void ProxyJob::run(std::string_view body) {
  const net::RequestHead& head = exchange_.head();
  std::vector<net::Header> headers;
  for (const auto name : kForwarded) {
    if (const auto value = head.find(name)) headers.push_back({name, *value});
  }
  const std::string peer = exchange_.peer();
  headers.push_back({"x-request-id", request_id_});
  headers.push_back({"x-forwarded-for", peer});
  std::string request;
  const std::string target =
      head.query.empty() ? std::string(head.path) : std::string(head.path) + "?" + std::string(head.query);
  net::append_request(request, head.method, target, "localhost", headers, body);
  call_ = context_.client.send(net::Upstream::unix_socket(server_socket_), std::move(request),
                               {.method = head.method, .head_timeout = std::chrono::minutes{10}}, *this);
}

void ProxyJob::on_head(const net::ResponseHead& head) {
  std::vector<net::Header> headers{{"x-request-id", request_id_}};
  for (const auto name : kReturned) {
    if (const auto value = head.find(name)) headers.push_back({name, *value});
  }
  started_ = true;
  context_.metrics.count_answer("/api", head.status);
  const bool length_known = head.body != net::BodyKind::kChunked && head.body != net::BodyKind::kUntilClose;
  exchange_.start(head.status, head.find("content-type").value_or(""), headers,
                  length_known ? head.content_length : net::Exchange::kUnknownLength);
}

void ProxyJob::on_body(std::string_view bytes) {
  exchange_.write(bytes);
  if (!paused_ && exchange_.pending_bytes() > kMaxHeldBytes) {
    paused_ = true;
    context_.client.pause(call_);
  }
}

void ProxyJob::on_drain() {
  if (!paused_ || call_ == 0) return;
  paused_ = false;
  context_.client.resume(call_);
}

void ProxyJob::on_done() {
  call_ = 0;
  exchange_.finish();
}

void ProxyJob::on_error(const Error& error, bool /*any_byte_received*/) {
  call_ = 0;
  context_.log.warning("server_unreachable", {{"request_id", request_id_}, {"message", error.message}});
  if (started_) return exchange_.abort();
  context_.metrics.count_answer("/api", 503);
  host::JsonWriter writer;
  writer.begin_object()
      .field("type", "about:blank")
      .field("title", "Service Unavailable")
      .field("status", 503)
      .field("detail",
             "the control plane is not running; inference goes on. See: millrace status, millrace up")
      .field("instance", request_id_)
      .field("code", "unavailable")
      .end_object();
  const std::array<net::Header, 2> headers{net::Header{"x-request-id", request_id_}, {"retry-after", "1"}};
  exchange_.respond(503, "application/problem+json", headers, writer.text());
}

}  // namespace millrace::gateway
