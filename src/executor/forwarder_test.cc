// Connections that are passed on: what happens at their ends, and that nothing is asked for in vain.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "executor/forwarder.h"

namespace millrace::executor {
namespace {

host::Fd listener(int& port) {
  host::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
  EXPECT_EQ(::listen(fd.get(), 512), 0);
  EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  port = ntohs(address.sin_port);
  return fd;
}

host::Fd connect_to(int port) {
  host::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return fd;
}

class ForwarderTest : public ::testing::Test {
 protected:
  ForwarderTest() {
    target_ = listener(target_port_);
    std::vector<host::Fd> listeners;
    listeners.push_back(listener(port_));
    forwarder_.emplace(std::move(listeners),
                       std::vector<Forward>{{port_, "127.0.0.1:" + std::to_string(target_port_)}});
  }
  /// Turns of the loop until nothing has been ready for `quiet_ms`. False if that never comes.
  bool settle(int quiet_ms = 20) {
    for (int turn = 0; turn < 5000; ++turn) {
      std::vector<pollfd> items;
      forwarder_->add_to(items);
      if (::poll(items.data(), items.size(), quiet_ms) == 0) return true;
      forwarder_->handle(items, 0);
    }
    return false;
  }
  host::Fd accepted() const { return host::Fd(::accept4(target_.get(), nullptr, nullptr, SOCK_CLOEXEC)); }
  static std::string read_some(const host::Fd& fd) {
    char buffer[100];
    const ssize_t got = ::recv(fd.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    return got < 0 ? "nothing" : std::string(buffer, static_cast<std::size_t>(got));
  }
  int port_ = 0, target_port_ = 0;
  host::Fd target_;
  std::optional<Forwarder> forwarder_;
};

TEST_F(ForwarderTest, EachDirectionEndsByItselfAndAHalfClosedOneIsQuiet) {
  const host::Fd client = connect_to(port_);
  ASSERT_EQ(::send(client.get(), "ask", 3, 0), 3);
  ASSERT_EQ(::shutdown(client.get(), SHUT_WR), 0);
  ASSERT_TRUE(settle()) << "a loop that is never quiet uses a whole processor";
  const host::Fd server = accepted();
  EXPECT_EQ(read_some(server), "ask");
  EXPECT_EQ(read_some(server), "") << "the end is passed on";
  ASSERT_EQ(::send(server.get(), "answer", 6, 0), 6);
  ASSERT_TRUE(settle());
  EXPECT_EQ(read_some(client), "answer");
  EXPECT_EQ(forwarder_->connections(), 1u);
  ASSERT_EQ(::shutdown(server.get(), SHUT_WR), 0);
  ASSERT_TRUE(settle());
  EXPECT_EQ(read_some(client), "");
  EXPECT_EQ(forwarder_->connections(), 0u);
}

TEST_F(ForwarderTest, AClientThatGoesAwayEndsTheOtherSide) {
  host::Fd client = connect_to(port_);
  ASSERT_TRUE(settle());
  const host::Fd server = accepted();
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ASSERT_EQ(::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
  client.reset();
  ASSERT_TRUE(settle());
  EXPECT_EQ(forwarder_->connections(), 0u);
  EXPECT_EQ(read_some(server), "");
}

TEST_F(ForwarderTest, ASlowReaderHoldsTheSenderBack) {
  const host::Fd client = connect_to(port_);
  ASSERT_TRUE(settle());
  const host::Fd server = accepted();
  const std::string block(1 << 20, 'x');
  std::size_t sent = 0;
  for (ssize_t got = 1; got > 0 && sent < (200u << 20);) {
    got = ::send(client.get(), block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (got > 0) sent += static_cast<std::size_t>(got);
    ASSERT_TRUE(settle());
  }
  EXPECT_LT(sent, 100u << 20) << "it must not be taken in without a bound";
}

TEST_F(ForwarderTest, NoMoreConnectionsThanItsBound) {
  std::vector<host::Fd> clients;
  for (std::size_t i = 0; i < Forwarder::kMaxConnections + 20; ++i) clients.push_back(connect_to(port_));
  ASSERT_TRUE(settle());
  EXPECT_EQ(forwarder_->connections(), Forwarder::kMaxConnections);
  clients.erase(clients.begin(), clients.begin() + 50);
  std::vector<host::Fd> servers;
  for (int i = 0; i < 50; ++i) servers.push_back(accepted());
  servers.clear();
  ASSERT_TRUE(settle());
  EXPECT_EQ(forwarder_->connections(), Forwarder::kMaxConnections - 30) << "those that waited have come";
}

}  // namespace
}  // namespace millrace::executor
