// A whole server connection fed with any bytes in any cut: every exchange ends, and the server is still there.
#include <sys/socket.h>

#include <cstdlib>

#include "host/fd.h"
#include "net/http_server.h"
#include "net/socket.h"

namespace {

class StillClock final : public millrace::Clock {
 public:
  millrace::TimePoint now() const override { return {}; }
  millrace::MonotonicPoint monotonic() const override { return millrace::MonotonicPoint{} + elapsed; }
  std::chrono::nanoseconds elapsed{0};
};

struct Counter final : millrace::net::ServerHandler {
  void on_head(millrace::net::Exchange& exchange) override {
    ++begun;
    if (exchange.head().path == "/d") exchange.respond(401, "", {}, "no");
  }
  void on_request(millrace::net::Exchange& exchange) override {
    if (exchange.head().path == "/n") return;
    if (exchange.head().path == "/a") {
      ++ended;
      return exchange.abort();
    }
    if (exchange.head().path == "/s") {
      exchange.start(200, "text/plain", {});
      exchange.write(exchange.body());
      return exchange.finish();
    }
    exchange.respond(200, "text/plain", {}, exchange.body());
  }
  void on_sent(millrace::net::Exchange&) override { ++ended; }
  void on_closed(millrace::net::Exchange&) override { ++ended; }
  int begun = 0;
  int ended = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using millrace::net::HttpServer;
  using millrace::net::ListenAddress;
  using millrace::net::Loop;
  using millrace::net::numeric_address;
  if (size == 0) return 0;
  static StillClock clock;
  static auto loop = Loop::create(clock).value();
  static Counter handler;
  static auto server =
      HttpServer::listen(*loop, ListenAddress::tcp("127.0.0.1", 0), {}, nullptr, handler).value();
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::size_t cut = data[0] == 0 ? bytes.size() + 1 : data[0];
  {
    const auto address = numeric_address("127.0.0.1", server->port()).value();
    const millrace::host::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0)
      return 0;
    for (std::size_t at = 0; at < bytes.size() && at < 64 * cut; at += cut) {
      const auto part = bytes.substr(at, cut);
      if (::send(fd.get(), part.data(), part.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) break;
      loop->run_once(std::chrono::milliseconds{0});
    }
    const linger hard{1, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  }
  for (int i = 0; i < 100 && server->connections() > 0; ++i) loop->run_once(std::chrono::milliseconds{1});
  if (handler.begun != handler.ended || server->exchanges() != 0 || server->connections() != 0) std::abort();
  return 0;
}
