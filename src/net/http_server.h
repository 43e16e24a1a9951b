// HTTP/1.1 server on a Loop: strict heads, whole request bodies, streamed answers, a noticed disconnect.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/result.h"
#include "net/http_head.h"
#include "net/loop.h"
#include "net/tls.h"

namespace millrace::net {

/// Base of what a handler keeps with an exchange.
class ExchangeState {
 public:
  virtual ~ExchangeState() = default;
};

/// One request and its answer. Loop thread only. Exists from ServerHandler::on_head until on_sent or on_closed has
/// returned (or abort() was called); then the reference is dead, and find(id) no longer knows it. Requests of one
/// connection come one after the other, so it has at most one exchange at a time.
class Exchange {
 public:
  /// Unique in this server; HttpServer::find turns it back into the exchange.
  virtual std::uint64_t id() const = 0;
  /// Head and body of the request: views stay good until the exchange ends, or release_request().
  virtual const RequestHead& head() const = 0;
  /// Whole, decoded; empty during on_head.
  virtual std::string_view body() const = 0;
  /// "127.0.0.1:4711", "[::1]:4711"; "unix:UID" (the peer's user id) for a unix socket.
  virtual std::string peer() const = 0;
  virtual bool is_tls() const = 0;

  /// In on_head only: replaces ServerOptions::max_body_bytes for this request. A longer body gets 413.
  virtual void set_body_limit(std::uint64_t bytes) = 0;
  /// Frees the memory of head and body but for a kilobyte (all views go bad), for answers that stream for long.
  virtual void release_request() = 0;

  /// What the handler keeps with the exchange; destroyed right after the exchange has ended.
  virtual void set_state(std::unique_ptr<ExchangeState> state) = 0;
  virtual ExchangeState* state() const = 0;

  /// The whole answer at once. `content_type` "" leaves the header out. The server adds content-length, date, and
  /// connection where needed. Before the request body was read (in on_head) the connection closes after the answer.
  /// At most one of respond() and start() may be called, once; a second call is ignored.
  virtual void respond(int status, std::string_view content_type, std::span<const Header> headers,
                       std::string_view body) = 0;
  void respond(int status, std::string_view content_type, std::initializer_list<Header> headers,
               std::string_view body) {
    respond(status, content_type, std::span(headers.begin(), headers.size()), body);
  }

  /// Begins a streamed answer of unknown length (chunked; delimited by close for HTTP/1.0), or of `content_length`
  /// bytes. Then write() any number of times, then finish().
  static constexpr std::uint64_t kUnknownLength = ~0ULL;
  virtual void start(int status, std::string_view content_type, std::span<const Header> headers,
                     std::uint64_t content_length = kUnknownLength) = 0;
  void start(int status, std::string_view content_type, std::initializer_list<Header> headers,
             std::uint64_t content_length = kUnknownLength) {
    start(status, content_type, std::span(headers.begin(), headers.size()), content_length);
  }
  /// Never blocks and takes everything: what the socket does not take is held (see pending_bytes). Bytes go out at
  /// the end of the event in hand, together. Ignored after finish(), after the connection is lost, and for HEAD.
  virtual void write(std::string_view bytes) = 0;
  /// Ends the answer. An answer shorter or longer than its content_length closes the connection.
  virtual void finish() = 0;

  /// Bytes of the answer held in user space. A caller that sees more than it wants stops producing until on_drain.
  virtual std::size_t pending_bytes() const = 0;

  /// Instead of respond() or start(), once the request is whole (HTTP/1.1, without a body): answers 101 with `headers`
  /// (`upgrade` and `connection` among them). From then on the connection carries raw bytes both ways: what comes goes
  /// to ServerHandler::on_tunnel, write() is sent as it is, and finish() ends it. Its end from the other side is
  /// on_closed. False if it was answered already.
  virtual bool switch_protocols(std::span<const Header> headers) = 0;
  /// After switch_protocols: stops and goes on reading what the client sends (back-pressure).
  virtual void pause_reading() = 0;
  virtual void resume_reading() = 0;

  /// Closes the connection at once, unsent bytes are dropped. No callback follows; the state is destroyed.
  virtual void abort() = 0;

