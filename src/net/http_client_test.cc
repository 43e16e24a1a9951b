#include "net/http_client.h"

#include <unistd.h>

#include "net/blocking_client.h"
#include "net/line_channel.h"
#include "net/test_world.h"

namespace millrace::net {
namespace {

using std::chrono::milliseconds;
using testing::eventually;
using testing::World;

struct Answer final : ResponseHandler {
  void on_head(const ResponseHead& head) override {
    status = head.status;
    if (at_head) at_head();
  }
  void on_body(std::string_view bytes) override {
    body += bytes;
    if (at_body) at_body();
  }
  void on_done() override { done = true; }
  void on_error(const Error& fault, bool any) override {
    error = fault;
    any_byte = any;
    failed = true;
  }
  std::function<void()> at_head, at_body;
  int status = 0;
  std::string body;
  std::atomic<bool> done = false, failed = false;
  bool any_byte = false;
  Error error;
};

std::string get(std::string_view target) {
  std::string out;
  append_request(out, Method::kGet, target, "h", {}, "");
  return out;
}

class Client : public ::testing::Test {
 protected:
  Client() { make({}); }
  ~Client() override {
    world.on_loop([&] { client.reset(); });
  }
  void make(ClientOptions options) {
    world.on_loop([&] { client = std::make_unique<HttpClient>(*world.loop, options); });
  }
  CallId call(const std::string& request, Answer& answer, const CallOptions& options = {}) {
    CallId id = 0;
    world.on_loop([&] { id = client->send(upstream(), request, options, answer); });
    return id;
  }
  Upstream upstream() const { return Upstream::tcp("127.0.0.1", world.server->port()); }

