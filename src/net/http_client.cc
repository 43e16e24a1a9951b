#include "net/http_client.h"

#include <fmt/format.h>
#include <netdb.h>

#include <csignal>
#include <cstring>
#include <functional>
#include <mutex>

#include "net/client_connection.h"
#include "net/http_writer.h"

namespace millrace::net {

namespace {

/// The first few addresses of a look-up's answer.
std::vector<Address> addresses_of(const addrinfo* list) {
  std::vector<Address> addresses;
  for (const addrinfo* at = list; at != nullptr && addresses.size() < 8; at = at->ai_next) {
    Address address;
    if (at->ai_addrlen > sizeof address.storage) continue;
    std::memcpy(&address.storage, at->ai_addr, at->ai_addrlen);
    address.length = at->ai_addrlen;
    addresses.push_back(address);
  }
  return addresses;
}

/// A name look-up in the C library's own threads (getaddrinfo_a): it may take seconds, and cannot be broken off, so
/// it owns all it touches and outlives whoever asked.
struct Lookup {
  using Done = std::move_only_function<void(Result<std::vector<Address>>)>;

  std::string host;
  std::string port;
  addrinfo hints{};
  gaicb request{};
  Done done;

  /// Calls `done` later, in another thread.
  static Result<void> begin(const std::string& host, std::uint16_t port, Done done) {
    auto lookup = std::make_unique<Lookup>();
    lookup->host = host;
    lookup->port = std::to_string(port);
    lookup->hints.ai_socktype = SOCK_STREAM;
    lookup->hints.ai_flags = AI_ADDRCONFIG;
    lookup->request.ar_name = lookup->host.c_str();
    lookup->request.ar_service = lookup->port.c_str();
    lookup->request.ar_request = &lookup->hints;
    lookup->done = std::move(done);
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD;
    event.sigev_value.sival_ptr = lookup.get();
    event.sigev_notify_function = [](sigval value) { finish(static_cast<Lookup*>(value.sival_ptr)); };
    gaicb* list[] = {&lookup->request};
    const int fault = ::getaddrinfo_a(GAI_NOWAIT, list, 1, &event);
    if (fault != 0) return failure(ErrorCode::kExhausted, fmt::format("look up {}: {}", host, ::gai_strerror(fault)));
    (void)lookup.release();  // finish() owns it now
    return {};
  }

  static void finish(Lookup* raw) {
    const std::unique_ptr<Lookup> lookup(raw);
    const int fault = ::gai_error(&lookup->request);
    if (fault != 0) {
      lookup->done(failure(ErrorCode::kUnavailable,
                           fmt::format("look up the name {}: {}", lookup->host, ::gai_strerror(fault))));
      return;
    }
    auto addresses = addresses_of(lookup->request.ar_result);
    ::freeaddrinfo(lookup->request.ar_result);
    lookup->done(std::move(addresses));
  }
};

bool same(const Upstream& a, const Upstream& b) {
  if (a.unix_path != b.unix_path) return false;
  return !a.unix_path.empty() || (a.port == b.port && a.host == b.host && a.tls == b.tls);
}

}  // namespace

class HttpClient::Impl final : public ClientHost {
 public:
  /// Lets a helper thread reach the loop as long as there is one.
  struct Gate {
    std::mutex mutex;
    Loop* loop = nullptr;  // guarded by mutex
    Impl* impl = nullptr;  // loop thread only
  };

  Impl(Loop& loop, ClientOptions options) : loop_(loop), options_(options), gate_(std::make_shared<Gate>()) {
    gate_->loop = &loop;
    gate_->impl = this;
  }
  ~Impl() {
    {
      const std::scoped_lock lock(gate_->mutex);
      gate_->loop = nullptr;
    }
    gate_->impl = nullptr;
  }

  CallId send(const Upstream& upstream, std::string request, const CallOptions& options, ResponseHandler& handler);
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
};

CallId HttpClient::Impl::send(const Upstream& upstream, std::string request, const CallOptions& options,
                              ResponseHandler& handler) {
  ClientPool& pool = pool_of(upstream);
  ClientCall& call = new_call();
  call.handler = &handler;
  call.options = options;
  call.request = std::move(request);
  call.any_byte = call.retried = call.paused = false;
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
  auto answer = [gate = gate_, slot = connection.slot(),
                 birth = births_[connection.slot()]](Result<std::vector<Address>> found) {
    const std::scoped_lock lock(gate->mutex);
    if (gate->loop == nullptr) return;
    gate->loop->post([gate, slot, birth, found = std::move(found)]() mutable {
      Impl* impl = gate->impl;
      if (impl == nullptr || impl->births_[slot] != birth || impl->connections_[slot] == nullptr) return;
      if (found) {
        impl->connections_[slot]->connect(std::move(*found));
      } else {
        impl->connections_[slot]->fail_later(std::move(found.error()));
      }
    });
  };
  auto begun = Lookup::begin(upstream.host, upstream.port, std::move(answer));
  if (!begun) connection.fail_later(std::move(begun.error()));
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