 protected:
  ~Exchange() = default;
};

/// What to send for a request that the server itself refuses.
struct ErrorAnswer {
  std::string content_type = "text/plain";
  std::string headers;  // whole lines "name: value\r\n", without line breaks inside a value
  std::string body;
};

/// All on the loop's thread. Each exchange that was given to on_head ends with exactly one of on_sent, on_closed,
/// or the handler's own abort().
class ServerHandler {
 public:
  /// pending_bytes() below which on_drain is called.
  static constexpr std::size_t kDrainBytes = 16 * 1024;

  /// A well-formed head was read, no body byte yet. May respond() (a refusal before the body is read: the connection
  /// closes after it), set_body_limit(), set_state(). `Expect: 100-continue` is answered after it returns without
  /// an answer.
  virtual void on_head(Exchange& exchange) { (void)exchange; }
  /// The body is whole. Respond now or at any later time.
  virtual void on_request(Exchange& exchange) = 0;
  /// pending_bytes() fell below kDrainBytes after having been at or above it.
  virtual void on_drain(Exchange& exchange) { (void)exchange; }
  /// Bytes of a connection that has switched protocols; good until the return.
  virtual void on_tunnel(Exchange& exchange, std::string_view bytes) {
    (void)exchange;
    (void)bytes;
  }
  /// The last byte of the answer was handed to the kernel. The exchange is over when it returns.
  virtual void on_sent(Exchange& exchange) { (void)exchange; }
  /// The client went away (a half-close counts), timed out, or sent a broken or too large body, before the answer
  /// was sent. The exchange is over when it returns; it must not be written to.
  virtual void on_closed(Exchange& exchange) { (void)exchange; }
  /// The answer for a request that the server refuses by itself: `status` 400, 405, 408, 413, 414, 417, 431, 501, 503 or
  /// 505, `reason` a short English sentence. Always sent with Connection: close.
  virtual ErrorAnswer on_refused(int status, std::string_view reason);

 protected:
  ~ServerHandler() = default;
};

struct ListenAddress {
  std::string unix_path;    // not empty: a unix socket, mode 0600, a stale file is replaced
  std::string host;         // numeric address or localhost; "" is every address of the machine
  std::uint16_t port = 0;   // 0: the system picks one, see port()
  bool reuse_port = false;  // several listeners share the port (SO_REUSEPORT)

  static ListenAddress unix_socket(std::string path) { return {std::move(path), {}, 0, false}; }
  static ListenAddress tcp(std::string host, std::uint16_t port) {
    return {{}, std::move(host), port, false};
  }
};

struct ServerOptions {
  HeadLimits head;
  std::uint64_t max_body_bytes = 16 * 1024 * 1024;
  std::size_t max_connections = 10'000;             // above it: 503 with retry-after, then close
  std::chrono::milliseconds head_timeout{10'000};   // from accept or the first byte to a whole head (and TLS)
  std::chrono::milliseconds body_timeout{30'000};   // between two readable events of a body
  std::uint32_t min_body_bytes_per_s = 256;         // after the first body_timeout; slower: 408
  std::chrono::milliseconds idle_timeout{75'000};   // between requests
  std::chrono::milliseconds write_timeout{60'000};  // without the client taking a single byte
  std::chrono::milliseconds linger_timeout{2'000};  // reading on after a refusal, so that it arrives
};

/// Loop thread only. Must be destroyed before its loop, handler and TLS context.
class HttpServer {
 public:
  /// Binds and begins to accept. `tls` null: plain HTTP. kConflict if the address is in use, kInvalidArgument if it
  /// is not one.
  static Result<std::unique_ptr<HttpServer>> listen(Loop& loop, const ListenAddress& address,
                                                    const ServerOptions& options,
                                                    std::shared_ptr<TlsContext> tls, ServerHandler& handler);
  /// Closes everything at once; exchanges in work get on_closed.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Bound TCP port, 0 for a unix socket.
  std::uint16_t port() const;
  /// The exchange of this id, null if it has ended. For answers made elsewhere: post() them to the loop with the id.
  Exchange* find(std::uint64_t id);
  /// Stops accepting and closes idle connections; exchanges in work go on, with Connection: close.
  void drain();
  std::size_t connections() const;
  /// Exchanges between on_head and their end.
  std::size_t exchanges() const;

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::net
