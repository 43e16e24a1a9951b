#include "net/http_client.h"

#include <fmt/format.h>
#include <netdb.h>

#include <cstring>
#include <system_error>
#include <thread>
#include <unordered_map>

#include "net/client_connection.h"
#include "net/http_server.h"
#include "net/http_writer.h"

namespace millrace::net {

namespace {

/// Blocks, for seconds when no name server answers: for the helper thread.
Result<std::vector<Address>> look_up(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  const int fault = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (fault != 0) {
    return failure(ErrorCode::kUnavailable,
                   fmt::format("look up the name {}: {}", host, ::gai_strerror(fault)));
  }
  std::vector<Address> addresses;
  for (const addrinfo* at = list; at != nullptr && addresses.size() < 8; at = at->ai_next) {
    Address address;
    if (at->ai_addrlen > sizeof address.storage) continue;
    std::memcpy(&address.storage, at->ai_addr, at->ai_addrlen);
    address.length = at->ai_addrlen;
    addresses.push_back(address);
  }
  ::freeaddrinfo(list);
  return addresses;
}

bool same(const Upstream& a, const Upstream& b) {
  if (a.unix_path != b.unix_path) return false;
  return !a.unix_path.empty() || (a.port == b.port && a.host == b.host && a.tls == b.tls);
}

}  // namespace

class HttpClient::Impl final : public ClientHost {
 public:
  /// What a posted answer of a name look-up finds instead of a client that has gone. Loop thread only.
  struct Gate {
    Impl* impl = nullptr;
  };

  Impl(Loop& loop, ClientOptions options) : loop_(loop), options_(options), gate_(std::make_shared<Gate>()) {
    gate_->impl = this;
  }
  ~Impl() { gate_->impl = nullptr; }

  CallId send(const Upstream& upstream, std::string request, const CallOptions& options,
              ResponseHandler& handler);
  void cancel(CallId id);
  ClientCall* find(CallId id);
  void forget(const Upstream& upstream);
  std::size_t connections() const { return open_; }

  Loop& loop() override { return loop_; }
  const ClientOptions& options() const override { return options_; }
  void release_call(ClientCall& call) override;
  void retry(ClientCall& call, ClientPool& pool) override;
  void release_connection(ClientConnection& connection) override;

 private:
  static constexpr unsigned kSlotBits = 20;

  ClientPool& pool_of(const Upstream& upstream);
  ClientCall& new_call();
  void connect(ClientCall& call, ClientPool& pool);
  void resolve(ClientConnection& connection, const Upstream& upstream);
  void resolved(std::size_t slot, std::uint64_t birth, Result<std::vector<Address>> found);

