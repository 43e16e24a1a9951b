// ApiServer: serves the control API and the console on a unix socket. Its loop does the I/O, a few threads the work.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "api/dispatcher.h"
#include "api/services.h"
#include "core/embedded.h"
#include "core/result.h"
#include "core/rng.h"
#include "net/http_server.h"
#include "net/loop.h"

namespace millrace::api {

struct ApiOptions {
  std::string socket;             // path of the unix socket
  std::string inference_openapi;  // JSON object: "paths" and "components" of /v1, or empty
  std::span<const EmbeddedFile> console;
  int threads = 16;  // more than Waits::kMost
};

/// Created and destroyed on the loop's thread.
class ApiServer final : private net::ServerHandler {
 public:
  /// Listens. kInvalidArgument if a route declares no policy (invariant I4), or the routes or the inference fragment
  /// are otherwise wrong; kConflict if another server has the socket. `services` and `loop` must outlive the server;
  /// `rng` must be safe from the loop's thread.
  static Result<std::unique_ptr<ApiServer>> start(net::Loop& loop, const ApiOptions& options,
                                                  Services& services, Rng& rng);
  /// The same with a table of one's own, for tests.
  static Result<std::unique_ptr<ApiServer>> start(net::Loop& loop, const ApiOptions& options,
                                                  Services& services, Rng& rng, std::vector<Route> routes);
  /// Waits for the handlers in work; what they answer is dropped.
  ~ApiServer();

 private:
  struct Work {
    std::uint64_t exchange = 0;
    RawRequest request;
  };
  static constexpr std::size_t kQueueMax = 1000;

  ApiServer(net::Loop& loop, Services& services, Rng& rng, std::unique_ptr<Dispatcher> dispatcher);
  void on_head(net::Exchange& exchange) override;
  void on_request(net::Exchange& exchange) override;
  net::ErrorAnswer on_refused(int status, std::string_view reason) override;
  /// Takes the work; false, and nothing taken, if too much waits.
  bool enqueue(Work& work);
  void work_until_stopped();
  void answer(std::uint64_t exchange, const Reply& reply);

  net::Loop& loop_;
  Services& services_;
  Rng& rng_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<net::HttpServer> http_;  // loop thread
  std::shared_ptr<ApiServer*> self_;       // loop thread: emptied by the destructor, for posted answers
  std::mutex mutex_;
  std::condition_variable some_;
  std::deque<Work> queue_;  // guarded by mutex_
  bool stopping_ = false;   // guarded by mutex_
  std::vector<std::jthread> threads_;
};

}  // namespace millrace::api
