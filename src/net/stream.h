// A connected, non-blocking byte stream, plain or TLS. Private to net.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "host/fd.h"
#include "net/tls.h"

namespace millrace::net {

enum class IoState : std::uint8_t { kOk, kBlocked, kClosed, kFailed };

struct IoResult {
  IoState state = IoState::kOk;
  std::size_t bytes = 0;  // kOk: at least 1
};

class Stream {
 public:
  Stream() = default;
  Stream(host::Fd fd, TlsContext::SslPtr ssl) : fd_(std::move(fd)), ssl_(std::move(ssl)) {}

  int fd() const { return fd_.get(); }
  bool is_open() const { return static_cast<bool>(fd_); }
  bool is_tls() const { return ssl_ != nullptr; }

  /// TLS only. kBlocked: call again when readable, or writable if wants_write().
  IoState handshake();
  bool wants_write() const;
  /// Why the last handshake failed, for a person.
  std::string handshake_fault() const;

  IoResult read(std::span<char> into);
  IoResult write(std::string_view bytes);

  /// Tells the other side that nothing more will come.
  void shutdown_write();
  void close() {
    ssl_.reset();
    fd_.reset();
  }

 private:
  IoResult read_tls(std::span<char> into);
  IoResult write_tls(std::string_view bytes);

  host::Fd fd_;
  TlsContext::SslPtr ssl_;
};

}  // namespace millrace::net
