#include "net/http_server.h"

#include <sys/resource.h>

#include "net/test_world.h"

namespace millrace::net {
namespace {

using std::chrono::milliseconds;
using testing::eventually;
using testing::RawClient;
using testing::World;

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t n = 0;
  for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

TEST(HttpServer, AnswersPipelinedRequestsInOrderOnOneConnection) {
  World world;
  RawClient client(world.server->port());
  std::string bytes;
  for (int i = 0; i < 50; ++i) {
    bytes += "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nn" + std::to_string(100 + i);
  }
  client.send(bytes);
  const std::string& got = client.read_until("n149");
  EXPECT_EQ(count(got, "HTTP/1.1 200 OK"), 50U);
  EXPECT_LT(got.find("n100"), got.find("n101"));
  EXPECT_LT(got.find("n148"), got.find("n149"));
  EXPECT_TRUE(eventually([&] { return world.handler.sent == 50; }));
}

TEST(HttpServer, TakesARequestByteByByte) {
  World world;
  RawClient client(world.server->port());
  for (const char c : std::string(
           "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")) {
    client.send({&c, 1});
    world.on_loop([] {});  // the byte has been read by then
  }
  EXPECT_NE(client.read_until("abc").find("content-length: 3"), std::string::npos);
}

TEST(HttpServer, StreamsChunksAndClosesForHttp10) {
  World world;
  RawClient modern(world.server->port());
  modern.send("GET /chunks HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_NE(modern.read_until("0\r\n\r\n").find("\r\n\r\n4\r\none,\r\n3\r\ntwo\r\n0\r\n\r\n"),
            std::string::npos);
  RawClient old(world.server->port());
  old.send("GET /chunks HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(old.read_to_end().ends_with("\r\n\r\none,two"));
  EXPECT_TRUE(old.ended());
  RawClient head(world.server->port());
  head.send("HEAD /chunks HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(head.read_to_end().ends_with("\r\n\r\n"));
}

TEST(HttpServer, NoticesAClientThatGoesWhileItsRequestIsInWork) {
  World world;
  for (const char* path : {"/never", "/stream"}) {
    const int before = world.handler.closed;
    RawClient client(world.server->port());
    client.send("GET " + std::string(path) + " HTTP/1.1\r\nHost: h\r\n\r\n");
    if (std::string_view(path) == "/stream") client.read_until("data: 1");
    ASSERT_TRUE(eventually([&] { return world.handler.requests == before + 1; }));
    client.close();
    EXPECT_TRUE(eventually([&] { return world.handler.closed == before + 1; })) << path;
  }
  EXPECT_TRUE(eventually([&] { return world.connections() == 0; }));
}

TEST(HttpServer, NoticesAClientThatGoesBehindPipelinedBytes) {
  World world;
  RawClient client(world.server->port());
  client.send("GET /never HTTP/1.1\r\nHost: h\r\n\r\nGET /echo HTTP/1.1\r\n");
  ASSERT_TRUE(eventually([&] { return world.handler.requests == 1; }));
  client.send("Host: h\r\n\r\n");
  ::shutdown(client.fd(), SHUT_WR);
  EXPECT_TRUE(eventually([&] { return world.handler.closed == 1; }));
}

TEST(HttpServer, RefusesFromTheHeadBeforeTheBodyComes) {
  World world;
  RawClient client(world.server->port());
  client.send("POST /deny HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
  const std::string& got = client.read_until("no\n");
  EXPECT_TRUE(got.starts_with("HTTP/1.1 401 Unauthorized\r\n"));
  EXPECT_NE(got.find("connection: close"), std::string::npos);
  client.send(std::string(1'000'000, 'x'));
  client.read_to_end();
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(world.handler.requests, 0);
  EXPECT_EQ(world.handler.sent, 1);
}

TEST(HttpServer, LimitsTheBodyDeclaredOrChunked) {
  World world;
  RawClient declared(world.server->port());
  declared.send("POST /small HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
  EXPECT_TRUE(declared.read_to_end().starts_with("HTTP/1.1 413"));
  RawClient chunked(world.server->port());
  chunked.send(
      "POST /small HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n");
  EXPECT_TRUE(chunked.read_to_end().starts_with("HTTP/1.1 413"));
  EXPECT_EQ(world.handler.requests, 0);
  EXPECT_EQ(world.handler.closed, 2);
}

TEST(HttpServer, TellsAnExpectingClientToContinue) {
  World world;
  RawClient client(world.server->port());
  client.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("ok");
  EXPECT_NE(client.read_until("\r\n\r\nok").find("HTTP/1.1 200 OK"), std::string::npos);
}

TEST(HttpServer, HoldsWhatASlowClientDoesNotTakeAndSaysWhenItDrains) {
  World world;
  RawClient client(world.server->port());
  client.send("GET /big/20000000 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return world.handler.max_pending > 16'000'000; }));
  EXPECT_EQ(world.handler.sent, 0);
  EXPECT_GT(client.read_to_end().size(), 20'000'000U);
  EXPECT_TRUE(eventually([&] { return world.handler.sent == 1; }));
}

TEST(HttpServer, DrainCallbackComesOnceTheClientReads) {
  World world;
  RawClient client(world.server->port());
  client.send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
  client.read_until("data: 1");
  // The first exchange of a server in slot 0: counter 1 above 20 bits of slot.
  world.on_loop([&] {
    Exchange* exchange = world.server->find(1ULL << 20);
    ASSERT_NE(exchange, nullptr);
    exchange->write(std::string(8'000'000, 'x'));
    exchange->write("<end>");
  });
  EXPECT_EQ(world.handler.drains, 0);
  client.read_until("<end>");
  EXPECT_TRUE(eventually([&] { return world.handler.drains == 1; }));
  world.on_loop([&] { world.server->find(1ULL << 20)->finish(); });
  client.read_until("0\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return world.handler.sent == 1; }));
  world.on_loop([&] { EXPECT_EQ(world.server->find(1ULL << 20), nullptr); });
}

TEST(HttpServer, GivesUpOnSlowAndIdleClients) {
  ServerOptions options;
  options.head_timeout = milliseconds{100};
  options.body_timeout = milliseconds{100};
  options.idle_timeout = milliseconds{100};
  options.write_timeout = milliseconds{200};
  World world(options);
  RawClient silent(world.server->port());
  EXPECT_EQ(silent.read_to_end(), "");
  EXPECT_TRUE(silent.ended());
  RawClient head(world.server->port());
  head.send("GET / HT");
  EXPECT_TRUE(head.read_to_end().starts_with("HTTP/1.1 408"));
  RawClient body(world.server->port());
  body.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab");
  EXPECT_TRUE(body.read_to_end().starts_with("HTTP/1.1 408"));
  RawClient idle(world.server->port());
  idle.send("GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(idle.read_to_end().starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(idle.ended());
  RawClient deaf(world.server->port());
  const int before = world.handler.closed;
  deaf.send("GET /big/20000000 HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return world.handler.closed == before + 1; }));
}

TEST(HttpServer, TurnsAwayConnectionsAboveTheLimit) {
  ServerOptions options;
  options.max_connections = 2;
  World world(options);
  RawClient one(world.server->port());
  RawClient two(world.server->port());
  one.send("GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
  two.send("GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
  one.read_until("\r\n\r\n");
  two.read_until("\r\n\r\n");
  RawClient three(world.server->port());
  const std::string& got = three.read_to_end();
  EXPECT_TRUE(got.starts_with("HTTP/1.1 503"));
  EXPECT_NE(got.find("retry-after: 1"), std::string::npos);
  one.close();
  three.close();
  EXPECT_TRUE(eventually([&] { return world.connections() == 1; }));
  RawClient four(world.server->port());
  four.send("GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(four.read_until("\r\n\r\n").starts_with("HTTP/1.1 200"));
}

TEST(HttpServer, OutOfFilesItShedsAndRecovers) {
  World world;
  RawClient before(world.server->port());
  before.send("GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
  before.read_until("\r\n\r\n");
  RawClient waiting(world.server->port());
  waiting.send("GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
  waiting.read_until("\r\n\r\n");
  rlimit old{};
  ::getrlimit(RLIMIT_NOFILE, &old);
  // The client's own socket is made first; then no descriptor is left for the server to accept with.
  const host::Fd raw(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const host::Fd next_free(::dup(raw.get()));
  const rlimit tight{static_cast<rlim_t>(next_free.get()), old.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &tight);
  const auto address = numeric_address("127.0.0.1", world.server->port()).value();
  ASSERT_EQ(::connect(raw.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length), 0);
  char buffer[512];
  const auto got = ::recv(raw.get(), buffer, sizeof buffer, 0);
  ::setrlimit(RLIMIT_NOFILE, &old);
  ASSERT_GT(got, 0);
  EXPECT_TRUE(std::string_view(buffer, static_cast<std::size_t>(got)).starts_with("HTTP/1.1 503"));
  RawClient after(world.server->port());
  after.send("GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(after.read_until("\r\n\r\n").starts_with("HTTP/1.1 200"));
}

TEST(HttpServer, DrainingEndsIdleConnectionsAndClosesAfterTheAnswer) {
  World world;
  RawClient idle(world.server->port());
  idle.send("GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
  idle.read_until("\r\n\r\n");
  RawClient busy(world.server->port());
  busy.send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
  busy.read_until("data: 1");
  world.on_loop([&] { world.server->drain(); });
  idle.read_to_end();
  EXPECT_TRUE(idle.ended());
  world.on_loop([&] { world.server->find(2ULL << 20 | 1)->finish(); });
  EXPECT_TRUE(busy.read_to_end().ends_with("0\r\n\r\n"));
  EXPECT_TRUE(busy.ended());
}

TEST(HttpServer, RefusesAnAddressInUse) {
  World world;
  const auto second = HttpServer::listen(*world.loop, ListenAddress::tcp("127.0.0.1", world.server->port()),
                                         {}, nullptr, world.handler);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
}

}  // namespace
}  // namespace millrace::net
