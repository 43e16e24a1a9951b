// streams: holds many SSE streams at one event a second, as a server and as a client. See bench/run.
//
//   streams serve PORT                   an OpenAI-compatible upstream whose streams never end by themselves
//   streams read PORT COUNT SECONDS      opens COUNT streams through a gateway; prints a line once all are open, then
//                                        {"due":N,"in_time":N,"late":N}; KEY in the environment is the API key
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "host/limits.h"
#include "host/system_clock.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/sse.h"

namespace {

using namespace std::chrono_literals;
using millrace::net::Loop;

constexpr std::string_view kChunk =
    R"({"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"t "},"finish_reason":null}]})";
constexpr std::string_view kBody =
    R"({"model":"mock","messages":[{"role":"user","content":"Hello"}],"stream":true})";
/// An event later than this after the one before it counts as a stall.
constexpr auto kInTime = 2s;
constexpr int kPhases = 50;

class Server final : public millrace::net::ServerHandler {
 public:
  explicit Server(Loop& loop) : loop_(loop), phases_(kPhases) {
    millrace::net::append_sse(event_, "", kChunk);
  }
  void connect(millrace::net::HttpServer& server) {
    server_ = &server;
    due_ = loop_.now();
  }
  void on_request(millrace::net::Exchange& exchange) override {
    exchange.start(200, "text/event-stream", std::initializer_list<millrace::net::Header>{});
    exchange.write(event_);
    exchange.release_request();
    phases_[static_cast<std::size_t>(next_++ % kPhases)].push_back(exchange.id());
  }
  /// One event for the streams of one phase; each phase has its turn once a second.
  void tick() {
    auto& ids = phases_[static_cast<std::size_t>(phase_++ % kPhases)];
    std::erase_if(ids, [this](std::uint64_t id) {
      auto* exchange = server_->find(id);
      if (exchange != nullptr) exchange->write(event_);
      return exchange == nullptr;
    });
    due_ += std::chrono::milliseconds{1000 /
                                      kPhases};  // of a fixed schedule: a late turn makes the next no later
    loop_.call_after(std::max(due_ - loop_.now(), std::chrono::nanoseconds{0}), [this] { tick(); });
  }

 private:
  Loop& loop_;
  millrace::net::HttpServer* server_ = nullptr;
  std::string event_;
  std::vector<std::vector<std::uint64_t>> phases_;
  std::int64_t next_ = 0, phase_ = 0;
  millrace::MonotonicPoint due_{};
};

class Reader final : public millrace::net::ResponseHandler {
 public:
  Reader(Loop& loop, std::int64_t& open, std::int64_t& failed) : loop_(loop), open_(open), failed_(failed) {}
  void begin() {
    in_time_ = late_ = 0;
    last_ = loop_.now();
  }
  std::int64_t in_time() const { return in_time_; }
  std::int64_t late() const { return late_; }

  void on_head(const millrace::net::ResponseHead& head) override {
    if (head.status == 200) {
      ++open_;
    } else {
      ++failed_;
    }
  }
  void on_body(std::string_view bytes) override {
    if (bytes.find("\"t \"") == std::string_view::npos) return;
    ++(loop_.now() - last_ <= kInTime ? in_time_ : late_);
    last_ = loop_.now();
  }
  void on_done() override { ++failed_; }
  void on_error(const millrace::Error&, bool) override { ++failed_; }

 private:
  Loop& loop_;
  std::int64_t& open_;
  std::int64_t& failed_;
  millrace::MonotonicPoint last_{};
  std::int64_t in_time_ = 0, late_ = 0;
};

int serve(Loop& loop, std::uint16_t port) {
  Server handler(loop);
  millrace::net::ServerOptions options;
  options.max_connections = 19'000;
  const auto server = millrace::net::HttpServer::listen(
      loop, millrace::net::ListenAddress::tcp("127.0.0.1", port), options, nullptr, handler);
  if (!server) return 1;
  handler.connect(**server);
  handler.tick();
  loop.run();
  return 0;
}

int read(Loop& loop, std::uint16_t port, std::int64_t count, std::int64_t seconds) {
  const char* key = std::getenv("KEY");
  const std::string authorization = std::string("Bearer ") + (key != nullptr ? key : "");
  const std::array<millrace::net::Header, 2> headers{millrace::net::Header{"authorization", authorization},
                                                     {"content-type", "application/json"}};
  std::string request;
  millrace::net::append_request(request, millrace::net::Method::kPost, "/v1/chat/completions", "bench",
                                headers, kBody);
  std::int64_t open = 0, failed = 0;
  std::vector<std::unique_ptr<Reader>> readers;
  millrace::net::HttpClient client(loop, {});
  const auto until = [&](auto done) {
    while (!done()) loop.run_once(50ms);
  };
  for (std::int64_t i = 0; i < count; ++i) {
    readers.push_back(std::make_unique<Reader>(loop, open, failed));
    client.send(millrace::net::Upstream::tcp("127.0.0.1", port), request, *readers.back());
    until([&] { return i + 1 - open - failed < 100; });
  }
  until([&] { return open + failed >= count; });
  fmt::print("{{\"open\":{},\"failed\":{}}}\n", open, failed);
  std::fflush(stdout);
  for (auto& reader : readers) reader->begin();
  const auto end = loop.now() + std::chrono::seconds{seconds};
  until([&] { return loop.now() >= end; });
  std::int64_t in_time = 0, late = 0;
  for (auto& reader : readers) {
    in_time += reader->in_time();
    late += reader->late();
  }
  fmt::print("{{\"due\":{},\"in_time\":{},\"late\":{},\"failed\":{}}}\n", count * seconds, in_time, late,
             failed);
  return 0;
}

std::int64_t number(const char* text) {
  std::int64_t value = 0;
  const std::string_view view(text);
  std::from_chars(view.data(), view.data() + view.size(), value);
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string_view> words(argv, argv + argc);
  const millrace::host::SystemClock clock;
  (void)millrace::host::raise_open_files();
  const auto loop = Loop::create(clock);
  if (!loop) return 1;
  if (argc == 3 && words[1] == "serve") return serve(**loop, static_cast<std::uint16_t>(number(argv[2])));
  if (argc == 5 && words[1] == "read") {
    return read(**loop, static_cast<std::uint16_t>(number(argv[2])), number(argv[3]), number(argv[4]));
  }
  fmt::print(stderr, "usage: streams serve PORT | streams read PORT COUNT SECONDS\n");
  return 2;
}
