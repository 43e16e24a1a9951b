#include "executor/forwarder.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/nsfs.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace millrace::executor {
namespace {

constexpr int kBacklog = 128;
constexpr std::size_t kMaxPassed = 32;  // descriptors of one message; check_spec allows no more forwards

host::Fd tcp_listener(std::int32_t port) {
  host::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int yes = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  // The loopback device may not have its address yet.
  ::setsockopt(fd.get(), IPPROTO_IP, IP_FREEBIND, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd.get(), kBacklog) != 0)
    return {};
  return fd;
}

union ControlBuffer {
  cmsghdr header;
  std::array<char, CMSG_SPACE(sizeof(int) * kMaxPassed)> bytes;
};

void send_fds(int channel, const std::vector<host::Fd>& fds, int problem) {
  iovec text{.iov_base = &problem, .iov_len = sizeof problem};
  ControlBuffer control{};
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  if (problem == 0 && !fds.empty()) {
    message.msg_control = control.bytes.data();
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    for (std::size_t i = 0; i < fds.size(); ++i) {
      const int fd = fds[i].get();
      std::memcpy(CMSG_DATA(header) + i * sizeof(int), &fd, sizeof fd);
    }
  }
  (void)!::sendmsg(channel, &message, MSG_NOSIGNAL);
}

Result<std::vector<host::Fd>> receive_fds(int channel) {
  int problem = EIO;
  iovec text{.iov_base = &problem, .iov_len = sizeof problem};
  ControlBuffer control{};
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes.data();
  message.msg_controllen = sizeof control.bytes;
  const ssize_t got = ::recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
  std::vector<host::Fd> fds;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); got > 0 && header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    for (std::size_t at = 0; at + CMSG_LEN(sizeof(int)) <= header->cmsg_len; at += sizeof(int)) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + at, sizeof fd);
      fds.emplace_back(fd);
    }
  }
  if (got != sizeof problem || problem != 0)
    return std::unexpected(errno_error("listen in the sandbox's network", problem));
  return fds;
}

// In a child of its own: leaves this process's namespaces for good.
[[noreturn]] void enter_and_listen(int channel, int user, int network, const std::vector<Forward>& forwards) {
  std::vector<host::Fd> fds;
  int problem = 0;
  if ((user >= 0 && ::setns(user, CLONE_NEWUSER) != 0) || ::setns(network, CLONE_NEWNET) != 0)
    problem = errno;
  for (const Forward& forward : forwards) {
    if (problem != 0) break;
    fds.push_back(tcp_listener(forward.port));
    if (!fds.back()) problem = errno;
  }
  send_fds(channel, fds, problem);
  ::_exit(0);
}

}  // namespace

