#include "executor/protocol.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "executor/spec.h"
#include "host/fd.h"
#include "host/json.h"

namespace millrace::executor {
namespace {

constexpr std::int64_t kMaxCpuMillis = 1024 * 1000;

using Deadline = std::chrono::steady_clock::time_point;

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return failure(ErrorCode::kInvalidArgument, "the socket path " + path + " is longer than 107 bytes");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

Result<void> wait_for(int fd, short events, Deadline deadline) {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) return failure(ErrorCode::kTimeout, "the supervisor did not answer in time");
    pollfd item{.fd = fd, .events = events, .revents = 0};
    const int ready = ::poll(&item, 1, static_cast<int>(left));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return std::unexpected(errno_error("poll", errno));
  }
}

Result<std::string> read_line(int fd, Deadline deadline) {
  std::string line;
  char buffer[16384];
  for (;;) {
    TRY_VOID(wait_for(fd, POLLIN, deadline));
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0)
      return failure(ErrorCode::kUnavailable, "the supervisor closed the connection without an answer");
    line.append(buffer, static_cast<std::size_t>(got));
    if (const std::size_t end = line.find('\n'); end != std::string::npos) return line.substr(0, end);
    if (line.size() > kMaxAnswerBytes)
      return failure(ErrorCode::kCorrupt, "the supervisor's answer is too long");
  }
}

}  // namespace

Result<ControlRequest> parse_request(std::string_view line) {
  const boost::json::value value =
      TRY(host::parse_json(line, {.max_depth = 4, .max_bytes = kMaxRequestBytes}));
  const host::JsonObject o = TRY(host::JsonObject::of(value));
  if (TRY(o.required_int("version")) != kProtocolVersion)
    return failure(ErrorCode::kInvalidArgument, "this supervisor speaks version 1 of the protocol");
  const std::string op = TRY(o.required_string("op"));
  if (op == "status") return ControlRequest{.op = ControlRequest::Op::kStatus};
  if (op == "stop") {
    const std::int64_t grace = TRY(o.required_int("grace_ms"));
    if (grace < 0 || grace > 3600 * 1000)
      return failure(ErrorCode::kInvalidArgument, "grace_ms: want 0 to 3600000");
    return ControlRequest{.op = ControlRequest::Op::kStop, .grace_ms = grace};
  }
  if (op == "set_cpu") {
    const std::int64_t millis = TRY(o.required_int("millis"));
    if (millis < 0 || millis > kMaxCpuMillis)
      return failure(ErrorCode::kInvalidArgument, "millis: want 0 to 1024000");
    return ControlRequest{.op = ControlRequest::Op::kSetCpu, .millis = millis};
  }
  if (op == "log") {
    const std::int64_t from = TRY(o.required_int("from"));
    const std::int64_t max = TRY(o.required_int("max"));
    if (max < 1) return failure(ErrorCode::kInvalidArgument, "max: want at least 1");
    return ControlRequest{.op = ControlRequest::Op::kLog, .from = from, .max = max};
  }
  return failure(ErrorCode::kInvalidArgument, "op: want status, stop, set_cpu or log");
}

std::string to_json(const ControlRequest& request) {
  host::JsonWriter w;
  w.begin_object().field("version", kProtocolVersion);
  switch (request.op) {
    case ControlRequest::Op::kStatus:
      w.field("op", "status");
      break;
    case ControlRequest::Op::kStop:
      w.field("op", "stop").field("grace_ms", request.grace_ms);
      break;
    case ControlRequest::Op::kSetCpu:
      w.field("op", "set_cpu").field("millis", request.millis);
      break;
    case ControlRequest::Op::kLog:
      w.field("op", "log").field("from", request.from).field("max", request.max);
      break;
  }
  w.end_object();
  return w.take();
}

std::string error_answer(const Error& error) {
  host::JsonWriter w;
  w.begin_object().field("version", kProtocolVersion).field("ok", false);
  w.field("code", name_of(error.code)).field("error", error.message).end_object();
  return w.take();
}

std::string status_answer(const WorkloadStatus& status) {
  host::JsonWriter w;
  w.begin_object()
      .field("version", kProtocolVersion)
      .field("ok", true)
      .key("status")
      .raw(to_json(status))
      .end_object();
  return w.take();
}

std::string log_answer(const LogPiece& piece) {
  host::JsonWriter w;
  w.begin_object().field("version", kProtocolVersion).field("ok", true).field("from", piece.from);
  w.field("text", piece.text).field("next", piece.next).end_object();
  return w.take();
}

Result<WorkloadStatus> parse_status_answer(std::string_view line) {
  const auto value = host::parse_json(line, {.max_depth = 8, .max_bytes = kMaxAnswerBytes});
  if (!value) return failure(ErrorCode::kCorrupt, "the supervisor's answer: " + value.error().message);
  const host::JsonObject o = TRY(host::JsonObject::of(*value));
  if (!TRY(o.required_bool("ok"))) {
    const bool unavailable = TRY(o.optional_string("code")) == name_of(ErrorCode::kUnavailable);
    return failure(unavailable ? ErrorCode::kUnavailable : ErrorCode::kInternal,
                   "supervisor: " + TRY(o.required_string("error")));
  }
  const host::JsonObject status = TRY(o.required_object("status"));
  return parse_status(boost::json::serialize(status.object()));
}

Result<WorkloadStatus> ask(const std::string& socket, const ControlRequest& request,
                           std::chrono::milliseconds timeout) {
  const Deadline deadline = std::chrono::steady_clock::now() + timeout;
  const sockaddr_un address = TRY(address_of(socket));
  const host::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return std::unexpected(errno_error("socket", errno));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return failure(ErrorCode::kUnavailable, errno_error("connect " + socket, errno).message);
  const std::string line = to_json(request) + "\n";
  // A request is far smaller than a socket's buffer, so it goes in one piece.
  if (::send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
    return failure(ErrorCode::kUnavailable, errno_error("send to " + socket, errno).message);
  const std::string answer = TRY(read_line(fd.get(), deadline));
  return parse_status_answer(answer);
}

Result<int> listen_unix(const std::string& path) {
  const sockaddr_un address = TRY(address_of(path));
  host::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return std::unexpected(errno_error("socket", errno));
  ::unlink(path.c_str());
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return std::unexpected(errno_error("bind " + path, errno));
  ::chmod(path.c_str(), 0600);
  if (::listen(fd.get(), 16) != 0) return std::unexpected(errno_error("listen " + path, errno));
  return fd.release();
}

}  // namespace millrace::executor
