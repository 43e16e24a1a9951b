#include "net/client_connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "net/http_server.h"

namespace millrace::net {

namespace {

constexpr std::size_t kDropBytes = 256 * 1024;  // of a tunnel, already sent: worth moving the rest for

std::string place(const Upstream& upstream) {
  return upstream.unix_path.empty() ? fmt::format("{}:{}", upstream.host, upstream.port) : upstream.unix_path;
}

}  // namespace

ClientConnection::ClientConnection(ClientHost& host, ClientPool& pool, std::size_t slot)
    : host_(host), pool_(pool), slot_(slot) {
  host_.loop().set_deadline(*this, host_.options().connect_timeout);
}

ClientConnection::~ClientConnection() {
  if (watched_) host_.loop().unwatch(stream_.fd(), *this);
}

void ClientConnection::assign(ClientCall& call) {
  call_ = &call;
  call.connection = this;
  call.sent = 0;
  head_done_ = resumed_ = tunnel_ = call.was_full = false;
  in_.clear();
  if (phase_ == Phase::kIdle) {
    reused_ = true;
    begin_active();
  }
}

void ClientConnection::connect(std::vector<Address> addresses) {
  addresses_ = std::move(addresses);
  connect_next(
      {ErrorCode::kUnavailable, "connect to " + place(pool_.upstream) + ": the name has no address"});
}

void ClientConnection::fail_later(Error error) {
  failure_ = std::make_unique<Error>(std::move(error));
  host_.loop().defer(*this);
}

/// Tries the next address; with none left the call fails with `last`.
void ClientConnection::connect_next(Error last) {
  set_interest(0);
  stream_.close();
  while (next_address_ < addresses_.size()) {
    auto fd = begin_connect(addresses_[next_address_++]);
    if (!fd) {
      last = {ErrorCode::kUnavailable, place(pool_.upstream) + ": " + fd.error().message};
      continue;
    }
    TlsContext::SslPtr ssl;
    if (pool_.upstream.tls != nullptr) {
      auto made = pool_.upstream.tls->connection(fd->get(), pool_.upstream.host);
      if (!made) return fail_later(std::move(made.error()));
      ssl = std::move(*made);
    }
    stream_ = Stream(std::move(*fd), std::move(ssl));
    // A unix socket connects at once, or not at all; an engine that closes after each answer has one for each request.
    if (!pool_.upstream.unix_path.empty() && !stream_.is_tls()) return begin_active();
    phase_ = Phase::kConnecting;
    return set_interest(EPOLLOUT);
  }
  fail_later(std::move(last));
}

void ClientConnection::on_events(std::uint32_t events) {
  switch (phase_) {
    case Phase::kConnecting:
      return connected();
    case Phase::kHandshake:
      return shake_hands();
    case Phase::kIdle:
      return close_now();  // closed by the server, or bytes that nobody asked for
    case Phase::kActive:
      if ((events & EPOLLOUT) != 0) flush();
      if (phase_ == Phase::kActive && (events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0)
        read_input();
      return;
    default:
      return;
  }
}

void ClientConnection::connected() {
  const int error = connect_error(stream_.fd());
  if (error != 0) {
    Error fault = errno_error("connect to " + place(pool_.upstream), error);
    fault.code = ErrorCode::kUnavailable;
    return connect_next(std::move(fault));
  }
  if (!stream_.is_tls()) return begin_active();
  phase_ = Phase::kHandshake;
  shake_hands();
}

void ClientConnection::shake_hands() {
  switch (stream_.handshake()) {
    case IoState::kOk:
      return begin_active();
    case IoState::kBlocked:
      return set_interest(stream_.wants_write() ? EPOLLOUT : EPOLLIN);
    default:
      return fail({ErrorCode::kDenied,
                   fmt::format("TLS with {}: {}", place(pool_.upstream), stream_.handshake_fault())});
  }
}

void ClientConnection::begin_active() {
  phase_ = Phase::kActive;
  addresses_.clear();
  write_blocked_ = false;
  host_.loop().set_deadline(*this, call_->options.head_timeout);
  if (!call_->paused) set_interest(EPOLLIN | EPOLLRDHUP);
  host_.loop().defer(*this);
}

void ClientConnection::run_deferred() {
  if (phase_ == Phase::kDead) return host_.release_connection(*this);
  if (failure_ != nullptr) return fail(std::move(*failure_));
  if (phase_ != Phase::kActive) return;
  flush();
  if (phase_ != Phase::kActive || !resumed_) return;
  resumed_ = false;
  if (head_done_ || !in_.empty()) {  // the end of the answer may be all that is held
    const std::string held = std::exchange(in_, {});
    consume(held);
  }
  if (phase_ == Phase::kActive && stream_.is_tls() && !call_->paused) read_input();
}

void ClientConnection::on_deadline() {
  if (phase_ == Phase::kIdle) return close_now();
  fail({ErrorCode::kTimeout, fmt::format("{}: no {} in time", place(pool_.upstream),
                                         phase_ != Phase::kActive ? "connection"
                                         : head_done_             ? "further bytes of the answer"
                                                                  : "answer")});
}

void ClientConnection::flush() {
  const std::string_view request = call_->request;
  std::size_t& sent = call_->sent;
  bool blocked = false;
  while (sent < request.size() && !blocked) {
    const IoResult result = stream_.write(request.substr(sent));
    // A server may answer and close before it has taken everything: what it said is read first.
    if (result.state == IoState::kFailed) return tunnel_ ? cut_off() : read_input();
    blocked = result.state == IoState::kBlocked;
    sent += result.bytes;
    if (!stream_.is_tls() && sent < request.size()) blocked = true;
  }
  if (blocked != write_blocked_) {
    write_blocked_ = blocked;
    if (!call_->paused || tunnel_) set_interest(wanted_events());
  }
  if (tunnel_) drained();
}

/// Lets go of what was sent, and tells the handler when there is room again.
void ClientConnection::drained() {
  ClientCall& call = *call_;
  if (call.sent >= kDropBytes || call.sent == call.request.size()) {
    call.request.erase(0, call.sent);
    call.sent = 0;
  }
  if (!call.was_full || call.request.size() - call.sent >= ServerHandler::kDrainBytes) return;
  call.was_full = false;
  call.handler->on_room();
}

/// A tunnel that is paused in one direction may still be blocked in the other.
std::uint32_t ClientConnection::wanted_events() const {
  const std::uint32_t reading = call_->paused ? 0U : EPOLLIN | EPOLLRDHUP;
  return reading | (write_blocked_ ? EPOLLOUT : 0U);
}

void ClientConnection::read_input() {
  const auto scratch = host_.loop().scratch();
  const CallId id = call_->id;
  for (int round = 0; round < 4 && carries(id) && !call_->paused; ++round) {
    const IoResult result = stream_.read(scratch);
    if (result.state == IoState::kBlocked) return;
    if (result.state == IoState::kClosed) return end_of_input();
    if (result.state == IoState::kFailed) return cut_off();
    call_->any_byte = true;
    consume({scratch.data(), result.bytes});
    if (result.bytes < scratch.size()) return;
  }
}

void ClientConnection::consume(std::string_view bytes) {
  std::string held;
  const CallId id = call_->id;
  while (!head_done_) {
    if (!consume_head(bytes, held)) return;
  }
  if (consume_body(bytes)) return;
  if (carries(id) && phase_ == Phase::kActive && !call_->paused && !tunnel_) {
    host_.loop().set_deadline(*this, call_->options.body_timeout);
  }
}

/// False if more bytes are needed, or the call has ended. Informational heads are taken and dropped.
bool ClientConnection::consume_head(std::string_view& bytes, std::string& held) {
  if (!in_.empty()) {
    held = std::exchange(in_, {});
    held.append(bytes);
    bytes = held;
  }
  const HeadResult result = parse_response_head(bytes, host_.options().head, call_->options.method, head_);
  if (result.state == HeadResult::State::kNeedMore) {
    in_.assign(bytes);
    return false;
  }
  const bool switched = result.state == HeadResult::State::kDone && head_.status == 101;
  if (result.state == HeadResult::State::kBad || (switched && !call_->options.upgrade)) {
    fail({ErrorCode::kCorrupt,
          fmt::format("{} broke HTTP: {}", place(pool_.upstream),
                      result.reason.empty() ? "it switched protocols unasked" : result.reason)});
    return false;
  }
  bytes.remove_prefix(result.consumed);
  if (head_.status < 200 && !switched) return true;
  head_done_ = true;
  if (switched) {
    tunnel_ = true;
    head_.body = BodyKind::kUntilClose;
    Loop::clear_deadline(*this);
  }
  body_left_ = head_.content_length;
  decoder_.reset();
  const CallId id = call_->id;
  call_->handler->on_head(head_);
  return carries(id);
}

/// Hands a piece to the handler. False if the call is no longer ours.
bool ClientConnection::deliver(std::string_view piece) {
  const CallId id = call_->id;
  call_->handler->on_body(piece);
  return carries(id);
}

/// True if the answer is whole, or the call has ended in another way.
bool ClientConnection::consume_body(std::string_view& bytes) {
  while (true) {
    if (call_->paused) {
      in_.assign(bytes);
      return false;
    }
    std::string_view piece;
    switch (head_.body) {
      case BodyKind::kNone:
        break;
      case BodyKind::kUntilClose:
        piece = bytes;
        bytes = {};
        if (piece.empty()) return false;
        break;
      case BodyKind::kLength:
        piece = bytes.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, bytes.size())));
        bytes.remove_prefix(piece.size());
        body_left_ -= piece.size();
        if (piece.empty() && body_left_ > 0) return false;
        break;
      case BodyKind::kChunked:
        const auto state = decoder_.next(bytes, piece);
        if (state == ChunkedDecoder::State::kNeedMore) return false;
        if (state == ChunkedDecoder::State::kBad) {
          fail({ErrorCode::kCorrupt, place(pool_.upstream) + " broke the chunked coding"});
          return true;
        }
        break;
    }
    if (!piece.empty() && !deliver(piece)) return true;
    const bool whole = head_.body == BodyKind::kNone ||
                       (head_.body == BodyKind::kLength && body_left_ == 0) ||
                       (head_.body == BodyKind::kChunked && decoder_.done());
    if (whole && !call_->paused) {
      finish(bytes.empty());
      return true;
    }
  }
}

