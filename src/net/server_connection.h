// One accepted connection: the state machine behind Exchange. Private to net.
#pragma once

#include <netinet/in.h>

#include <memory>
#include <string>

#include "net/http_body.h"
#include "net/http_server.h"
#include "net/stream.h"

namespace millrace::net {

/// What connections need of their server.
class ConnectionHost {
 public:
  virtual Loop& loop() = 0;
  virtual const ServerOptions& options() const = 0;
  virtual ServerHandler& handler() = 0;
  virtual std::uint64_t next_exchange_id(std::uint32_t slot) = 0;
  virtual void exchange_ended() = 0;
  virtual bool draining() const = 0;
  virtual std::string_view date() = 0;
  /// Destroys the connection in this slot.
  virtual void release(std::uint32_t slot) = 0;

 protected:
  ~ConnectionHost() = default;
};

class ServerConnection final : public Exchange, private FdHandler, private Deferred, private Deadline {
 public:
  ServerConnection(ConnectionHost& host, std::uint32_t slot, Stream stream, const sockaddr_in6& peer);
  ~ServerConnection();

  /// Begins to serve; false if the descriptor cannot be watched.
  bool begin();
  /// Answers 503 and closes, whatever comes.
  void begin_overloaded();
  bool is_idle() const { return phase_ == Phase::kIdle && in_.empty(); }
  bool has_exchange(std::uint64_t id) const { return in_exchange_ && id_ == id; }
  /// Closes now; an exchange in work gets on_closed.
  void close_by_server() { lost(); }

  std::uint64_t id() const override { return id_; }
  const RequestHead& head() const override { return head_; }
  std::string_view body() const override { return body_; }
  std::string peer() const override;
  bool is_tls() const override { return stream_.is_tls(); }
  void set_body_limit(std::uint64_t bytes) override { body_limit_ = bytes; }
  void release_request() override;
  void set_state(std::unique_ptr<ExchangeState> state) override { state_ = std::move(state); }
  ExchangeState* state() const override { return state_.get(); }
  using Exchange::respond;
  using Exchange::start;
  void respond(int status, std::string_view content_type, std::span<const Header> headers,
               std::string_view body) override;
  void start(int status, std::string_view content_type, std::span<const Header> headers,
             std::uint64_t content_length) override;
  void write(std::string_view bytes) override;
  void finish() override;
  std::size_t pending_bytes() const override { return out_.size() - out_at_; }
  bool switch_protocols(std::span<const Header> headers) override;
  void pause_reading() override;
  void resume_reading() override;
  void abort() override;

 private:
  enum class Phase : std::uint8_t { kHandshake, kIdle, kHead, kBody, kWork, kLinger, kDead };

  void on_events(std::uint32_t events) override;
  void run_deferred() override;
  void on_deadline() override;

  void shake_hands();
  void read_input();
  void consume(std::string_view bytes);
  bool consume_head(std::string_view& bytes, std::string& held);
  bool begin_exchange(std::string_view rest);
  bool consume_body(std::string_view& bytes);
  bool consume_chunks(std::string_view& bytes);
  bool too_slow();
  void read_tunnel();
  void deliver_tunnel(std::string_view bytes);
  void request_ready(std::string_view rest);

  bool begin_answer(int status, std::string_view content_type, std::span<const Header> headers,
                    std::uint64_t content_length, std::size_t room);
  void flush();
  void complete();
  void next_request();
  void refuse(int status, std::string_view reason);
  void linger();
  void lost();
  void end_exchange();
  void close_now();
  void update_interest();

  ConnectionHost& host_;
  const std::uint32_t slot_;
  Phase phase_ = Phase::kIdle;
  bool in_exchange_ = false;
  bool answered_ = false;  // respond() or start() was called
  bool finished_ = false;  // the answer is whole in out_
  bool chunked_ = false;
  bool no_answer_body_ = false;  // HEAD, 204, 304
  bool close_after_ = false;
  bool body_unread_ = false;    // answered before the body was read: the rest of the input is not a request
  bool tunnel_ = false;         // the protocol was switched: raw bytes both ways
  bool read_blocked_ = false;   // bytes came while a request was in work: not read until it is done
  bool write_blocked_ = false;  // the socket takes no more: EPOLLOUT is awaited
  bool was_full_ = false;       // pending_bytes() was at or above kDrainBytes
  std::uint32_t interest_ = 0;
  Stream stream_;
  sockaddr_in6 peer_;
  std::uint64_t id_ = 0;
  RequestHead head_;
  std::string head_bytes_;  // what head_ points into
  std::string body_;
  std::string in_;  // begin of a head, or pipelined bytes of the next requests
  std::string out_;
  std::size_t out_at_ = 0;
  std::uint64_t body_limit_ = 0;
  std::uint64_t answer_left_ = 0;  // of a known content-length
  ChunkedDecoder decoder_;
  MonotonicPoint body_start_;
  std::unique_ptr<ExchangeState> state_;
};

}  // namespace millrace::net
