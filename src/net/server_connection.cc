#include "net/server_connection.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>

#include "net/http_writer.h"

namespace millrace::net {

namespace {

constexpr std::size_t kKeepBytes = 2048;        // buffers up to this size stay with an idle connection
constexpr std::size_t kKeepWorkingBytes = 512;  // and up to this one with a request that no longer needs them
constexpr std::size_t kKeepHeaders = 16;

/// Empties a buffer, and gives its memory back if it was a large one.
void reset(std::string& buffer, std::size_t keep_bytes = kKeepBytes) {
  if (buffer.capacity() > keep_bytes) {
    std::string().swap(buffer);
  } else {
    buffer.clear();
  }
}

}  // namespace

ServerConnection::ServerConnection(ConnectionHost& host, std::uint32_t slot, Stream stream,
                                   const sockaddr_in6& peer)
    : host_(host), slot_(slot), stream_(std::move(stream)), peer_(peer) {}

ServerConnection::~ServerConnection() {
  if (stream_.is_open()) host_.loop().unwatch(stream_.fd(), *this);
}

bool ServerConnection::begin() {
  phase_ = stream_.is_tls() ? Phase::kHandshake : Phase::kIdle;
  interest_ = EPOLLIN | EPOLLRDHUP;
  if (!host_.loop().watch(stream_.fd(), interest_, *this)) return false;
  host_.loop().set_deadline(*this, host_.options().head_timeout);
  return true;
}

void ServerConnection::begin_overloaded() {
  refuse(503, "the server has too many connections; try again later");
}

std::string ServerConnection::peer() const {
  char text[INET6_ADDRSTRLEN] = {};
  if (peer_.sin6_family == AF_INET) {
    sockaddr_in v4{};
    std::copy_n(reinterpret_cast<const char*>(&peer_), sizeof v4, reinterpret_cast<char*>(&v4));
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    return fmt::format("{}:{}", text, ntohs(v4.sin_port));
  }
  if (peer_.sin6_family == AF_INET6) {
    inet_ntop(AF_INET6, &peer_.sin6_addr, text, sizeof text);
    return fmt::format("[{}]:{}", text, ntohs(peer_.sin6_port));
  }
  ucred peer{};
  socklen_t length = sizeof peer;
  if (!stream_.is_open() || ::getsockopt(stream_.fd(), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
    return "unix:";
  return fmt::format("unix:{}", peer.uid);
}

void ServerConnection::release_request() {
  if (phase_ != Phase::kWork) return;
  head_.target = head_.path = head_.query = head_.host = {};
  head_.headers.clear();
  if (head_.headers.capacity() > kKeepHeaders) head_.headers.shrink_to_fit();
  reset(head_bytes_, kKeepWorkingBytes);
  reset(body_, kKeepWorkingBytes);
}

// ---- events -------------------------------------------------------------------------------------------------------

void ServerConnection::on_events(std::uint32_t events) {
  if (phase_ == Phase::kHandshake) {
    shake_hands();
    if (phase_ == Phase::kHandshake || phase_ == Phase::kDead) return;
  }
  if ((events & EPOLLOUT) != 0) flush();
  if (phase_ == Phase::kDead || (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == 0) return;
  if (phase_ != Phase::kWork) return read_input();
  const bool hung_up = (events & EPOLLERR) != 0 || (read_blocked_ && (events & EPOLLHUP) != 0);
  if (tunnel_ && !hung_up) return read_tunnel();
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) return lost();
  read_blocked_ = true;
  update_interest();
}

void ServerConnection::shake_hands() {
  switch (stream_.handshake()) {
    case IoState::kOk:
      phase_ = Phase::kIdle;
      update_interest();
      return;
    case IoState::kBlocked:
      return update_interest();
    default:
      return close_now();
  }
}

void ServerConnection::read_input() {
  const auto scratch = host_.loop().scratch();
  // A few full buffers at a time, so that one fast sender does not hold up the others.
  for (int round = 0; round < 4; ++round) {
    const IoResult result = stream_.read(scratch);
    if (result.state == IoState::kBlocked) return;
    if (result.state != IoState::kOk) return lost();
    consume({scratch.data(), result.bytes});
    if (phase_ == Phase::kWork || phase_ == Phase::kDead || result.bytes < scratch.size()) return;
  }
}

void ServerConnection::on_deadline() {
  switch (phase_) {
    case Phase::kHead:
      return refuse(408, "the head of the request did not come in time");
    case Phase::kBody:
      return refuse(408, "the body of the request did not come in time");
    default:
      return lost();
  }
}

void ServerConnection::run_deferred() {
  if (phase_ == Phase::kDead) return host_.release(slot_);
  if (tunnel_ && !read_blocked_ && (!in_.empty() || stream_.is_tls())) read_tunnel();
  if (phase_ == Phase::kDead) return;  // its release has been deferred anew
  flush();
}

// ---- the request --------------------------------------------------------------------------------------------------

void ServerConnection::consume(std::string_view bytes) {
  std::string held;  // bytes that came earlier, while `bytes` points into them
  while (true) {
    switch (phase_) {
      case Phase::kIdle:
      case Phase::kHead:
        if (!consume_head(bytes, held)) return;
        break;
      case Phase::kBody:
        if (!consume_body(bytes)) return;
        break;
      default:
        return;  // kLinger: dropped
    }
  }
}

/// True if the body is to be read next, from the rest of `bytes`.
bool ServerConnection::consume_head(std::string_view& bytes, std::string& held) {
  std::string_view data = bytes;
  if (!in_.empty()) {
    in_.append(bytes);
    // Without a new line end the verdict is the same: do not read the head again for each byte of a slow sender.
    if (bytes.find('\n') == std::string_view::npos && in_.size() <= host_.options().head.max_target_bytes)
      return false;
    data = in_;
  }
  const HeadResult result = parse_request_head(data, host_.options().head, head_);
  if (result.state == HeadResult::State::kBad) {
    refuse(result.status, result.reason);
    return false;
  }
  if (result.state == HeadResult::State::kNeedMore) {
    if (in_.empty()) in_.assign(data);
    if (phase_ == Phase::kIdle) host_.loop().set_deadline(*this, host_.options().head_timeout);
    phase_ = Phase::kHead;
    return false;
  }
  head_bytes_.assign(data.substr(0, result.consumed));
  head_.rebase(data.data(), head_bytes_.data());
  if (!in_.empty()) {
    held = std::exchange(in_, {});
    data = held;
  }
  bytes = data.substr(result.consumed);
  return begin_exchange(bytes);
}

bool ServerConnection::begin_exchange(std::string_view rest) {
  id_ = host_.next_exchange_id(slot_);
  in_exchange_ = true;
  answered_ = finished_ = chunked_ = no_answer_body_ = body_unread_ = was_full_ = tunnel_ = false;
  close_after_ = !head_.keep_alive || host_.draining();
  body_limit_ = host_.options().max_body_bytes;
  phase_ = Phase::kBody;
  host_.handler().on_head(*this);
  if (phase_ != Phase::kBody) return false;  // answered or aborted
  if (head_.body == BodyKind::kNone) {
    request_ready(rest);
    return false;
  }
  if (head_.body == BodyKind::kLength && head_.content_length > body_limit_) {
    refuse(413, "the body is larger than is allowed");
    return false;
  }
  if (head_.expect_continue && rest.empty()) {
    out_.append("HTTP/1.1 100 Continue\r\n\r\n");
    host_.loop().defer(*this);
  }
  decoder_.reset();
  body_start_ = host_.loop().now();
  if (head_.body == BodyKind::kLength)
    body_.reserve(std::min<std::uint64_t>(head_.content_length, 64 * 1024));
  host_.loop().set_deadline(*this, host_.options().body_timeout);
  return true;
}

/// Always false: either the body needs more bytes, or the request is in work, or it was refused.
bool ServerConnection::consume_body(std::string_view& bytes) {
  bool whole = false;
  if (head_.body == BodyKind::kChunked) {
    if (!consume_chunks(bytes)) return false;
    whole = decoder_.done();
  } else {
    const auto take = std::min<std::uint64_t>(head_.content_length - body_.size(), bytes.size());
    body_.append(bytes.substr(0, take));
    bytes.remove_prefix(take);
    whole = body_.size() == head_.content_length;
  }
  if (whole) {
    request_ready(bytes);
  } else if (too_slow()) {
    refuse(408, "the body of the request comes too slowly");
  } else {
    host_.loop().set_deadline(*this, host_.options().body_timeout);
  }
  return false;
}

bool ServerConnection::consume_chunks(std::string_view& bytes) {
  while (true) {
    std::string_view piece;
    switch (decoder_.next(bytes, piece)) {
      case ChunkedDecoder::State::kData:
        if (body_.size() + piece.size() > body_limit_) {
          refuse(413, "the body is larger than is allowed");
          return false;
        }
        body_.append(piece);
        break;
      case ChunkedDecoder::State::kBad:
        refuse(400, "the chunked body is malformed");
        return false;
      default:
        return true;
    }
  }
}

bool ServerConnection::too_slow() {
  const auto elapsed = host_.loop().now() - body_start_;
  if (elapsed < host_.options().body_timeout) return false;
  const auto seconds =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(elapsed).count());
  return body_.size() < seconds * host_.options().min_body_bytes_per_s;
}

void ServerConnection::request_ready(std::string_view rest) {
  phase_ = Phase::kWork;
  Loop::clear_deadline(*this);
  if (!rest.empty()) in_.assign(rest);
  host_.handler().on_request(*this);
}

// ---- the answer ---------------------------------------------------------------------------------------------------

/// Writes the head of the answer. False if there is no exchange to answer, or it has an answer.
bool ServerConnection::begin_answer(int status, std::string_view content_type,
                                    std::span<const Header> headers, std::uint64_t content_length,
                                    std::size_t room) {
  if (!in_exchange_ || answered_) return false;
  answered_ = true;
  if (phase_ == Phase::kBody) {
    body_unread_ = close_after_ = true;
    phase_ = Phase::kWork;
    Loop::clear_deadline(*this);
  }
  const bool bodiless = status == 204 || status == 304;
  no_answer_body_ = bodiless || head_.method == Method::kHead;
  const bool unknown = content_length == kUnknownLength;
  chunked_ = unknown && !bodiless && head_.minor_version == 1;
  if (unknown && !bodiless && !chunked_) close_after_ = true;
  answer_left_ = content_length;
  out_.reserve(out_.size() + 256 + headers.size() * 48 + room);
  append_status_line(out_, status);
  if (!content_type.empty()) append_header(out_, "content-type", content_type);
  append_headers(out_, headers);
  if (!unknown && !bodiless) append_header(out_, "content-length", content_length);
  if (chunked_) out_.append("transfer-encoding: chunked\r\n");
  if (close_after_ || host_.draining()) {
    close_after_ = true;
    out_.append("connection: close\r\n");
  } else if (head_.minor_version == 0) {
    out_.append("connection: keep-alive\r\n");
  }
  out_.append(host_.date()).append("\r\n");
  host_.loop().defer(*this);
  return true;
}

void ServerConnection::respond(int status, std::string_view content_type, std::span<const Header> headers,
                               std::string_view body) {
  if (!begin_answer(status, content_type, headers, body.size(), body.size())) return;
  if (!no_answer_body_) out_.append(body);
  finished_ = true;
}

void ServerConnection::start(int status, std::string_view content_type, std::span<const Header> headers,
                             std::uint64_t content_length) {
  begin_answer(status, content_type, headers, content_length, 0);
}

void ServerConnection::write(std::string_view bytes) {
  if (!answered_ || finished_ || no_answer_body_ || !in_exchange_ || bytes.empty()) return;
  if (chunked_) {
    append_chunk(out_, bytes);
  } else {
    if (answer_left_ != kUnknownLength) {
      bytes = bytes.substr(0, std::min<std::uint64_t>(bytes.size(), answer_left_));
      answer_left_ -= bytes.size();
    }
    out_.append(bytes);
  }
  if (pending_bytes() >= ServerHandler::kDrainBytes) was_full_ = true;
  host_.loop().defer(*this);
}

void ServerConnection::finish() {
  if (!answered_ || finished_ || !in_exchange_) return;
  finished_ = true;
  if (chunked_ && !no_answer_body_) append_last_chunk(out_);
  if (!no_answer_body_ && answer_left_ != kUnknownLength && answer_left_ != 0) close_after_ = true;
  host_.loop().defer(*this);
}

void ServerConnection::flush() {
  if (phase_ == Phase::kDead) return;
  bool blocked = false;
  bool moved = false;
  while (out_at_ < out_.size() && !blocked) {
    const IoResult result = stream_.write(std::string_view(out_).substr(out_at_));
    if (result.state == IoState::kFailed) return lost();
    blocked = result.state == IoState::kBlocked;
    out_at_ += result.bytes;
    moved = moved || result.bytes > 0;
    // A short write means a full socket: the next one would only say so.
    if (!stream_.is_tls() && out_at_ < out_.size()) blocked = true;
  }
  const bool was_blocked = std::exchange(write_blocked_, blocked);
  if (!blocked) {
    reset(out_);
    out_at_ = 0;
    if (phase_ == Phase::kWork) Loop::clear_deadline(*this);
  } else {
    if (out_at_ >= 256 * 1024) {
      out_.erase(0, out_at_);
      out_at_ = 0;
    }
    if (phase_ == Phase::kWork && (moved || !was_blocked)) {
      host_.loop().set_deadline(*this, host_.options().write_timeout);
    }
  }
  if (was_full_ && pending_bytes() < ServerHandler::kDrainBytes) {
    was_full_ = false;
    if (in_exchange_ && !finished_) host_.handler().on_drain(*this);
    if (phase_ == Phase::kDead) return;
  }
  if (out_.empty() && finished_ && in_exchange_) return complete();
  if (out_.empty() && phase_ == Phase::kLinger && !finished_) {
    finished_ = true;
    stream_.shutdown_write();
  }
  update_interest();
}

/// The answer is with the kernel.
void ServerConnection::complete() {
  host_.handler().on_sent(*this);
  if (!in_exchange_) return;  // aborted just now
  end_exchange();
  if (!close_after_) return next_request();
  if (body_unread_ || read_blocked_ || !in_.empty()) {
    stream_.shutdown_write();
    return linger();
  }
  // Everything that came was read, so closing loses nothing.
  if (stream_.is_tls()) stream_.shutdown_write();
  close_now();
}

void ServerConnection::next_request() {
  phase_ = Phase::kIdle;
  read_blocked_ = false;
  if (host_.draining() && in_.empty()) return close_now();
  host_.loop().set_deadline(*this, host_.options().idle_timeout);
  if (!in_.empty()) {
    const std::string held = std::exchange(in_, {});
    consume(held);
    if (phase_ == Phase::kDead) return;
  }
  update_interest();
  // Bytes that OpenSSL holds already do not make the descriptor readable.
  if (stream_.is_tls() && phase_ == Phase::kIdle) read_input();
}

// ---- ends ---------------------------------------------------------------------------------------------------------

/// Answers a request that breaks a rule, reads on for a while so that the answer is not lost to a reset, and closes.
void ServerConnection::refuse(int status, std::string_view reason) {
  if (in_exchange_) {
    in_exchange_ = false;  // it can neither be answered nor aborted from the callback
    host_.handler().on_closed(*this);
    end_exchange();
  }
  const ErrorAnswer answer = host_.handler().on_refused(status, reason);
  append_status_line(out_, status);
  append_header(out_, "content-type", answer.content_type);
  append_header(out_, "content-length", answer.body.size());
  if (status == 503) out_.append("retry-after: 1\r\n");
  if (status == 405) out_.append("allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n");
  out_.append("connection: close\r\n")
      .append(answer.headers)
      .append(host_.date())
      .append("\r\n")
      .append(answer.body);
  finished_ = false;
  linger();
  host_.loop().defer(*this);
}

void ServerConnection::linger() {
  phase_ = Phase::kLinger;
  in_.clear();
  read_blocked_ = false;
  host_.loop().set_deadline(*this, host_.options().linger_timeout);
  update_interest();
}

/// The client is gone, or is given up.
void ServerConnection::lost() {
  if (phase_ == Phase::kDead) return;
  if (in_exchange_) {
    in_exchange_ = false;
    host_.handler().on_closed(*this);
    end_exchange();
  }
  close_now();
}

void ServerConnection::abort() {
  if (!in_exchange_) return;
  in_exchange_ = false;
  host_.exchange_ended();
  close_now();  // the state goes with the connection: it may be what is calling
}

void ServerConnection::end_exchange() {
  in_exchange_ = false;
  state_.reset();
  reset(head_bytes_);
  reset(body_);
  host_.exchange_ended();
}

void ServerConnection::close_now() {
  if (phase_ == Phase::kDead) return;
  phase_ = Phase::kDead;
  host_.loop().unwatch(stream_.fd(), *this);
  stream_.close();
  Loop::clear_deadline(*this);
  host_.loop().defer(*this);
}

void ServerConnection::update_interest() {
  if (phase_ == Phase::kDead) return;
  std::uint32_t wanted = read_blocked_ ? 0 : EPOLLIN;
  if (phase_ != Phase::kLinger && !(tunnel_ && read_blocked_)) wanted |= EPOLLRDHUP;
  if (write_blocked_ || (phase_ == Phase::kHandshake && stream_.wants_write())) wanted |= EPOLLOUT;
  if (wanted == interest_) return;
  interest_ = wanted;
  host_.loop().modify(stream_.fd(), wanted, *this);
}

}  // namespace millrace::net