  Loop& loop_;
  const ClientOptions options_;
  const std::shared_ptr<Gate> gate_;
  // Few upstreams, looked for at each call: comparing fields beats building a key. unique_ptr: connections refer to them.
  std::vector<std::unique_ptr<ClientPool>> pools_;
  std::vector<std::unique_ptr<ClientCall>> calls_;
  std::vector<std::size_t> free_calls_;
  CallId last_call_ = 0;
  std::vector<std::unique_ptr<ClientConnection>> connections_;
  std::vector<std::size_t> free_connections_;
  std::vector<std::uint64_t> births_;  // of the connection in the slot, to know it again after a name look-up
  std::uint64_t last_birth_ = 0;
  std::size_t open_ = 0;
  std::unordered_map<std::uint64_t, std::jthread> lookups_;  // by birth; joined at the end
};

CallId HttpClient::Impl::send(const Upstream& upstream, std::string request, const CallOptions& options,
                              ResponseHandler& handler) {
  ClientPool& pool = pool_of(upstream);
  ClientCall& call = new_call();
  call.handler = &handler;
  call.options = options;
  call.request = std::move(request);
  call.any_byte = call.retried = call.paused = call.was_full = false;
  call.sent = 0;
  if (pool.idle.empty()) {
    connect(call, pool);
  } else {
    ClientConnection* connection = pool.idle.back();
    pool.idle.pop_back();
    connection->assign(call);
  }
  return call.id;
}

ClientPool& HttpClient::Impl::pool_of(const Upstream& upstream) {
  for (const auto& pool : pools_) {
    if (same(pool->upstream, upstream)) return *pool;
  }
  std::erase_if(pools_, [](const auto& pool) { return pool->open == 0; });
  return *pools_.emplace_back(std::make_unique<ClientPool>(ClientPool{upstream, {}, 0}));
}

ClientCall& HttpClient::Impl::new_call() {
  std::size_t slot = 0;
  if (free_calls_.empty()) {
    slot = calls_.size();
    calls_.push_back(std::make_unique<ClientCall>());
  } else {
    slot = free_calls_.back();
    free_calls_.pop_back();
  }
  calls_[slot]->id = (++last_call_ << kSlotBits) | slot;
  return *calls_[slot];
}

ClientCall* HttpClient::Impl::find(CallId id) {
  const auto slot = id & ((1U << kSlotBits) - 1);
  return id != 0 && slot < calls_.size() && calls_[slot]->id == id ? calls_[slot].get() : nullptr;
}

void HttpClient::Impl::cancel(CallId id) {
  ClientCall* call = find(id);
  if (call == nullptr) return;
  call->connection->close_now();
  release_call(*call);
}

void HttpClient::Impl::release_call(ClientCall& call) {
  free_calls_.push_back(call.id & ((1U << kSlotBits) - 1));
  call.id = 0;
  call.handler = nullptr;
  call.connection = nullptr;
  std::string().swap(call.request);
}

void HttpClient::Impl::retry(ClientCall& call, ClientPool& pool) {
  call.retried = true;
  connect(call, pool);
}

void HttpClient::Impl::connect(ClientCall& call, ClientPool& pool) {
  std::size_t slot = 0;
  if (free_connections_.empty()) {
    slot = connections_.size();
    connections_.emplace_back();
    births_.push_back(0);
  } else {
    slot = free_connections_.back();
    free_connections_.pop_back();
  }
  ++open_;
  ++pool.open;
  births_[slot] = ++last_birth_;
  connections_[slot] = std::make_unique<ClientConnection>(*this, pool, slot);
  ClientConnection& connection = *connections_[slot];
  connection.assign(call);
  const Upstream& upstream = pool.upstream;
  if (!upstream.unix_path.empty()) {
    auto address = unix_address(upstream.unix_path);
    if (!address) return connection.fail_later(std::move(address.error()));
    return connection.connect({*address});
  }
  if (auto address = numeric_address(upstream.host, upstream.port)) return connection.connect({*address});
  resolve(connection, upstream);
}

void HttpClient::Impl::resolve(ClientConnection& connection, const Upstream& upstream) {
  const std::uint64_t birth = births_[connection.slot()];
  auto work = [&loop = loop_, gate = gate_, slot = connection.slot(), birth, host = upstream.host,
               port = upstream.port] {
    loop.post([gate, slot, birth, found = look_up(host, port)]() mutable {
      if (gate->impl != nullptr) gate->impl->resolved(slot, birth, std::move(found));
    });
  };
  try {
    lookups_.emplace(birth, std::jthread(std::move(work)));
  } catch (const std::system_error&) {
    connection.fail_later({ErrorCode::kExhausted, "no thread is left for a name look-up"});
  }
}

void HttpClient::Impl::resolved(std::size_t slot, std::uint64_t birth, Result<std::vector<Address>> found) {
  lookups_.erase(birth);  // joins a thread that has nothing left to do
  if (births_[slot] != birth) return;
  if (found) {
    connections_[slot]->connect(std::move(*found));
  } else {
    connections_[slot]->fail_later(std::move(found.error()));
  }
}

void HttpClient::Impl::release_connection(ClientConnection& connection) {
  const std::size_t slot = connection.slot();
  --connection.pool().open;
  --open_;
  births_[slot] = 0;
  connections_[slot].reset();
  free_connections_.push_back(slot);
}

void HttpClient::Impl::forget(const Upstream& upstream) {
  for (const auto& pool : pools_) {
    if (!same(pool->upstream, upstream)) continue;
    while (!pool->idle.empty()) pool->idle.back()->close_now();
  }
}

HttpClient::HttpClient(Loop& loop, ClientOptions options) : impl_(std::make_unique<Impl>(loop, options)) {}
HttpClient::~HttpClient() = default;

CallId HttpClient::send(const Upstream& upstream, std::string request, const CallOptions& options,
                        ResponseHandler& handler) {
  return impl_->send(upstream, std::move(request), options, handler);
}

void HttpClient::cancel(CallId id) { impl_->cancel(id); }

void HttpClient::pause(CallId id) {
  ClientCall* call = impl_->find(id);
  if (call == nullptr || call->paused) return;
  call->paused = true;
  call->connection->pause();
}

void HttpClient::resume(CallId id) {
  ClientCall* call = impl_->find(id);
  if (call == nullptr || !call->paused) return;
  call->paused = false;
  call->connection->resume();
}

void HttpClient::write(CallId id, std::string_view bytes) {
  ClientCall* call = impl_->find(id);
  if (call == nullptr || bytes.empty()) return;
  call->request.append(bytes);
  if (pending_bytes(id) >= ServerHandler::kDrainBytes) call->was_full = true;
  call->connection->send_more();
}

std::size_t HttpClient::pending_bytes(CallId id) const {
  const ClientCall* call = impl_->find(id);
  return call == nullptr ? 0 : call->request.size() - call->sent;
}

void HttpClient::forget(const Upstream& upstream) { impl_->forget(upstream); }
std::size_t HttpClient::connections() const { return impl_->connections(); }

void append_request(std::string& out, Method method, std::string_view target, std::string_view host,
                    std::span<const Header> headers, std::string_view body) {
  out.reserve(out.size() + 128 + target.size() + host.size() + headers.size() * 64 + body.size());
  append_request_line(out, name_of(method), target);
  append_header(out, "host", host);
  append_headers(out, headers);
  if (!body.empty() || method == Method::kPost || method == Method::kPut || method == Method::kPatch) {
    append_header(out, "content-length", body.size());
  }
  out.append("\r\n").append(body);
}

}  // namespace millrace::net
