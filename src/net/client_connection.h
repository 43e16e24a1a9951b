// One connection of HttpClient, and the call it carries. Private to net.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "net/http_body.h"
#include "net/http_client.h"
#include "net/socket.h"
#include "net/stream.h"

namespace millrace::net {

class ClientConnection;

struct ClientCall {
  CallId id = 0;  // 0: not in use
  ResponseHandler* handler = nullptr;
  CallOptions options;
  std::string request;
  ClientConnection* connection = nullptr;
  bool any_byte = false;  // of an answer was received
  bool retried = false;
  bool paused = false;
  std::size_t sent = 0;   // bytes of `request` that are with the kernel
  bool was_full = false;  // after 101: much was pending
};

struct ClientPool {
  Upstream upstream;
  std::vector<ClientConnection*> idle;  // the most recently used last
  std::size_t open = 0;
};

/// What connections need of their client.
class ClientHost {
 public:
  virtual Loop& loop() = 0;
  virtual const ClientOptions& options() const = 0;
  /// The call has ended; its handler has not been told yet.
  virtual void release_call(ClientCall& call) = 0;
  /// Puts the call on a new connection.
  virtual void retry(ClientCall& call, ClientPool& pool) = 0;
  virtual void release_connection(ClientConnection& connection) = 0;

 protected:
  ~ClientHost() = default;
};

class ClientConnection final : private FdHandler, private Deferred, private Deadline {
 public:
  ClientConnection(ClientHost& host, ClientPool& pool, std::size_t slot);
  ~ClientConnection();

  ClientPool& pool() { return pool_; }
  std::size_t slot() const { return slot_; }

  /// Takes the call; it is sent when the connection stands (and told later if that fails).
  void assign(ClientCall& call);
  /// Begins to connect to the first address that works.
  void connect(std::vector<Address> addresses);
  /// Tells the call, after the event in hand, that the connection cannot be made.
  void fail_later(Error error);
  void pause();
  void resume();
  void close_now();
  /// More bytes were added to the call's request, after 101.
  void send_more() { host_.loop().defer(*this); }

 private:
  enum class Phase : std::uint8_t { kStarting, kConnecting, kHandshake, kActive, kIdle, kDead };

  void on_events(std::uint32_t events) override;
  void run_deferred() override;
  void on_deadline() override;

  void connect_next(Error last);
  void connected();
  void shake_hands();
  void begin_active();
  void flush();
  void drained();
  std::uint32_t wanted_events() const;
  void read_input();
  void consume(std::string_view bytes);
  bool consume_head(std::string_view& bytes, std::string& held);
  bool consume_body(std::string_view& bytes);
  bool deliver(std::string_view piece);
  void end_of_input();
  void cut_off();
  void finish(bool clean);
  void fail(Error error);
  void set_interest(std::uint32_t wanted);
  bool carries(CallId id) const { return call_ != nullptr && call_->id == id; }

  ClientHost& host_;
  ClientPool& pool_;
  const std::size_t slot_;
  Phase phase_ = Phase::kStarting;
  bool reused_ = false;
  bool head_done_ = false;
  bool tunnel_ = false;   // 101 has come: raw bytes both ways
  bool resumed_ = false;  // held bytes are to be served
  bool write_blocked_ = false;
  bool watched_ = false;
  std::uint32_t interest_ = 0;
  Stream stream_;
  std::vector<Address> addresses_;
  std::size_t next_address_ = 0;
  std::unique_ptr<Error> failure_;  // to be told by run_deferred
  ClientCall* call_ = nullptr;
  std::string in_;  // begin of a head, or body bytes held while paused
  ResponseHead head_;
  std::uint64_t body_left_ = 0;
  ChunkedDecoder decoder_;
};

}  // namespace millrace::net
