// Proxy: passes a request for the control API or the console on to the server process, and its answer back.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "gateway/context.h"
#include "net/http_client.h"
#include "net/http_server.h"

namespace millrace::gateway {

/// Lives as the state of its exchange. The server is gone: 503 as problem+json.
class ProxyJob final : public net::ExchangeState, private net::ResponseHandler {
 public:
  ProxyJob(Context& context, net::Exchange& exchange, std::string server_socket, std::string request_id)
      : context_(context),
        exchange_(exchange),
        server_socket_(std::move(server_socket)),
        request_id_(std::move(request_id)) {}
  ~ProxyJob() override;

  /// The body is whole.
  void run(std::string_view body);
  void on_drain();

 private:
  void on_head(const net::ResponseHead& head) override;
  void on_body(std::string_view bytes) override;
  void on_done() override;
  void on_error(const Error& error, bool any_byte_received) override;

  Context& context_;
  net::Exchange& exchange_;
  const std::string server_socket_, request_id_;
  net::CallId call_ = 0;
  bool started_ = false;
  bool paused_ = false;
};

}  // namespace millrace::gateway
