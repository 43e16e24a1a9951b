// HTTP/1.1 client on a Loop: keep-alive pools, streamed answers, cancellation that closes the connection.
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
#include "net/url.h"

namespace millrace::net {

struct ClientOptions {
  HeadLimits head;
  std::size_t max_idle_per_upstream = 256;
  std::chrono::milliseconds idle_timeout{30'000};    // a pooled connection older than this is closed
  std::chrono::milliseconds connect_timeout{5'000};  // name lookup, connect and TLS together
};

struct CallOptions {
  Method method = Method::kPost;                    // what the request bytes hold; a HEAD answer has no body
  std::chrono::milliseconds head_timeout{600'000};  // from send() to the head of the answer
  std::chrono::milliseconds body_timeout{600'000};  // between two pieces of the body
  bool retry_stale = true;                          // see send()
  bool upgrade = false;                             // 101 is welcome: see on_head
};

using CallId = std::uint64_t;

/// Told about one call, on the loop's thread, never from inside send() or resume(). After on_done, on_error or
/// cancel() nothing follows. May call the client, cancel() of this call included; must outlive the call.
class ResponseHandler {
 public:
  /// Once; informational answers (1xx) are dropped. Views are good until the return. With CallOptions::upgrade, 101
  /// comes here, too: then what follows are raw bytes both ways, on_body and HttpClient::write, without time limits,
  /// until on_done.
  virtual void on_head(const ResponseHead& head) = 0;
  /// Decoded body, in pieces as they come, never empty; good until the return.
  virtual void on_body(std::string_view bytes) = 0;
  /// The answer is whole.
  virtual void on_done() = 0;
  /// After 101: pending_bytes() fell below ServerHandler::kDrainBytes after having been at or above it.
  virtual void on_room() {}
  /// kUnavailable: not connected, or cut off; kTimeout; kCorrupt: the server broke HTTP; kDenied: its certificate is
  /// not accepted. `any_byte_received`: the server had begun to answer, so sending again may do the work twice.
  virtual void on_error(const Error& error, bool any_byte_received) = 0;

 protected:
  ~ResponseHandler() = default;
};

/// Appends head and body of a request: request line, host, content-length (when there is a body, or the method is
/// POST, PUT or PATCH) and `headers`.
void append_request(std::string& out, Method method, std::string_view target, std::string_view host,
                    std::span<const Header> headers, std::string_view body);

/// Loop thread only. Must be destroyed before its loop, and not from a callback; calls in work end without a callback.
/// The destructor waits for name look-ups in work (seconds, when no name server answers).
class HttpClient {
 public:
  HttpClient(Loop& loop, ClientOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Sends the whole bytes of a request (append_request) over a pooled or new connection. Written at once when a
  /// pooled connection is there. If a pooled connection turns out to be closed before any byte of an answer, the
  /// call is sent once more over a new one, unless retry_stale is false. Names other than numeric addresses and
  /// localhost are looked up in a helper thread.
  CallId send(const Upstream& upstream, std::string request, const CallOptions& options,
              ResponseHandler& handler);
  CallId send(const Upstream& upstream, std::string request, ResponseHandler& handler) {
    return send(upstream, std::move(request), CallOptions{}, handler);
  }

  /// Closes the call's connection, which is how work at the server is cancelled. No callback follows. No effect on a
  /// call that has ended.
  void cancel(CallId id);
  /// Stops reading the answer (back-pressure); at most one read (64 KiB) that is in hand is held. Its timeouts stop.
  void pause(CallId id);
  void resume(CallId id);

  /// After 101: sends raw bytes. Takes everything; what the socket does not take is held (pending_bytes).
  void write(CallId id, std::string_view bytes);
  std::size_t pending_bytes(CallId id) const;

  /// Closes idle connections to this server, e.g. when a replica goes away.
  void forget(const Upstream& upstream);
  std::size_t connections() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::net
