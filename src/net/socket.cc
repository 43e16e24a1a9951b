#include "net/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace millrace::net {

namespace {

constexpr int kSocketFlags = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

const sockaddr* as_sockaddr(const Address& address) {
  return reinterpret_cast<const sockaddr*>(&address.storage);
}

void set_flag(int fd, int level, int option) {
  const int on = 1;
  ::setsockopt(fd, level, option, &on, sizeof on);
}

/// Bytes go at once, and on the loopback no congestion control measures and paces them: BBR, a common default, takes
/// processor time and timers for each write (docs/benchmarks.md). Reno is in every kernel and does next to nothing.
void tune_tcp(int fd, const Address& address) {
  set_flag(fd, IPPROTO_TCP, TCP_NODELAY);
  constexpr std::string_view kNone = "reno";
  if (is_loopback(address)) ::setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, kNone.data(), kNone.size());
}

/// True if a process accepts connections at the socket file.
bool is_live(const Address& address) {
  const host::Fd fd(::socket(AF_UNIX, kSocketFlags, 0));
  return fd && (::connect(fd.get(), as_sockaddr(address), address.length) == 0 || errno == EAGAIN);
}

}  // namespace

Result<Address> numeric_address(const std::string& host, std::uint16_t port) {
  Address address;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  const std::string text = host == "localhost" ? "127.0.0.1" : host;
  if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    address.length = sizeof(sockaddr_in);
    return address;
  }
  if (inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    address.length = sizeof(sockaddr_in6);
    return address;
  }
  return failure(ErrorCode::kInvalidArgument,
                 fmt::format("'{}' is not a numeric address", host.substr(0, 128)));
}

Result<Address> unix_address(const std::string& path) {
  Address address;
  auto* unix_socket = reinterpret_cast<sockaddr_un*>(&address.storage);
  if (path.empty() || path.size() >= sizeof unix_socket->sun_path) {
    return failure(ErrorCode::kInvalidArgument,
                   fmt::format("'{}' cannot name a unix socket: it must have 1 to {} bytes", path,
                               sizeof unix_socket->sun_path - 1));
  }
  unix_socket->sun_family = AF_UNIX;
  std::memcpy(unix_socket->sun_path, path.c_str(), path.size() + 1);
  address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return address;
}

bool is_loopback(const Address& address) {
  const sockaddr* any = as_sockaddr(address);
  if (any->sa_family == AF_INET)
    return (ntohl(reinterpret_cast<const sockaddr_in*>(any)->sin_addr.s_addr) >> 24) == 127;
  return any->sa_family == AF_INET6 &&
         IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(any)->sin6_addr);
}

Result<BoundSocket> listen_tcp(const std::string& host, std::uint16_t port, bool reuse_port) {
  const Address address = TRY(numeric_address(host.empty() ? "::" : host, port));
  const int family = as_sockaddr(address)->sa_family;
  host::Fd fd(::socket(family, kSocketFlags, 0));
  if (!fd) return std::unexpected(errno_error("create a socket", errno));
  set_flag(fd.get(), SOL_SOCKET, SO_REUSEADDR);
  if (reuse_port) set_flag(fd.get(), SOL_SOCKET, SO_REUSEPORT);
  tune_tcp(fd.get(), address);  // inherited by accepted connections
  if (::bind(fd.get(), as_sockaddr(address), address.length) != 0 || ::listen(fd.get(), 4096) != 0) {
    const int fault = errno;
    Error error = errno_error(fmt::format("listen on {}:{}", host, port), fault);
    if (fault == EADDRINUSE) error.code = ErrorCode::kConflict;
    if (fault == EADDRNOTAVAIL) error.code = ErrorCode::kInvalidArgument;
    return std::unexpected(std::move(error));
  }
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&bound), &length);
  const auto network_port = family == AF_INET ? reinterpret_cast<sockaddr_in*>(&bound)->sin_port
                                              : reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port;
  return BoundSocket{std::move(fd), ntohs(network_port)};
}

Result<host::Fd> listen_unix(const std::string& path) {
  const Address address = TRY(unix_address(path));
  struct stat info{};
  if (::lstat(path.c_str(), &info) == 0) {
    if (!S_ISSOCK(info.st_mode)) {
      return failure(ErrorCode::kConflict,
                     fmt::format("listen on {}: a file that is no socket is in the way", path));
    }
    if (is_live(address)) {
      return failure(ErrorCode::kConflict, fmt::format("listen on {}: another process listens there", path));
    }
    ::unlink(path.c_str());
  }
  host::Fd fd(::socket(AF_UNIX, kSocketFlags, 0));
  if (!fd) return std::unexpected(errno_error("create a socket", errno));
  // Linux gives the socket file the mode of the socket, so that it is never open to others, not even for a moment.
  ::fchmod(fd.get(), 0600);
  if (::bind(fd.get(), as_sockaddr(address), address.length) != 0) {
    return std::unexpected(errno_error(fmt::format("listen on {}", path), errno));
  }
  ::chmod(path.c_str(), 0600);
  if (::listen(fd.get(), 4096) != 0)
    return std::unexpected(errno_error(fmt::format("listen on {}", path), errno));
  return fd;
}

namespace {

// The folder of a unix socket may belong to a stranger, who could put a symbolic link to another one in its place.
Result<host::Fd> connect_unix(const Address& address) {
  const auto* name = reinterpret_cast<const sockaddr_un*>(&address.storage);
  const host::Fd file(::open(name->sun_path, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat info{};
  if (!file || ::fstat(file.get(), &info) != 0) return std::unexpected(errno_error("connect", errno));
  if (!S_ISSOCK(info.st_mode)) return std::unexpected(errno_error("connect", ECONNREFUSED));
  const Address opened = TRY(unix_address(fmt::format("/proc/self/fd/{}", file.get())));
  host::Fd fd(::socket(AF_UNIX, kSocketFlags, 0));
  if (!fd) return std::unexpected(errno_error("create a socket", errno));
  if (::connect(fd.get(), as_sockaddr(opened), opened.length) != 0 && errno != EINPROGRESS)
    return std::unexpected(errno_error("connect", errno));
  return fd;
}

}  // namespace

Result<host::Fd> begin_connect(const Address& address) {
  if (as_sockaddr(address)->sa_family == AF_UNIX) return connect_unix(address);
  host::Fd fd(::socket(as_sockaddr(address)->sa_family, kSocketFlags, 0));
  if (!fd) return std::unexpected(errno_error("create a socket", errno));
  tune_tcp(fd.get(), address);
  if (::connect(fd.get(), as_sockaddr(address), address.length) != 0 && errno != EINPROGRESS) {
    return std::unexpected(errno_error("connect", errno));
  }
  return fd;
}

int connect_error(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
  return error;
}

}  // namespace millrace::net
