// A bare HttpServer for corpus.py: prints its port, answers 200 with how it understood each request, until stdin ends.
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cstdio>

#include "host/system_clock.h"
#include "net/http_server.h"

namespace {

class Echo final : public millrace::net::ServerHandler {
 public:
  void on_request(millrace::net::Exchange& exchange) override {
    const auto& head = exchange.head();
    exchange.respond(
        200, "text/plain", {},
        fmt::format("{} {} {} {}\n", name_of(head.method), head.path, head.host, exchange.body()));
  }
};

class Stdin final : public millrace::net::FdHandler {
 public:
  explicit Stdin(millrace::net::Loop& loop) : loop_(loop) {}
  void on_events(std::uint32_t) override {
    loop_.unwatch(STDIN_FILENO, *this);
    loop_.stop();
  }

 private:
  millrace::net::Loop& loop_;
};

}  // namespace

int main() {
  namespace host = millrace::host;
  namespace net = millrace::net;
  const host::SystemClock clock;
  auto loop = net::Loop::create(clock);
  if (!loop) return 1;
  Echo echo;
  net::ServerOptions options;
  options.max_body_bytes = 4096;
  options.linger_timeout = std::chrono::milliseconds{300};
  auto server =
      net::HttpServer::listen(**loop, net::ListenAddress::tcp("127.0.0.1", 0), options, nullptr, echo);
  if (!server) return 1;
  Stdin input(**loop);
  if (!(*loop)->watch(STDIN_FILENO, EPOLLIN, input)) return 1;
  std::printf("%u\n", static_cast<unsigned>((*server)->port()));
  std::fflush(stdout);
  (*loop)->run();
  return 0;
}