Result<std::vector<host::Fd>> listen_inside(pid_t inside, const std::vector<Forward>& forwards,
                                            bool own_user_namespace) {
  const host::Fd network(::open(fmt::format("/proc/{}/ns/net", inside).c_str(), O_RDONLY | O_CLOEXEC));
  if (!network) return std::unexpected(errno_error("open the sandbox's network namespace", errno));
  // Not the user namespace that the process is in: bwrap may have put it into a further one.
  const host::Fd user(own_user_namespace ? ::ioctl(network.get(), NS_GET_USERNS) : -1);
  if (own_user_namespace && !user)
    return std::unexpected(errno_error("find the owner of the sandbox's network namespace", errno));
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return std::unexpected(errno_error("socketpair", errno));
  const host::Fd mine(ends[0]);
  host::Fd theirs(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return std::unexpected(errno_error("fork", errno));
  if (child == 0) enter_and_listen(theirs.get(), user.get(), network.get(), forwards);
  theirs.reset();
  auto fds = receive_fds(mine.get());
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (fds && fds->size() != forwards.size())
    return failure(ErrorCode::kInternal, "listen in the sandbox's network: a listener is missing");
  return fds;
}

Forwarder::Forwarder(std::vector<host::Fd> listeners, const std::vector<Forward>& forwards)
    : listeners_(std::move(listeners)) {
  for (const Forward& forward : forwards)
    targets_.push_back(parse_forward_target(forward.to).value_or(ForwardTarget{}));
}

void Forwarder::add_to(std::vector<pollfd>& items) {
  const bool room = connections_.size() < kMaxConnections;
  for (const host::Fd& listener : listeners_) items.push_back({room ? listener.get() : -1, POLLIN, 0});
  for (const Connection& c : connections_) {
    const short inside = wants(c, c.out, c.in);
    const short outside = c.connecting ? short{POLLOUT} : wants(c, c.in, c.out);
    // A descriptor that nothing is wanted of would still report its hang-up, again and again.
    items.push_back({inside != 0 ? c.inside.get() : -1, inside, 0});
    items.push_back({outside != 0 ? c.outside.get() : -1, outside, 0});
  }
}

// Of one end: `from` leads away from it, `to` towards it.
short Forwarder::wants(const Connection& connection, const Direction& from, const Direction& to) {
  short events = 0;
  if (!from.ended && from.buffer.size() < kBufferBytes) events |= POLLIN;
  if (!connection.connecting && !to.buffer.empty()) events |= POLLOUT;
  return events;
}

void Forwarder::handle(const std::vector<pollfd>& items, std::size_t at) {
  std::size_t next = at + listeners_.size();
  for (auto c = connections_.begin(); c != connections_.end(); next += 2) {
    const short inside = items[next].revents, outside = items[next + 1].revents;
    if ((inside != 0 || outside != 0) && !step(*c, inside, outside))
      c = connections_.erase(c);
    else
      ++c;
  }
  for (std::size_t i = 0; i < listeners_.size(); ++i)
    if (items[at + i].revents != 0) accept(i);
}

void Forwarder::accept(std::size_t listener) {
  host::Fd fd(::accept4(listeners_[listener].get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd) return;
  bool connecting = false;
  auto outside = connect_to(targets_[listener], connecting);
  if (!outside) return;  // closing it tells the workload what a refused connection would
  connections_.push_back({.inside = std::move(fd),
                          .outside = std::move(*outside),
                          .connecting = connecting,
                          .out = {},
                          .in = {}});
}

Result<host::Fd> Forwarder::connect_to(const ForwardTarget& target, bool& connecting) {
  const int family = target.path.empty() ? AF_INET : AF_UNIX;
  host::Fd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return std::unexpected(errno_error("socket", errno));
  sockaddr_storage address{};
  socklen_t size = 0;
  if (family == AF_UNIX) {
    auto* unix_address = reinterpret_cast<sockaddr_un*>(&address);
    unix_address->sun_family = AF_UNIX;
    std::memcpy(unix_address->sun_path, target.path.c_str(), target.path.size() + 1);
    size = sizeof(sockaddr_un);
  } else {
    auto* inet = reinterpret_cast<sockaddr_in*>(&address);
    inet->sin_family = AF_INET;
    inet->sin_port = htons(target.port);
    ::inet_pton(AF_INET, target.address.c_str(), &inet->sin_addr);
    size = sizeof(sockaddr_in);
    const int yes = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  }
  connecting = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0;
  if (connecting && errno != EINPROGRESS) return std::unexpected(errno_error("connect", errno));
  return fd;
}

// False when the connection is broken.
bool Forwarder::fill(int from, Direction& direction) {
  if (direction.ended || direction.buffer.size() >= kBufferBytes) return true;
  const std::size_t before = direction.buffer.size();
  direction.buffer.resize(kBufferBytes);
  const ssize_t got = ::recv(from, direction.buffer.data() + before, kBufferBytes - before, 0);
  const int problem = errno;
  direction.buffer.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  if (got < 0) return problem == EAGAIN || problem == EINTR;
  direction.ended = got == 0;
  return true;
}

bool Forwarder::drain(int to, Direction& direction) {
  if (!direction.buffer.empty()) {
    const ssize_t sent = ::send(to, direction.buffer.data(), direction.buffer.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (sent > 0) direction.buffer.erase(0, static_cast<std::size_t>(sent));
  }
  if (direction.ended && direction.buffer.empty() && !direction.shut) {
    ::shutdown(to, SHUT_WR);
    direction.shut = true;
  }
  return true;
}

// False when the connection is over.
bool Forwarder::step(Connection& c, short inside, short outside) {
  // What is sent before the other side is there waits in the buffer.
  if (inside != 0 && !fill(c.inside.get(), c.out)) return false;
  if (c.connecting) {
    if (outside == 0) return true;
    int problem = 0;
    socklen_t size = sizeof problem;
    ::getsockopt(c.outside.get(), SOL_SOCKET, SO_ERROR, &problem, &size);
    if (problem != 0) return false;
    c.connecting = false;
  }
  if (outside != 0 && !fill(c.outside.get(), c.in)) return false;
  if (!drain(c.outside.get(), c.out) || !drain(c.inside.get(), c.in)) return false;
  return !(c.out.shut && c.in.shut);
}

}  // namespace millrace::executor
