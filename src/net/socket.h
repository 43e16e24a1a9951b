// Makes listening and connecting sockets, all non-blocking and close-on-exec. Private to net.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "core/result.h"
#include "host/fd.h"

namespace millrace::net {

struct BoundSocket {
  host::Fd fd;
  std::uint16_t port = 0;
};

/// A socket address with its length.
struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

/// kInvalidArgument: not a numeric address or localhost.
Result<Address> numeric_address(const std::string& host, std::uint16_t port);
/// kInvalidArgument: empty, or longer than the 107 bytes that the system allows.
Result<Address> unix_address(const std::string& path);

/// True for 127.0.0.0/8 and ::1.
bool is_loopback(const Address& address);

Result<BoundSocket> listen_tcp(const std::string& host, std::uint16_t port, bool reuse_port);
/// Mode 0600. A socket file that nobody listens on is replaced; a live one is kConflict.
Result<host::Fd> listen_unix(const std::string& path);

/// Begins to connect; the socket becomes writable when that is decided (see connect_error). A unix socket that is a
/// symbolic link is refused: its folder may be a stranger's.
Result<host::Fd> begin_connect(const Address& address);
/// 0, or the errno that the connection failed with.
int connect_error(int fd);

}  // namespace millrace::net
