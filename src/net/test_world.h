// A loop in a thread of its own, with a server whose handler is scriptable; and blocking raw sockets. For tests only.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <future>
#include <map>
#include <string>
#include <thread>

#include "host/fd.h"
#include "host/system_clock.h"
#include "net/http_server.h"
#include "net/socket.h"

namespace millrace::net::testing {

using std::chrono::milliseconds;

/// Answers by path: /echo gives the body back, /never does not answer, /stream starts and goes on for ever,
/// /big/N gives N bytes, /deny is refused from on_head, /switch becomes an echo of raw bytes that ends after "bye".
class ScriptedHandler final : public ServerHandler {
 public:
  void on_head(Exchange& exchange) override {
    ++heads;
    if (exchange.head().path == "/deny") exchange.respond(401, "text/plain", {}, "no\n");
    if (exchange.head().path == "/small") exchange.set_body_limit(4);
  }
  void on_request(Exchange& exchange) override {
    ++requests;
    const auto path = exchange.head().path;
    if (path == "/never") return;
    if (path == "/switch") {
      const Header headers[] = {{"connection", "upgrade"}, {"upgrade", "echo"}};
      if (!exchange.switch_protocols(headers)) exchange.respond(426, "", {}, "");
      return;
    }
    if (path == "/stream") {
      exchange.start(200, "text/event-stream", {});
      exchange.release_request();
      exchange.write("data: 1\n\n");
      return;
    }
    if (path == "/chunks") {
      exchange.start(200, "text/plain", {});
      exchange.write("one,");
      exchange.write("two");
      return exchange.finish();
    }
    if (path.starts_with("/big/")) {
      const auto size = static_cast<std::size_t>(std::stoul(std::string(path.substr(5))));
      exchange.start(200, "application/octet-stream", {}, size);
      exchange.write(std::string(size, 'b'));
      max_pending = std::max(max_pending.load(), exchange.pending_bytes());
      return exchange.finish();
    }
    exchange.respond(200, "text/plain", {{"x-peer", exchange.peer()}}, exchange.body());
  }
  void on_tunnel(Exchange& exchange, std::string_view bytes) override {
    tunnelled += bytes.size();
    exchange.write(bytes);
    max_pending = std::max(max_pending.load(), exchange.pending_bytes());
    if (exchange.pending_bytes() > 256 * 1024) exchange.pause_reading();
    if (bytes.ends_with("bye")) exchange.finish();
  }
  void on_drain(Exchange& exchange) override {
    ++drains;
    exchange.resume_reading();
  }
  void on_sent(Exchange&) override { ++sent; }
  void on_closed(Exchange&) override { ++closed; }

  std::atomic<int> heads = 0, requests = 0, sent = 0, closed = 0, drains = 0;
  std::atomic<std::size_t> max_pending = 0, tunnelled = 0;
};

class World {
 public:
  explicit World(const ServerOptions& options = {}, std::shared_ptr<TlsContext> tls = nullptr,
                 ListenAddress address = ListenAddress::tcp("127.0.0.1", 0)) {
    loop = Loop::create(clock).value();
    server = HttpServer::listen(*loop, address, options, std::move(tls), handler).value();
    thread = std::thread([this] { loop->run(); });
  }
  ~World() {
    loop->stop();
    thread.join();
    server.reset();
  }
  /// Runs on the loop's thread and waits.
  void on_loop(std::function<void()> work) {
    std::promise<void> done;
    loop->post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }
  std::size_t connections() {
    std::size_t open = 0;
    on_loop([&] { open = server->connections(); });
    return open;
  }

  host::SystemClock clock;
  ScriptedHandler handler;
  std::unique_ptr<Loop> loop;
  std::unique_ptr<HttpServer> server;
  std::thread thread;
};

/// True as soon as `condition` holds; false after 5 s.
template <typename Condition>
bool eventually(Condition condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(milliseconds{5});
  }
  return false;
}

class RawClient {
 public:
  explicit RawClient(std::uint16_t port) {
    fd_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto address = numeric_address("127.0.0.1", port).value();
    EXPECT_EQ(::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length), 0);
  }
  void send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const auto sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  /// Reads until `needle` has come (or the connection ends, or 5 s pass); all that was read so far.
  const std::string& read_until(std::string_view needle) {
    while (got_.find(needle) == std::string::npos && !ended_ && read_some(5000)) {
    }
    return got_;
  }
  const std::string& read_to_end() {
    while (!ended_ && read_some(5000)) {
    }
    return got_;
  }
  bool ended() const { return ended_; }
  void close() { fd_.reset(); }
  int fd() const { return fd_.get(); }

 private:
  bool read_some(int timeout_ms) {
    pollfd poll_fd{fd_.get(), POLLIN, 0};
    if (::poll(&poll_fd, 1, timeout_ms) != 1) return false;
    char buffer[16384];
    const auto got = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    if (got <= 0) {
      ended_ = true;
      return false;
    }
    got_.append(buffer, static_cast<std::size_t>(got));
    return true;
  }

  host::Fd fd_;
  std::string got_;
  bool ended_ = false;
};

}  // namespace millrace::net::testing