void ClientConnection::cut_off() {
  fail({ErrorCode::kUnavailable, place(pool_.upstream) + ": the connection was cut off"});
}

void ClientConnection::end_of_input() {
  if (head_done_ && head_.body == BodyKind::kUntilClose) return finish(false);
  fail({ErrorCode::kUnavailable,
        fmt::format("{} closed the connection {}", place(pool_.upstream),
                    call_->any_byte ? "in the middle of the answer" : "without an answer")});
}

/// The answer is whole. `clean`: nothing followed it.
void ClientConnection::finish(bool clean) {
  ClientCall& call = *std::exchange(call_, nullptr);
  ResponseHandler& handler = *call.handler;
  const bool reusable = clean && head_.keep_alive && call.sent == call.request.size() &&
                        pool_.idle.size() < host_.options().max_idle_per_upstream;
  host_.release_call(call);
  if (reusable) {
    phase_ = Phase::kIdle;
    if (in_.capacity() > 2048) std::string().swap(in_);
    pool_.idle.push_back(this);
    host_.loop().set_deadline(*this, host_.options().idle_timeout);
  } else {
    close_now();
  }
  handler.on_done();
}

void ClientConnection::fail(Error error) {
  if (call_ == nullptr) return close_now();
  ClientCall& call = *std::exchange(call_, nullptr);
  const bool stale = reused_ && !call.any_byte && !call.retried && call.options.retry_stale &&
                     error.code == ErrorCode::kUnavailable;
  close_now();
  if (stale) return host_.retry(call, pool_);
  ResponseHandler& handler = *call.handler;
  const bool any_byte = call.any_byte;
  host_.release_call(call);
  handler.on_error(error, any_byte);
}

