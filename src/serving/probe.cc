#include "serving/probe.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "host/fd.h"
#include "host/json.h"

namespace millrace::serving {
namespace {

using Deadline = std::chrono::steady_clock::time_point;
constexpr std::size_t kMaxAnswerBytes = 4 << 20;

struct Answer {
  int status = 0;
  std::string body;
};

Result<void> wait_for(int fd, short events, Deadline deadline) {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0)
      return failure(ErrorCode::kTimeout, "the engine took the connection and did not answer in time");
    pollfd item{.fd = fd, .events = events, .revents = 0};
    const int ready = ::poll(&item, 1, static_cast<int>(left));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return std::unexpected(errno_error("poll", errno));
  }
}

Result<host::Fd> connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return failure(ErrorCode::kInvalidArgument, "socket path too long: " + path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  host::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return std::unexpected(errno_error("socket", errno));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return failure(ErrorCode::kUnavailable, errno_error("connect " + path, errno).message);
  return fd;
}

// "HTTP/1.1 200 OK\r\n...\r\n\r\nbody"; with HTTP/1.0 asked for, the body ends where the connection does (RFC 9112, 6.3).
Result<Answer> split_answer(const std::string& bytes) {
  const std::size_t end = bytes.find("\r\n\r\n");
  if (!bytes.starts_with("HTTP/1.") || end == std::string::npos || bytes.size() < 12)
    return failure(ErrorCode::kUnavailable, "the engine closed the connection without an answer");
  Answer answer;
  std::from_chars(bytes.data() + 9, bytes.data() + 12, answer.status);
  answer.body = bytes.substr(end + 4);
  return answer;
}

Result<Answer> get(const std::string& socket, const char* path, std::chrono::milliseconds timeout) {
  const Deadline deadline = std::chrono::steady_clock::now() + timeout;
  const host::Fd fd = TRY(connect_to(socket));
  const std::string request =
      fmt::format("GET {} HTTP/1.0\r\nHost: engine\r\nConnection: close\r\n\r\n", path);
  if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
    return failure(ErrorCode::kUnavailable, errno_error("send to the engine", errno).message);
  std::string bytes;
  char buffer[16384];
  for (;;) {
    TRY_VOID(wait_for(fd.get(), POLLIN, deadline));
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) return split_answer(bytes);
    bytes.append(buffer, static_cast<std::size_t>(got));
    if (bytes.size() > kMaxAnswerBytes)
      return failure(ErrorCode::kCorrupt, "the engine's answer to a probe is too long");
  }
}

Result<boost::json::value> get_json(const std::string& socket, const char* path,
                                    std::chrono::milliseconds timeout) {
  const Answer answer = TRY(get(socket, path, timeout));
  if (answer.status != 200)
    return failure(ErrorCode::kUnavailable,
                   fmt::format("the engine answers {} with {}", path, answer.status));
  return host::parse_json(answer.body);
}

}  // namespace

Result<void> SocketProber::health(const std::string& socket) {
  const Answer answer = TRY(get(socket, "/health", timeout_));
  if (answer.status == 200) return {};
  return failure(ErrorCode::kUnavailable,
                 fmt::format("the engine is not ready (/health answers {})", answer.status));
}

Result<EngineProps> SocketProber::props(const std::string& socket) {
  const boost::json::value value = TRY(get_json(socket, "/props", timeout_));
  const host::JsonObject o = TRY(host::JsonObject::of(value, "/props"));
  EngineProps props;
  props.slots = TRY(o.optional_int("total_slots")).value_or(0);
  if (const auto settings = TRY(o.optional_object("default_generation_settings")))
    props.context_tokens = TRY(settings->optional_int("n_ctx")).value_or(0);
  if (const auto caps = TRY(o.optional_object("chat_template_caps"))) {
    const bool calls = TRY(caps->optional_bool("supports_tool_calls")).value_or(false);
    props.template_has_tools = TRY(caps->optional_bool("supports_tools")).value_or(false) && calls;
    props.template_has_reasoning = TRY(caps->optional_bool("supports_reasoning_effort")).value_or(false) ||
                                   TRY(caps->optional_bool("supports_preserve_reasoning")).value_or(false);
  }
  return props;
}

Result<std::int64_t> SocketProber::busy_slots(const std::string& socket) {
  const boost::json::value value = TRY(get_json(socket, "/slots", timeout_));
  if (!value.is_array()) return failure(ErrorCode::kCorrupt, "the engine's /slots is not a list");
  std::int64_t busy = 0;
  for (const boost::json::value& slot : value.get_array()) {
    const host::JsonObject o = TRY(host::JsonObject::of(slot, "/slots"));
    if (TRY(o.optional_bool("is_processing")).value_or(false)) ++busy;
  }
  return busy;
}

}  // namespace millrace::serving
