#include <gtest/gtest.h>

#include "net/http_client.h"
#include "net/test_world.h"

namespace millrace::net {
namespace {

using testing::eventually;
using testing::RawClient;
using testing::World;

constexpr std::string_view kSwitch =
    "GET /switch HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";

TEST(Tunnel, CarriesRawBytesBothWaysAfter101) {
  World world;
  RawClient client(world.server->port());
  client.send(kSwitch);
  const auto& head = client.read_until("\r\n\r\n");
  EXPECT_TRUE(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n")) << head;
  EXPECT_EQ(head.find("content-length"), std::string::npos) << head;
  client.send(std::string("\x81\x05\0\r\n", 5) + "GET / HTTP/1.1\r\n\r\n");
  EXPECT_NE(client.read_until("GET / HTTP/1.1\r\n\r\n").find(std::string("\x81\x05\0\r\n", 5)),
            std::string::npos);
  client.send("bye");
  EXPECT_TRUE(client.read_to_end().ends_with("bye"));
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(world.handler.requests, 1) << "bytes of the tunnel were read as a request";
  EXPECT_EQ(world.handler.sent, 1);
}

TEST(Tunnel, DeliversWhatCameTogetherWithTheRequest) {
  World world;
  RawClient client(world.server->port());
  client.send(std::string(kSwitch) + "early");
  EXPECT_TRUE(client.read_until("early").ends_with("early"));
}

TEST(Tunnel, TheClientsEndIsNoticed) {
  World world;
  RawClient client(world.server->port());
  client.send(kSwitch);
  client.read_until("\r\n\r\n");
  client.close();
  EXPECT_TRUE(eventually([&] { return world.handler.closed == 1; }));
  EXPECT_EQ(world.connections(), 0U);
}

TEST(Tunnel, APausedReaderHoldsTheClientBackAndLosesNothing) {
  World world;
  RawClient client(world.server->port());
  client.send(kSwitch);
  client.read_until("\r\n\r\n");
  constexpr std::size_t kBytes = 32 << 20;
  std::thread sender([&] {
    client.send(std::string(kBytes, 'x'));
    client.send("bye");
  });
  // Nothing is read until the server holds as much as it wants: the sender cannot have got rid of all of it.
  EXPECT_TRUE(eventually([&] { return world.handler.max_pending > 256 * 1024; }));
  EXPECT_LT(world.handler.tunnelled, kBytes);
  const std::string got = client.read_to_end();
  sender.join();
  EXPECT_EQ(got.size() - got.find("\r\n\r\n") - 4, kBytes + 3);
  EXPECT_LT(world.handler.max_pending, 1U << 20);
}

TEST(Tunnel, AnOldClientIsNotSwitched) {
  World world;
  RawClient client(world.server->port());
  client.send("GET /switch HTTP/1.0\r\nhost: h\r\n\r\n");
  EXPECT_TRUE(client.read_to_end().starts_with("HTTP/1.1 426 "));
}

struct Talk final : ResponseHandler {
  void on_head(const ResponseHead& head) override { status = head.status; }
  void on_body(std::string_view bytes) override {
    const std::scoped_lock lock(mutex);
    body += bytes;
  }
  void on_done() override { done = true; }
  void on_room() override { ++drains; }
  void on_error(const Error& error, bool) override {
    const std::scoped_lock lock(mutex);
    fault = error.message;
    failed = true;
  }
  std::string text() {
    const std::scoped_lock lock(mutex);
    return body;
  }
  std::mutex mutex;
  std::atomic<int> status = 0, drains = 0;
  std::atomic<bool> done = false, failed = false;
  std::string body, fault;  // guarded by mutex
};

class ClientTunnel : public ::testing::Test {
 protected:
  ClientTunnel() {
    world.on_loop([&] { client = std::make_unique<HttpClient>(*world.loop, ClientOptions{}); });
  }
  ~ClientTunnel() override {
    world.on_loop([&] { client.reset(); });
  }
  CallId call(Talk& talk, const CallOptions& options) {
    CallId id = 0;
    world.on_loop([&] {
      id =
          client->send(Upstream::tcp("127.0.0.1", world.server->port()), std::string(kSwitch), options, talk);
    });
    return id;
  }
  World world;
  std::unique_ptr<HttpClient> client;
};

TEST_F(ClientTunnel, WritesAndReadsAfter101) {
  Talk talk;
  const CallId id = call(talk, {.method = Method::kGet, .upgrade = true});
  ASSERT_TRUE(eventually([&] { return talk.status == 101; }));
  world.on_loop([&] { client->write(id, "hello"); });
  EXPECT_TRUE(eventually([&] { return talk.text() == "hello"; }));
  world.on_loop([&] { client->write(id, "bye"); });
  EXPECT_TRUE(eventually([&] { return talk.done.load(); })) << talk.fault;
  EXPECT_EQ(talk.text(), "hellobye");
  world.on_loop(
      [&] { EXPECT_EQ(client->connections(), 0U) << "a switched connection went back to the pool"; });
}

TEST_F(ClientTunnel, ASwitchThatNobodyAskedForIsAnError) {
  Talk talk;
  call(talk, {.method = Method::kGet});
  EXPECT_TRUE(eventually([&] { return talk.failed.load(); }));
  EXPECT_EQ(talk.status, 0);
}

TEST_F(ClientTunnel, TellsWhenThereIsRoomAgain) {
  Talk talk;
  const CallId id = call(talk, {.method = Method::kGet, .upgrade = true});
  ASSERT_TRUE(eventually([&] { return talk.status == 101; }));
  constexpr std::size_t kBytes = 8 << 20;
  std::size_t pending = 0;
  world.on_loop([&] {
    client->write(id, std::string(kBytes, 'y'));
    pending = client->pending_bytes(id);
  });
  EXPECT_GE(pending, ServerHandler::kDrainBytes);
  EXPECT_TRUE(eventually([&] { return talk.drains > 0 && talk.text().size() == kBytes; }));
  world.on_loop([&] { EXPECT_EQ(client->pending_bytes(id), 0U); });
}

TEST_F(ClientTunnel, CancelEndsIt) {
  Talk talk;
  const CallId id = call(talk, {.method = Method::kGet, .upgrade = true});
  ASSERT_TRUE(eventually([&] { return talk.status == 101; }));
  world.on_loop([&] {
    client->cancel(id);
    client->write(id, "into nothing");
  });
  EXPECT_TRUE(eventually([&] { return world.handler.closed == 1; }));
  EXPECT_FALSE(talk.done || talk.failed);
}

}  // namespace
}  // namespace millrace::net
