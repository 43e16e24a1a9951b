// Newline-delimited messages over a unix socket, both ways; used between our own processes.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"
#include "host/fd.h"
#include "net/loop.h"

namespace millrace::net {

class LineChannel;

class LineHandler {
 public:
  /// One message without its newline; the view is good until the return. May destroy the channel.
  virtual void on_line(LineChannel& channel, std::string_view line) = 0;
  /// Once, when the other side is gone, broke the limit, or took nothing for too long. Not called after the owner
  /// closed or destroyed the channel. May destroy the channel.
  virtual void on_close(LineChannel& channel, const Error& error) = 0;

 protected:
  ~LineHandler() = default;
};

struct LineLimits {
  std::size_t max_line_bytes = 16 * 1024 * 1024;
  std::size_t max_pending_bytes = 64 * 1024 * 1024;  // unsent; beyond it the channel is closed (kExhausted)
};

/// Loop thread only.
class LineChannel final : private FdHandler, private Deferred {
 public:
  /// Takes over a connected stream socket. `handler` must outlive the channel.
  static Result<std::unique_ptr<LineChannel>> adopt(Loop& loop, host::Fd fd, const LineLimits& limits,
                                                    LineHandler& handler);
  /// Connects to the socket at `path`. kNotFound or kUnavailable if nobody listens there. Does not block.
  static Result<std::unique_ptr<LineChannel>> connect(Loop& loop, const std::string& path,
                                                      const LineLimits& limits, LineHandler& handler);
  ~LineChannel();

  /// Queues a message; `line` must hold no LF. Written by the end of the event in hand, or when the peer reads.
  /// A channel that is closed drops it.
  void send(std::string_view line);
  /// Sends what it can at once, then closes. on_close is not called.
  void close();
  bool is_open() const { return static_cast<bool>(fd_); }
  std::size_t pending_bytes() const { return out_.size() - out_at_; }
  /// User id of the process at the other end (SO_PEERCRED), -1 if unknown.
  long peer_uid() const;

 private:
  LineChannel(Loop& loop, host::Fd fd, const LineLimits& limits, LineHandler& handler);
  void on_events(std::uint32_t events) override;
  void run_deferred() override;
  void read();
  bool take_lines(std::string_view bytes);
  void flush();
  void fail(Error error);

  Loop& loop_;
  host::Fd fd_;
  const LineLimits limits_;
  LineHandler& handler_;
  std::string in_;
  std::string out_;
  std::size_t out_at_ = 0;
  bool want_write_ = false;
  bool* destroyed_ = nullptr;  // set by the destructor while a callback of ours is on the stack
};

/// Accepts channels. Loop thread only.
class LineServer final : private FdHandler {
 public:
  using Connected = std::function<void(host::Fd)>;

  /// Binds the unix socket `path` (mode 0600; a stale socket file is replaced; a live one is kConflict).
  /// `connected` gets each accepted descriptor and makes a channel of it with LineChannel::adopt.
  static Result<std::unique_ptr<LineServer>> listen(Loop& loop, const std::string& path, Connected connected);
  ~LineServer();

 private:
  LineServer(Loop& loop, host::Fd fd, std::string path, Connected connected);
  void on_events(std::uint32_t events) override;

  Loop& loop_;
  host::Fd fd_;
  const std::string path_;
  const Connected connected_;
};

}  // namespace millrace::net