void ClientConnection::pause() {
  if (phase_ != Phase::kActive) return;
  // Out of the watch list altogether: a hang-up would be reported over and over.
  set_interest(tunnel_ ? wanted_events() : 0);
  Loop::clear_deadline(*this);
}

void ClientConnection::resume() {
  if (phase_ != Phase::kActive) return;
  set_interest(EPOLLIN | EPOLLRDHUP | (write_blocked_ ? EPOLLOUT : 0U));
  if (!tunnel_) {
    host_.loop().set_deadline(*this, head_done_ ? call_->options.body_timeout : call_->options.head_timeout);
  }
  resumed_ = true;
  host_.loop().defer(*this);
}

void ClientConnection::close_now() {
  if (phase_ == Phase::kDead) return;
  if (phase_ == Phase::kIdle) std::erase(pool_.idle, this);
  call_ = nullptr;
  phase_ = Phase::kDead;
  set_interest(0);
  stream_.close();
  Loop::clear_deadline(*this);
  host_.loop().defer(*this);
}

void ClientConnection::set_interest(std::uint32_t wanted) {
  if (wanted == 0) {
    if (watched_) host_.loop().unwatch(stream_.fd(), *this);
    watched_ = false;
  } else if (!watched_) {
    watched_ = host_.loop().watch(stream_.fd(), wanted, *this).has_value();
    if (!watched_) fail_later({ErrorCode::kExhausted, "no more connections can be watched"});
  } else if (wanted != interest_) {
    host_.loop().modify(stream_.fd(), wanted, *this);
  }
  interest_ = wanted;
}

}  // namespace millrace::net
