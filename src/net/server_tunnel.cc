// A connection that has switched protocols: raw bytes both ways.
#include <sys/socket.h>

#include <utility>

#include "net/http_writer.h"
#include "net/server_connection.h"

namespace millrace::net {

bool ServerConnection::switch_protocols(std::span<const Header> headers) {
  if (!in_exchange_ || answered_ || phase_ != Phase::kWork || head_.minor_version != 1) return false;
  answered_ = tunnel_ = close_after_ = true;
  answer_left_ = kUnknownLength;
  append_status_line(out_, 101);
  append_headers(out_, headers);
  out_.append(host_.date()).append("\r\n");
  // A client that is gone without a word would hold its place for ever.
  const int on = 1;
  (void)::setsockopt(stream_.fd(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  read_blocked_ = false;
  update_interest();
  host_.loop().defer(*this);
  return true;
}

void ServerConnection::pause_reading() {
  if (!tunnel_ || phase_ != Phase::kWork || read_blocked_) return;
  read_blocked_ = true;
  update_interest();
}

void ServerConnection::resume_reading() {
  if (!tunnel_ || phase_ != Phase::kWork || !read_blocked_) return;
  read_blocked_ = false;
  update_interest();
  host_.loop().defer(*this);  // for bytes that are held here, or by OpenSSL
}

void ServerConnection::read_tunnel() {
  if (!in_.empty()) {
    const std::string held = std::exchange(in_, {});
    deliver_tunnel(held);
  }
  const auto scratch = host_.loop().scratch();
  for (int round = 0; round < 4 && phase_ == Phase::kWork && in_exchange_ && !read_blocked_; ++round) {
    const IoResult result = stream_.read(scratch);
    if (result.state == IoState::kBlocked) return;
    if (result.state != IoState::kOk) return lost();
    deliver_tunnel({scratch.data(), result.bytes});
    if (result.bytes < scratch.size() && !stream_.is_tls()) return;
  }
  // What OpenSSL holds does not make the descriptor readable again.
  if (stream_.is_tls() && phase_ == Phase::kWork && !read_blocked_) host_.loop().defer(*this);
}

/// What comes after finish() is dropped.
void ServerConnection::deliver_tunnel(std::string_view bytes) {
  if (!finished_ && in_exchange_) host_.handler().on_tunnel(*this, bytes);
}

}  // namespace millrace::net
