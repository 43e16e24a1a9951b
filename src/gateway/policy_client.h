// PolicyClient: keeps this gateway's policy in step with the server's feed, and a copy on disk for a start without it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "gateway/context.h"
#include "net/line_channel.h"

namespace millrace::gateway {

/// Connects, and again half a second after each loss. Protocol, JSON lines: we send {"hello":1,"gateway":ID,
/// "version":N}, then {"ack":N} after each change has been applied, and {"stats":{...}} once a second, and at once when
/// requests begin or cease to wait for replicas; the server
/// sends PolicyChange lines. Loop thread.
class PolicyClient final : private net::LineHandler {
 public:
  /// `changed` runs after each applied change, before it is acknowledged.
  PolicyClient(Context& context, std::string feed_socket, std::string copy_path,
               std::chrono::seconds max_stale, std::function<void()> changed);

  /// Loads the copy on disk, if there is one and it reads, and connects.
  void start();
  /// One more message to the server; dropped if it is empty or nobody is connected.
  void send(const std::string& line);
  bool connected() const { return channel_ != nullptr && channel_->is_open(); }

 private:
  void on_line(net::LineChannel& channel, std::string_view line) override;
  void on_close(net::LineChannel& channel, const Error& error) override;
  void connect();
  void tick();
  void save() const;
  void apply(const identity::PolicyChange& change);
  void send_stats();
  void send_soon();

  Context& context_;
  const std::string feed_socket_, copy_path_;
  const std::chrono::seconds max_stale_;
  const std::function<void()> changed_;
  std::unique_ptr<net::LineChannel> channel_;
  std::optional<MonotonicPoint> last_contact_;
  MonotonicPoint sent_at_{};  // of the last stats
  bool sending_soon_ = false;
};

}  // namespace millrace::gateway
