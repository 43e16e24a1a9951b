#include "api/server.h"

#include <algorithm>
#include <cctype>

#include "api/handlers/handlers.h"
#include "core/id.h"

namespace millrace::api {

namespace {

std::string text_of(const net::RequestHead& head, std::string_view name) {
  return std::string(head.find(name).value_or(std::string_view()));
}

/// Only our own processes reach the socket, so an id that the gateway gave is taken over if it looks like one.
std::string request_id_of(const net::RequestHead& head, const Clock& clock, Rng& rng) {
  std::string given = text_of(head, "x-request-id");
  const bool fits = !given.empty() && given.size() <= 64 && std::ranges::all_of(given, [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '-';
  });
  return fits ? given : make_id("req", clock.now(), rng);
}

RawRequest raw_of(net::Exchange& exchange, const Clock& clock, Rng& rng) {
  const net::RequestHead& head = exchange.head();
  RawRequest raw;
  raw.method = net::name_of(head.method);
  raw.path = head.path;
  raw.query = head.query;
  raw.authorization = text_of(head, "authorization");
  raw.content_type = text_of(head, "content-type");
  raw.accept = text_of(head, "accept");
  raw.if_none_match = text_of(head, "if-none-match");
  raw.body = exchange.body();
  raw.request_id = request_id_of(head, clock, rng);
  if (const auto key = head.find("idempotency-key")) raw.idempotency_key = *key;
  return raw;
}

}  // namespace

Result<std::unique_ptr<ApiServer>> ApiServer::start(net::Loop& loop, const ApiOptions& options,
                                                    Services& services, Rng& rng) {
  return start(loop, options, services, rng, all_routes());
}

Result<std::unique_ptr<ApiServer>> ApiServer::start(net::Loop& loop, const ApiOptions& options,
                                                    Services& services, Rng& rng, std::vector<Route> routes) {
  auto dispatcher = TRY(
      Dispatcher::create(services, std::move(routes), Console(options.console), options.inference_openapi));
  auto server = std::unique_ptr<ApiServer>(new ApiServer(loop, services, rng, std::move(dispatcher)));
  net::ServerOptions limits;
  limits.max_body_bytes = kBytesMax;
  server->http_ = TRY(net::HttpServer::listen(loop, net::ListenAddress::unix_socket(options.socket), limits,
                                              nullptr, *server));
  for (int i = 0; i < options.threads; ++i) {
    server->threads_.emplace_back([worker = server.get()] { worker->work_until_stopped(); });
  }
  return server;
}

ApiServer::ApiServer(net::Loop& loop, Services& services, Rng& rng, std::unique_ptr<Dispatcher> dispatcher)
    : loop_(loop),
      services_(services),
      rng_(rng),
      dispatcher_(std::move(dispatcher)),
      self_(std::make_shared<ApiServer*>(this)) {}

ApiServer::~ApiServer() {
  *self_ = nullptr;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    queue_.clear();
  }
  some_.notify_all();
  services_.waits.stop();
  threads_.clear();
  http_.reset();
}

void ApiServer::on_head(net::Exchange& exchange) {
  const bool takes_bytes = exchange.head().path.starts_with(kArchivesPath);
  exchange.set_body_limit(takes_bytes ? kBytesMax : Dispatcher::kBodyMax);
}

void ApiServer::on_request(net::Exchange& exchange) {
  Work work{exchange.id(), raw_of(exchange, services_.clock, rng_)};
  if (enqueue(work)) return some_.notify_one();
  const Problem problem{503, "exhausted", "too many requests wait; try again later", ""};
  exchange.respond(503, kProblemType, {{"retry-after", "1"}, {"x-request-id", work.request.request_id}},
                   encode(problem, work.request.path));
}

bool ApiServer::enqueue(Work& work) {
  const std::lock_guard lock(mutex_);
  if (queue_.size() >= kQueueMax) return false;
  queue_.push_back(std::move(work));
  return true;
}

net::ErrorAnswer ApiServer::on_refused(int status, std::string_view reason) {
  const std::string id = make_id("req", services_.clock.now(), rng_);
  const Problem problem{status, status == 413 ? "body_too_large" : "bad_request", std::string(reason), ""};
  return {std::string(kProblemType), "x-request-id: " + id + "\r\ncache-control: no-store\r\n",
          encode(problem, "")};
}

void ApiServer::work_until_stopped() {
  while (true) {
    Work work;
    {
      std::unique_lock lock(mutex_);
      some_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    Reply reply = dispatcher_->handle(work.request);
    loop_.post([weak = std::weak_ptr(self_), id = work.exchange, reply = std::move(reply)] {
      if (const auto self = weak.lock(); self && *self) (*self)->answer(id, reply);
    });
  }
}

void ApiServer::answer(std::uint64_t exchange, const Reply& reply) {
  net::Exchange* const open = http_->find(exchange);
  if (!open) return;  // the client went away
  std::vector<net::Header> headers;
  for (const auto& [name, value] : reply.headers) headers.push_back({name, value});
  open->respond(reply.status, reply.content_type, std::span<const net::Header>(headers), reply.body);
}

}  // namespace millrace::api