  World world;
  std::unique_ptr<HttpClient> client;
};

TEST_F(Client, ReusesItsConnection) {
  for (int i = 0; i < 20; ++i) {
    Answer answer;
    std::string request;
    append_request(request, Method::kPost, "/echo", "h", {}, "body" + std::to_string(i));
    call(request, answer);
    ASSERT_TRUE(eventually([&] { return answer.done.load(); }));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "body" + std::to_string(i));
  }
  world.on_loop([&] { EXPECT_EQ(client->connections(), 1U); });
  EXPECT_EQ(world.connections(), 1U);
}

TEST_F(Client, ReadsAChunkedAnswerAndALargeOne) {
  Answer chunks;
  Answer big;
  call(get("/chunks"), chunks);
  call(get("/big/3000000"), big);
  ASSERT_TRUE(eventually([&] { return chunks.done && big.done; }));
  EXPECT_EQ(chunks.body, "one,two");
  EXPECT_EQ(big.body.size(), 3'000'000U);
}

TEST_F(Client, CancelClosesTheConnectionSoThatTheServerNotices) {
  Answer answer;
  const CallId id = call(get("/never"), answer);
  ASSERT_TRUE(eventually([&] { return world.handler.requests == 1; }));
  world.on_loop([&] { client->cancel(id); });
  EXPECT_TRUE(eventually([&] { return world.handler.closed == 1; }));
  EXPECT_FALSE(answer.done || answer.failed);
}

TEST_F(Client, MayBeCancelledFromItsOwnCallback) {
  Answer answer;
  CallId id = 0;
  answer.at_body = [&] { client->cancel(id); };
  world.on_loop([&] { id = client->send(upstream(), get("/stream"), answer); });
  EXPECT_TRUE(eventually([&] { return world.handler.closed == 1; }));
  EXPECT_FALSE(answer.done || answer.failed);
}

TEST_F(Client, PausedItReadsNoMoreThanItHolds) {
  Answer answer;
  CallId id = 0;
  answer.at_head = [&] { client->pause(id); };
  world.on_loop([&] { id = client->send(upstream(), get("/big/20000000"), answer); });
  ASSERT_TRUE(eventually([&] { return world.handler.max_pending > 0; }));
  for (int round = 0; round < 20; ++round) world.on_loop([&] { EXPECT_EQ(answer.body.size(), 0U); });
  EXPECT_EQ(world.handler.sent, 0);
  world.on_loop([&] { client->resume(id); });
  EXPECT_TRUE(eventually([&] { return answer.done.load(); }));
  EXPECT_EQ(answer.body.size(), 20'000'000U);
}

TEST_F(Client, PausedAtABodilessAnswerItEndsWhenResumed) {
  Answer answer;
  CallId id = 0;
  answer.at_head = [&] { client->pause(id); };
  world.on_loop([&] { id = client->send(upstream(), get("/echo"), answer); });
  ASSERT_TRUE(eventually([&] { return world.handler.sent == 1; }));
  for (int round = 0; round < 20; ++round) world.on_loop([&] { EXPECT_FALSE(answer.done); });
  world.on_loop([&] { client->resume(id); });
  EXPECT_TRUE(eventually([&] { return answer.done.load(); }));
}

TEST_F(Client, TimesOutAndTellsRefusedConnections) {
  Answer late;
  CallOptions options;
  options.head_timeout = milliseconds{50};
  call(get("/never"), late, options);
  ASSERT_TRUE(eventually([&] { return late.failed.load(); }));
  EXPECT_EQ(late.error.code, ErrorCode::kTimeout);
  EXPECT_FALSE(late.any_byte);
  Answer refused;
  world.on_loop([&] { client->send(Upstream::unix_socket("/nonexistent/x.sock"), get("/"), refused); });
  ASSERT_TRUE(eventually([&] { return refused.failed.load(); }));
  EXPECT_EQ(refused.error.code, ErrorCode::kUnavailable);
  Answer unknown;
  world.on_loop([&] { client->send(Upstream::tcp("name.invalid", 1), get("/"), unknown); });
  ASSERT_TRUE(eventually([&] { return unknown.failed.load(); }));
  EXPECT_EQ(unknown.error.code, ErrorCode::kUnavailable);
}

/// A server that serves each accepted connection with the next of some scripts: bytes to send after a request came.
struct ScriptedServer {
  explicit ScriptedServer(std::vector<std::string> scripts) {
    auto bound = listen_tcp("127.0.0.1", 0, false).value();
    port = bound.port;
    thread = std::thread([fd = std::move(bound.fd), scripts = std::move(scripts)] {
      for (const auto& script : scripts) {
        pollfd wait{fd.get(), POLLIN, 0};
        if (::poll(&wait, 1, 5000) != 1) return;
        const host::Fd peer(::accept4(fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
        char buffer[4096];
        if (::recv(peer.get(), buffer, sizeof buffer, 0) <= 0) continue;
        (void)::send(peer.get(), script.data(), script.size(), MSG_NOSIGNAL);
      }
    });
  }
  ~ScriptedServer() { thread.join(); }
  std::uint16_t port = 0;
  std::thread thread;
};

TEST_F(Client, SendsOnceMoreWhenAPooledConnectionWasStale) {
  const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  ScriptedServer server({ok, ok});
  for (int i = 0; i < 2; ++i) {
    Answer answer;
    world.on_loop([&] { client->send(Upstream::tcp("127.0.0.1", server.port), get("/"), answer); });
    ASSERT_TRUE(eventually([&] { return answer.done || answer.failed; }));
    EXPECT_TRUE(answer.done) << answer.error.message;
  }
}

TEST_F(Client, TellsBrokenAndCutAnswers) {
  ScriptedServer server({"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nto the end",
                         "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "garbage\r\n\r\n",
                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"});
  const auto run = [&](Answer& answer) {
    world.on_loop([&] { client->send(Upstream::tcp("127.0.0.1", server.port), get("/"), answer); });
    ASSERT_TRUE(eventually([&] { return answer.done || answer.failed; }));
  };
  Answer until_close, cut, garbage, chunks;
  run(until_close);
  EXPECT_TRUE(until_close.done);
  EXPECT_EQ(until_close.body, "to the end");
  run(cut);
  EXPECT_EQ(cut.error.code, ErrorCode::kUnavailable);
  EXPECT_TRUE(cut.any_byte);
  run(garbage);
  EXPECT_EQ(garbage.error.code, ErrorCode::kCorrupt);
  run(chunks);
  EXPECT_EQ(chunks.error.code, ErrorCode::kCorrupt);
}

std::string temporary_path(const char* name) {
  char folder[] = "/tmp/millrace-net-XXXXXX";
  return std::string(::mkdtemp(folder)) + "/" + name;
}

TEST(BlockingClient, RequestsAndStreamsOverAUnixSocket) {
  const std::string path = temporary_path("s.sock");
  World world({}, nullptr, ListenAddress::unix_socket(path));
  const auto answer = request({.url = "unix:" + path + ":/echo",
                               .method = Method::kPost,
                               .headers = {},
                               .body = "hi",
                               .ca_file = {}});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "hi");
  EXPECT_EQ(answer->header("x-peer"), "unix:" + std::to_string(::getuid()));
  std::string streamed;
  const auto result = stream({.url = "unix:" + path + ":/stream", .headers = {}, .body = {}, .ca_file = {}},
                             nullptr, [&](std::string_view piece) {
                               streamed += piece;
                               return false;
                             });
  EXPECT_TRUE(result);
  EXPECT_EQ(streamed, "data: 1\n\n");
  EXPECT_TRUE(eventually([&] { return world.handler.closed == 1; }));
}

TEST(BlockingClient, BoundsTheAnswer) {
  World world;
  BlockingRequest big;
  big.url = "http://127.0.0.1:" + std::to_string(world.server->port()) + "/big/100000";
  big.max_body_bytes = 1000;
  const auto answer = request(big);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kExhausted);
}

struct Lines final : LineHandler {
  void on_line(LineChannel& channel, std::string_view line) override {
    seen.emplace_back(line);
    if (echo) channel.send(line);
  }
  void on_close(LineChannel&, const Error& error) override { closed = error.message; }
  bool echo = false;
  std::vector<std::string> seen;
  std::string closed;
};

TEST(LineChannel, CarriesLinesBothWaysAndNoticesTheEnd) {
  const host::SystemClock clock;
  auto loop = Loop::create(clock).value();
  const std::string path = temporary_path("l.sock");
  Lines server_lines;
  Lines client_lines;
  server_lines.echo = true;
  std::unique_ptr<LineChannel> accepted;
  auto server = LineServer::listen(*loop, path, [&](host::Fd fd) {
                  accepted = LineChannel::adopt(*loop, std::move(fd), {}, server_lines).value();
                }).value();
  EXPECT_EQ(LineServer::listen(*loop, path, [](host::Fd) {}).error().code, ErrorCode::kConflict);
  auto channel = LineChannel::connect(*loop, path, {}, client_lines).value();
  const std::string large(3'000'000, 'x');
  channel->send("one");
  channel->send(large);
  channel->send("");
  for (int i = 0; i < 500 && client_lines.seen.size() < 3; ++i) loop->run_once(milliseconds{10});
  EXPECT_EQ(client_lines.seen, (std::vector<std::string>{"one", large, ""}));
  EXPECT_EQ(channel->peer_uid(), static_cast<long>(::getuid()));
  channel.reset();
  for (int i = 0; i < 500 && server_lines.closed.empty(); ++i) loop->run_once(milliseconds{10});
  EXPECT_FALSE(server_lines.closed.empty());
}

TEST(LineChannel, BoundsALineAndWhatIsPending) {
  const host::SystemClock clock;
  auto loop = Loop::create(clock).value();
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
  Lines lines;
  const LineLimits limits{.max_line_bytes = 100, .max_pending_bytes = 1'000'000};
  auto channel = LineChannel::adopt(*loop, host::Fd(fds[0]), limits, lines).value();
  const host::Fd other(fds[1]);
  channel->send(std::string(3'000'000, 'y'));
  loop->run_once(milliseconds{0});
  EXPECT_EQ(lines.closed, "the other side does not read the channel");
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
  Lines second;
  auto bounded = LineChannel::adopt(*loop, host::Fd(fds[0]), limits, second).value();
  const host::Fd writer(fds[1]);
  ASSERT_EQ(::write(writer.get(), std::string(200, 'z').data(), 200), 200);
  loop->run_once(milliseconds{100});
  EXPECT_EQ(second.closed, "a line on the channel is too long");
}

}  // namespace
}  // namespace millrace::net
