// EnvironmentJob: one request to an environment, or one connection that has switched protocols, passed through.
#pragma once

#include <string>

#include "gateway/environment_gate.h"
#include "net/http_client.h"
#include "net/http_server.h"

namespace millrace::gateway {

/// Lives as the state of its exchange.
class EnvironmentJob final : public net::ExchangeState, private net::ResponseHandler {
 public:
  struct Parts {
    std::string environment, key_id, request_id;
    Upgrade upgrade = Upgrade::kNone;
  };
  EnvironmentJob(EnvironmentGate& gate, net::Exchange& exchange, Parts parts);
  ~EnvironmentJob() override;

  /// The body is whole.
  void run(std::string_view body);
  void on_tunnel(std::string_view bytes);
  void on_drain();
  /// Ends it if its key may be there no longer; `always`: whatever it is, if it is a tunnel.
  void check(bool always);

  const std::string& environment() const { return parts_.environment; }
  bool is_tunnel() const { return parts_.upgrade != Upgrade::kNone; }

 private:
  friend class EnvironmentGate;
  void on_head(const net::ResponseHead& head) override;
  void on_body(std::string_view bytes) override;
  void on_done() override;
  void on_room() override;
  void on_error(const Error& error, bool any_byte_received) override;
  void switch_protocols(const net::ResponseHead& head);
  void start_answer(const net::ResponseHead& head);
  void note_use(std::string_view bytes);

  EnvironmentGate& gate_;
  net::Exchange& exchange_;
  const Parts parts_;
  net::CallId call_ = 0;
  bool started_ = false, switched_ = false, paused_ = false;
  std::size_t index_ = 0;  // among the gate's jobs
};

}  // namespace millrace::gateway
