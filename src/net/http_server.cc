#include "net/http_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "net/http_writer.h"
#include "net/server_connection.h"
#include "net/socket.h"

namespace millrace::net {

ErrorAnswer ServerHandler::on_refused(int status, std::string_view reason) {
  return {.content_type = "text/plain", .headers = {}, .body = fmt::format("{} {}\n", status, reason)};
}

class HttpServer::Impl final : public ConnectionHost, private FdHandler {
 public:
  Impl(Loop& loop, const ServerOptions& options, std::shared_ptr<TlsContext> tls, ServerHandler& handler)
      : loop_(loop), options_(options), tls_(std::move(tls)), handler_(handler) {}
  ~Impl();

  Result<void> listen(const ListenAddress& address);
  std::uint16_t port() const { return port_; }
  Exchange* find(std::uint64_t id);
  void drain();
  std::size_t connections() const { return open_; }
  std::size_t exchanges() const { return exchanges_; }

  Loop& loop() override { return loop_; }
  const ServerOptions& options() const override { return options_; }
  ServerHandler& handler() override { return handler_; }
  std::uint64_t next_exchange_id(std::uint32_t slot) override {
    ++exchanges_;
    return (++last_exchange_ << kSlotBits) | slot;
  }
  void exchange_ended() override { --exchanges_; }
  bool draining() const override { return draining_; }
  std::string_view date() override;
  void release(std::uint32_t slot) override;

 private:
  static constexpr unsigned kSlotBits = 20;
  static constexpr std::size_t kAcceptsPerWake = 64;
  static constexpr std::size_t kOverloadAnswers = 256;  // connections beyond the limit that are told so

  void on_events(std::uint32_t events) override;
  bool accept_one();
  void shed_one();
  void pause_accepting();
  void add(host::Fd fd, const sockaddr_in6& peer);

  Loop& loop_;
  const ServerOptions options_;
  const std::shared_ptr<TlsContext> tls_;
  ServerHandler& handler_;
  host::Fd listener_;
  host::Fd reserve_;  // given up for a moment when files run out, to take and close a connection
  std::string unix_path_;
  std::uint16_t port_ = 0;
  bool accepting_ = false;
  bool draining_ = false;
  TimerId resume_timer_ = 0;
  std::vector<std::unique_ptr<ServerConnection>> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::size_t open_ = 0;
  std::size_t exchanges_ = 0;
  std::uint64_t last_exchange_ = 0;
  std::string date_;
  MonotonicPoint date_until_{};
};

HttpServer::Impl::~Impl() {
  loop_.cancel(resume_timer_);
  if (accepting_) loop_.unwatch(listener_.get(), *this);
  draining_ = true;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i] != nullptr) slots_[i]->close_by_server();
  }
  slots_.clear();
  if (!unix_path_.empty()) ::unlink(unix_path_.c_str());
}

Result<void> HttpServer::Impl::listen(const ListenAddress& address) {
  reserve_.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!address.unix_path.empty()) {
    listener_ = TRY(listen_unix(address.unix_path));
    unix_path_ = address.unix_path;
  } else {
    auto bound = TRY(listen_tcp(address.host, address.port, address.reuse_port));
    listener_ = std::move(bound.fd);
    port_ = bound.port;
  }
  TRY_VOID(loop_.watch(listener_.get(), EPOLLIN, *this));
  accepting_ = true;
  return {};
}

Exchange* HttpServer::Impl::find(std::uint64_t id) {
  const auto slot = id & ((1U << kSlotBits) - 1);
  if (slot >= slots_.size() || slots_[slot] == nullptr || !slots_[slot]->has_exchange(id)) return nullptr;
  return slots_[slot].get();
}

void HttpServer::Impl::drain() {
  draining_ = true;
  if (accepting_) loop_.unwatch(listener_.get(), *this);
  accepting_ = false;
  listener_.reset();
  for (const auto& connection : slots_) {
    if (connection != nullptr && connection->is_idle()) connection->close_by_server();
  }
}

std::string_view HttpServer::Impl::date() {
  if (loop_.now() >= date_until_) {
    const auto now = std::chrono::floor<std::chrono::seconds>(loop_.clock().now());
    date_ = "date: " + http_date(now.time_since_epoch().count()) + "\r\n";
    date_until_ = loop_.now() + std::chrono::milliseconds{500};
  }
  return date_;
}

void HttpServer::Impl::release(std::uint32_t slot) {
  slots_[slot].reset();
  free_slots_.push_back(slot);
  --open_;
}

void HttpServer::Impl::on_events(std::uint32_t) {
  for (std::size_t i = 0; i < kAcceptsPerWake && accepting_; ++i) {
    if (!accept_one()) return;
  }
}

/// False if nothing more can be taken now.
bool HttpServer::Impl::accept_one() {
  sockaddr_in6 peer{};
  socklen_t length = sizeof peer;
  host::Fd fd(
      ::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&peer), &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd) {
    if (errno == ECONNABORTED || errno == EINTR) return true;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) shed_one();
    return false;
  }
  if (open_ >= options_.max_connections + kOverloadAnswers) return true;
  if (open_ >= options_.max_connections && tls_ != nullptr) return true;
  add(std::move(fd), peer);
  return true;
}

/// Out of files: closes the oldest waiting connection, so that its client does not hang, and rests for a while.
void HttpServer::Impl::shed_one() {
  reserve_.reset();
  const host::Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd) {
    static constexpr std::string_view kBusy =
        "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\ncontent-length: "
        "0\r\n\r\n";
    if (tls_ == nullptr) (void)::send(fd.get(), kBusy.data(), kBusy.size(), MSG_NOSIGNAL);
    ::shutdown(fd.get(), SHUT_WR);
  }
  pause_accepting();
}

void HttpServer::Impl::pause_accepting() {
  loop_.unwatch(listener_.get(), *this);
  accepting_ = false;
  resume_timer_ = loop_.call_after(std::chrono::milliseconds{20}, [this] {
    reserve_.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (draining_) return;
    if (!loop_.watch(listener_.get(), EPOLLIN, *this)) return pause_accepting();
    accepting_ = true;
  });
}

void HttpServer::Impl::add(host::Fd fd, const sockaddr_in6& peer) {
  TlsContext::SslPtr ssl;
  if (tls_ != nullptr) {
    auto made = tls_->connection(fd.get(), {});
    if (!made) return;
    ssl = std::move(*made);
  }
  std::uint32_t slot = 0;
  if (free_slots_.empty()) {
    slot = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  const bool overloaded = open_ >= options_.max_connections;
  ++open_;
  slots_[slot] = std::make_unique<ServerConnection>(*this, slot, Stream(std::move(fd), std::move(ssl)), peer);
  if (!slots_[slot]->begin()) return release(slot);
  if (overloaded) slots_[slot]->begin_overloaded();
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::listen(Loop& loop, const ListenAddress& address,
                                                       const ServerOptions& options,
                                                       std::shared_ptr<TlsContext> tls,
                                                       ServerHandler& handler) {
  auto impl = std::make_unique<Impl>(loop, options, std::move(tls), handler);
  TRY_VOID(impl->listen(address));
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

std::uint16_t HttpServer::port() const { return impl_->port(); }
Exchange* HttpServer::find(std::uint64_t id) { return impl_->find(id); }
void HttpServer::drain() { impl_->drain(); }
std::size_t HttpServer::connections() const { return impl_->connections(); }
std::size_t HttpServer::exchanges() const { return impl_->exchanges(); }

}  // namespace millrace::net
