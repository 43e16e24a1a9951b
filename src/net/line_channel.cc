#include "net/line_channel.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "net/socket.h"

namespace millrace::net {

LineChannel::LineChannel(Loop& loop, host::Fd fd, const LineLimits& limits, LineHandler& handler)
    : loop_(loop), fd_(std::move(fd)), limits_(limits), handler_(handler) {}

LineChannel::~LineChannel() {
  close();
  if (destroyed_ != nullptr) *destroyed_ = true;
}

Result<std::unique_ptr<LineChannel>> LineChannel::adopt(Loop& loop, host::Fd fd, const LineLimits& limits,
                                                        LineHandler& handler) {
  const int number = fd.get();
  std::unique_ptr<LineChannel> channel(new LineChannel(loop, std::move(fd), limits, handler));
  auto watched = loop.watch(number, EPOLLIN | EPOLLRDHUP, *channel);
  if (!watched) {
    channel->fd_.reset();
    return std::unexpected(std::move(watched.error()));
  }
  return channel;
}

Result<std::unique_ptr<LineChannel>> LineChannel::connect(Loop& loop, const std::string& path,
                                                          const LineLimits& limits, LineHandler& handler) {
  const Address address = TRY(unix_address(path));
  host::Fd fd = TRY(begin_connect(address));  // a unix socket connects at once, or not at all
  return adopt(loop, std::move(fd), limits, handler);
}

void LineChannel::send(std::string_view line) {
  if (!fd_) return;
  out_.append(line).push_back('\n');
  loop_.defer(*this);
}

void LineChannel::close() {
  if (!fd_) return;
  if (!want_write_ && pending_bytes() > 0) {
    (void)::send(fd_.get(), out_.data() + out_at_, pending_bytes(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  loop_.unwatch(fd_.get(), *this);
  fd_.reset();
}

long LineChannel::peer_uid() const {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (!fd_ || ::getsockopt(fd_.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return -1;
  return static_cast<long>(peer.uid);
}

void LineChannel::fail(Error error) {
  loop_.unwatch(fd_.get(), *this);
  fd_.reset();
  handler_.on_close(*this, error);
}

void LineChannel::on_events(std::uint32_t events) {
  if ((events & EPOLLOUT) != 0) {
    bool destroyed = false;
    destroyed_ = &destroyed;
    flush();
    if (destroyed) return;
    destroyed_ = nullptr;
  }
  if (fd_ && (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) read();
}

void LineChannel::run_deferred() {
  if (fd_) flush();
}

void LineChannel::read() {
  const auto scratch = loop_.scratch();
  const auto got = ::recv(fd_.get(), scratch.data(), scratch.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return fail({ErrorCode::kUnavailable, "the other side closed the channel"});
  bool destroyed = false;
  bool* const outer = std::exchange(destroyed_, &destroyed);
  const bool within = take_lines({scratch.data(), static_cast<std::size_t>(got)});
  if (destroyed) return;
  destroyed_ = outer;
  if (fd_ && !within) fail({ErrorCode::kCorrupt, "a line on the channel is too long"});
}

/// False if the line in hand is beyond the limit. Must be called with destroyed_ set.
bool LineChannel::take_lines(std::string_view bytes) {
  const bool* const destroyed = destroyed_;
  while (true) {
    const auto lf = bytes.find('\n');
    const auto length = lf == std::string_view::npos ? bytes.size() : lf;
    if (in_.size() + length > limits_.max_line_bytes) return false;
    if (lf == std::string_view::npos) {
      in_.append(bytes);
      return true;
    }
    const std::string_view line = bytes.substr(0, lf);
    bytes.remove_prefix(lf + 1);
    if (in_.empty()) {
      handler_.on_line(*this, line);
    } else {
      const std::string whole = std::exchange(in_, {}).append(line);
      handler_.on_line(*this, whole);
    }
    if (*destroyed || !fd_) return true;
  }
}

void LineChannel::flush() {
  bool blocked = false;
  while (out_at_ < out_.size() && !blocked) {
    const auto sent = ::send(fd_.get(), out_.data() + out_at_, pending_bytes(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      out_at_ += static_cast<std::size_t>(sent);
    } else if (errno == EAGAIN) {
      blocked = true;
    } else if (errno != EINTR) {
      return fail({ErrorCode::kUnavailable, "the other side closed the channel"});
    }
  }
  if (!blocked) {
    out_.clear();
    out_at_ = 0;
    if (out_.capacity() > 64 * 1024) out_.shrink_to_fit();
  } else if (pending_bytes() > limits_.max_pending_bytes) {
    return fail({ErrorCode::kExhausted, "the other side does not read the channel"});
  } else if (out_at_ > 1024 * 1024) {
    out_.erase(0, std::exchange(out_at_, 0));
  }
  if (blocked == want_write_) return;
  want_write_ = blocked;
  loop_.modify(fd_.get(), EPOLLIN | EPOLLRDHUP | (blocked ? EPOLLOUT : 0U), *this);
}

LineServer::LineServer(Loop& loop, host::Fd fd, std::string path, Connected connected)
    : loop_(loop), fd_(std::move(fd)), path_(std::move(path)), connected_(std::move(connected)) {}

LineServer::~LineServer() {
  loop_.unwatch(fd_.get(), *this);
  ::unlink(path_.c_str());
}

Result<std::unique_ptr<LineServer>> LineServer::listen(Loop& loop, const std::string& path,
                                                       Connected connected) {
  host::Fd fd = TRY(listen_unix(path));
  const int number = fd.get();
  std::unique_ptr<LineServer> server(new LineServer(loop, std::move(fd), path, std::move(connected)));
  TRY_VOID(loop.watch(number, EPOLLIN, *server));
  return server;
}

void LineServer::on_events(std::uint32_t) {
  host::Fd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd) connected_(std::move(fd));
}

}  // namespace millrace::net
