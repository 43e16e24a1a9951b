#include "gateway/environment_job.h"

#include <array>

namespace millrace::gateway {
namespace {

constexpr std::size_t kMaxHeldBytes = 64 * 1024;
constexpr std::uint64_t kBodyMax = 64u << 20;  // a notebook with its pictures is saved in one request

/// A page that is looked at asks for lists all the time: no sign that somebody works.
bool is_polling(const net::RequestHead& head) {
  return head.method == net::Method::kGet && head.path.starts_with("/api/");
}

}  // namespace

EnvironmentJob::EnvironmentJob(EnvironmentGate& gate, net::Exchange& exchange, Parts parts)
    : gate_(gate), exchange_(exchange), parts_(std::move(parts)) {
  exchange_.set_body_limit(kBodyMax);
  gate_.enter(*this);
}

EnvironmentJob::~EnvironmentJob() {
  if (call_ != 0) gate_.context().client.cancel(call_);
  gate_.leave(*this);
}

void EnvironmentJob::run(std::string_view body) {
  const auto* environment = gate_.still_open(parts_.environment, parts_.key_id);
  if (environment == nullptr) return exchange_.abort();
  const net::RequestHead& head = exchange_.head();
  if (is_tunnel() || !is_polling(head)) gate_.touch(parts_.environment);
  const std::string peer = exchange_.peer(), host(head.host);
  std::string cookies;
  auto headers = headers_for_environment(
      head, {.peer = peer, .host = host, .tls = exchange_.is_tls(), .upgrade = parts_.upgrade}, cookies);
  std::string target(head.path);
  if (!head.query.empty()) target.append("?").append(head.query);
  if (parts_.upgrade == Upgrade::kStream) target = "/";
  std::string request;
  net::append_request(request, head.method, target, host, headers, body);
  call_ = gate_.context().client.send(
      net::Upstream::unix_socket(environment->socket), std::move(request),
      {.method = head.method, .head_timeout = std::chrono::minutes{10}, .upgrade = is_tunnel()}, *this);
}

void EnvironmentJob::on_head(const net::ResponseHead& head) {
  if (head.status == 101) return switch_protocols(head);
  start_answer(head);
}

void EnvironmentJob::switch_protocols(const net::ResponseHead& head) {
  if (const auto good = check_switched(head, parts_.upgrade); !good) {
    gate_.context().client.cancel(std::exchange(call_, 0));
    return on_error(good.error(), true);
  }
  std::vector<net::Header> headers{
      {"connection", "upgrade"}, {"upgrade", *head.find("upgrade")}, {"x-request-id", parts_.request_id}};
  for (const char* name : {"sec-websocket-accept", "sec-websocket-protocol", "sec-websocket-extensions"}) {
    if (const auto value = head.find(name)) headers.push_back({name, *value});
  }
  gate_.context().metrics.count_answer("environment", 101);
  started_ = switched_ = exchange_.switch_protocols(headers);
  if (!switched_) exchange_.abort();
}

void EnvironmentJob::start_answer(const net::ResponseHead& head) {
  std::vector<std::string> kept;
  auto headers = headers_for_browser(head, kept);
  headers.push_back({"x-request-id", parts_.request_id});
  std::string stops_at;
  const auto* environment = gate_.context().policy.environment(parts_.environment);
  if (environment != nullptr && environment->stops_at_s > 0) {
    stops_at = to_rfc3339(TimePoint{std::chrono::seconds{environment->stops_at_s}});
    headers.push_back({"x-millrace-stops-at", stops_at});
  }
  started_ = true;
  gate_.context().metrics.count_answer("environment", head.status);
  const bool length_known = head.body != net::BodyKind::kChunked && head.body != net::BodyKind::kUntilClose;
  exchange_.start(head.status, head.find("content-type").value_or(""), headers,
                  length_known ? head.content_length : net::Exchange::kUnknownLength);
}

void EnvironmentJob::on_body(std::string_view bytes) {
  if (switched_ && !gate_.is_noticing(parts_.environment)) note_use(bytes);
  exchange_.write(bytes);
  if (!paused_ && exchange_.pending_bytes() > kMaxHeldBytes) {
    paused_ = true;
    gate_.context().client.pause(call_);
  }
}

void EnvironmentJob::on_drain() {
  if (!paused_ || call_ == 0) return;
  paused_ = false;
  gate_.context().client.resume(call_);
}

void EnvironmentJob::on_tunnel(std::string_view bytes) {
  if (call_ == 0) return;
  note_use(bytes);
  auto& client = gate_.context().client;
  client.write(call_, bytes);
  if (client.pending_bytes(call_) > kMaxHeldBytes) exchange_.pause_reading();
}

void EnvironmentJob::on_room() { exchange_.resume_reading(); }

void EnvironmentJob::on_done() {
  call_ = 0;
  exchange_.finish();
}

void EnvironmentJob::on_error(const Error& error, bool any_byte_received) {
  call_ = 0;
  gate_.context().log.info(
      "environment_unreachable",
      {{"request_id", parts_.request_id}, {"environment", parts_.environment}, {"message", error.message}});
  if (started_) return exchange_.abort();
  const auto* environment = gate_.context().policy.environment(parts_.environment);
  if (environment == nullptr) return exchange_.abort();
  Page page = starting(*environment);  // it runs, but does not listen yet
  if (any_byte_received) page = {502, "bad_gateway", "The environment gave no answer", error.message};
  gate_.context().metrics.count_answer("environment", page.status);
  answer_page(exchange_, parts_.request_id, page);
}

void EnvironmentJob::check(bool always) {
  const bool ends = (always && is_tunnel()) || gate_.still_open(parts_.environment, parts_.key_id) == nullptr;
  if (!ends) return;
  if (call_ != 0) gate_.context().client.cancel(std::exchange(call_, 0));
  exchange_.abort();
}

void EnvironmentJob::note_use(std::string_view bytes) {
  if (parts_.upgrade == Upgrade::kWebSocket && is_lone_ping(bytes)) return;
  gate_.touch(parts_.environment);
}

}  // namespace millrace::gateway
