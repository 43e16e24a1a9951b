#include "engine_client.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace millrace::conformance {
namespace {

struct Socket {
  int fd = -1;
  ~Socket() {
    if (fd >= 0) close(fd);
  }
};

Result<void> open(Socket& socket, const std::string& path) {
  socket.fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return failure(ErrorCode::kInvalidArgument, "socket path too long");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const timeval timeout{60, 0};
  setsockopt(socket.fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  if (connect(socket.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return std::unexpected(errno_error("connect " + path, errno));
  }
  return {};
}

Result<void> send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return std::unexpected(errno_error("send", errno));
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

/// False at the end of the stream.
Result<bool> receive(int fd, std::string& buffer) {
  char bytes[16384];
  const ssize_t got = recv(fd, bytes, sizeof bytes, 0);
  if (got < 0) return std::unexpected(errno_error("recv", errno));
  buffer.append(bytes, static_cast<std::size_t>(got));
  return got > 0;
}

/// Takes whole chunks from the front of `buffer`; the engine is trusted to write them right.
std::string take_chunks(std::string& buffer) {
  std::string body;
  while (true) {
    const std::size_t end = buffer.find("\r\n");
    std::size_t size = 0;
    if (end == std::string::npos) break;
    std::from_chars(buffer.data(), buffer.data() + end, size, 16);
    if (buffer.size() < end + 2 + size + 2) break;
    body.append(buffer, end + 2, size);
    buffer.erase(0, end + 2 + size + 2);
    if (size == 0) break;
  }
  return body;
}

std::string header(std::string_view head, std::string_view name) {
  std::string lower(head);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  const std::size_t at = lower.find(fmt::format("\r\n{}: ", name));
  if (at == std::string::npos) return {};
  const std::size_t start = at + name.size() + 4;
  return lower.substr(start, lower.find("\r\n", start) - start);
}

}  // namespace

Result<Answer> call(const std::string& socket_path, const std::string& path, const std::string& body,
                    const OnPiece& on_piece) {
  Socket socket;
  TRY_VOID(open(socket, socket_path));
  TRY_VOID(send_all(
      socket.fd,
      fmt::format("{} {} HTTP/1.1\r\nHost: engine\r\nConnection: close\r\nContent-Type: application/json\r\n"
                  "Content-Length: {}\r\n\r\n{}",
                  body.empty() ? "GET" : "POST", path, body.size(), body)));
  Answer answer;
  std::string buffer;
  std::size_t end = std::string::npos;
  while (end == std::string::npos) {
    if (!TRY(receive(socket.fd, buffer))) return failure(ErrorCode::kUnavailable, "closed before the head");
    end = buffer.find("\r\n\r\n");
  }
  const std::string head = buffer.substr(0, end + 2);
  buffer.erase(0, end + 4);
  std::from_chars(head.data() + std::min<std::size_t>(9, head.size()), head.data() + head.size(),
                  answer.status);
  answer.content_type = header(head, "content-type");
  const bool chunked = header(head, "transfer-encoding") == "chunked";
  while (true) {
    const std::string piece = chunked ? take_chunks(buffer) : std::exchange(buffer, {});
    if (on_piece && !piece.empty() && !on_piece(answer, piece)) return answer;
    if (!on_piece) answer.body += piece;
    if (!TRY(receive(socket.fd, buffer))) return answer;
  }
}

}  // namespace millrace::conformance
