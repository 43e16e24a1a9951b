// A gateway, its clients, its policy feed and an upstream that does as it is told, all on one loop.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/rng.h"
#include "engine/adapter.h"
#include "gateway/gateway.h"
#include "host/log.h"
#include "host/system_clock.h"
#include "identity/key.h"
#include "ledger/drain.h"
#include "ledger/journal.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/line_channel.h"
#include "store/memory/memory_usage.h"

namespace millrace::testing {

/// An OpenAI-compatible upstream. Each request is kept open and answered by the test.
class Upstream final : public net::ServerHandler {
 public:
  Upstream(net::Loop& loop, std::uint64_t& seen,
           const net::ListenAddress& address = net::ListenAddress::tcp("127.0.0.1", 0));
  void on_request(net::Exchange& exchange) override;
  void on_closed(net::Exchange& exchange) override;
  std::string url() const;
  /// The open exchange, null if none.
  net::Exchange* open();
  void answer(int status, std::string_view body);
  void begin(int status, std::string_view bytes);  // of a body that does not end
  void start_stream();
  void send_event(std::string_view data);
  void drop();  // breaks the open exchange's connection, and goes on listening
  void stop();  // closes everything, as a killed engine does

  std::vector<std::string> bodies;
  int closed = 0;

 private:
  net::Loop& loop_;
  std::uint64_t& seen_;
  std::unique_ptr<net::HttpServer> server_;
  std::uint16_t port_ = 0;
  std::uint64_t open_id_ = 0;
};

/// One client request and what came back.
class Call final : public net::ResponseHandler {
 public:
  void on_head(const net::ResponseHead& head) override;
  void on_body(std::string_view bytes) override { body += bytes; }
  void on_done() override { done = true; }
  void on_error(const Error& error, bool any_byte_received) override;

  int status = 0;
  std::map<std::string, std::string> headers;
  std::string body;
  bool done = false, failed = false;
  net::CallId id = 0;
};

/// The real clock until it is set.
class SetClock final : public Clock {
 public:
  TimePoint now() const override { return real_.now() + ahead; }
  MonotonicPoint monotonic() const override { return real_.monotonic(); }
  std::chrono::seconds ahead{0};

 private:
  const host::SystemClock real_;
};

class World final : private net::LineHandler {
 public:
  /// With `tls` the gateway's address speaks TLS, with a certificate of its own for 127.0.0.1.
  explicit World(bool tls = false, std::chrono::seconds max_stale = std::chrono::hours{24});
  ~World();

  /// Sets and deletes policy records and waits until the gateway has acknowledged.
  void change(std::map<std::string, std::string> set, std::vector<std::string> del = {});
  /// The server is gone, and its socket with it.
  void lose_server();
  void set_clock(std::chrono::seconds ahead) { clock_.ahead = ahead; }
  /// Gives the key that requests are sent with another role.
  void set_role(identity::Role role);
  /// Runs the loop until `done` or 10 s have passed; false then.
  bool until(const std::function<bool()>& done);
  std::unique_ptr<Call> post(const std::string& path, const std::string& body, const std::string& key = {});
  std::unique_ptr<Call> chat(bool stream);
  /// Any request, to any host name.
  struct Request {
    net::Method method = net::Method::kGet;
    std::string path = "/", host = {}, body = {};
    std::vector<net::Header> headers = {};
    bool upgrade = false;
  };
  std::unique_ptr<Call> send(const Request& request);
  net::Loop& loop() { return *loop_; }
  net::HttpClient& client() { return *client_; }
  TimePoint now() const { return clock_.now(); }
  const std::string& folder() const { return folder_; }
  std::uint16_t port() const { return gateway_->port(); }
  std::string workload_socket() const { return folder_ + "/workloads.sock"; }
  /// The body that GET answers.
  std::string get(const std::string& path);
  /// An endpoint whose replicas are the test's own: `start` makes one that listens, and tells the gateway.
  void local_endpoint(const std::string& name, std::int32_t max_replicas, std::int64_t start_timeout_s = 60,
                      const std::string& trouble = {}, const std::string& routing = "cost",
                      const std::string& hold = {});
  std::unique_ptr<Upstream> start(const std::string& replica, const std::string& endpoint,
                                  std::int32_t slots = 1);
  void cancel(Call& call) { client_->cancel(call.id); }
  /// Everything settled so far, by the drain.
  std::vector<store::UsageRecord> records();

  std::uint64_t upstream_requests = 0;
  std::unique_ptr<Upstream> upstream;
  std::string key_text;
  std::vector<std::string> told;  // what the gateway told of environments
  std::string stats;              // the gateway's last report
  bool as_workload = false;       // requests go to the gateway's socket for workloads

 private:
  void on_line(net::LineChannel& channel, std::string_view line) override;
  void on_close(net::LineChannel& channel, const Error& error) override;
  net::Upstream target() const;

  SetClock clock_;
  SeededRng rng_{7};
  std::string folder_;
  std::unique_ptr<net::Loop> loop_;
  std::unique_ptr<host::Logger> log_;
  std::unique_ptr<identity::Pepper> pepper_;
  identity::KeyPolicy key_;
  std::unique_ptr<ledger::Journal> journal_;
  std::unique_ptr<engine::Adapter> adapter_;
  std::unique_ptr<net::LineServer> feed_;
  std::unique_ptr<net::LineChannel> channel_;
  std::unique_ptr<net::HttpClient> client_;
  std::shared_ptr<net::TlsContext> server_tls_, client_tls_;  // null: plain HTTP
  std::unique_ptr<gateway::Gateway> gateway_;
  std::int64_t version_ = 0, acked_ = -1;
  bool hello_ = false;
  store::MemoryUsageTable usage_;
  std::unique_ptr<ledger::JournalDrain> drain_;
};

}  // namespace millrace::testing
