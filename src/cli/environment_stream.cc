#include "cli/environment_stream.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <thread>

#include "host/file.h"
#include "host/system_clock.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "net/tls.h"
#include "net/url.h"

namespace millrace::cli {
namespace {

constexpr std::size_t kMaxHeldBytes = 1 << 20;
constexpr std::chrono::minutes kReadyWithin{2};
constexpr std::chrono::milliseconds kRetry{200};

/// One connection: standard input up, standard output down.
class Carrier final : private net::ResponseHandler, private net::FdHandler {
 public:
  Carrier(net::Loop& loop, net::HttpClient& client) : loop_(loop), client_(client) {}

  Result<void> run(const net::Upstream& gateway, std::string request) {
    call_ = client_.send(gateway, std::move(request),
                         {.method = net::Method::kGet, .retry_stale = false, .upgrade = true}, *this);
    loop_.run();
    stop_reading();
    if (fault_) return std::unexpected(std::move(*fault_));
    return {};
  }
  bool has_begun() const { return reading_started_; }

 private:
  void on_head(const net::ResponseHead& head) override {
    if (head.status == 101) return start_reading();
    const ErrorCode code = head.status == 400                         ? ErrorCode::kInvalidArgument
                           : head.status == 401 || head.status == 403 ? ErrorCode::kDenied
                           : head.status == 404                       ? ErrorCode::kNotFound
                                                                      : ErrorCode::kUnavailable;
    end(Error{code, fmt::format("the gateway answered {}; see: millrace env show", head.status)});
  }
  void on_body(std::string_view bytes) override {
    if (!reading_started_) return;
    if (!host::write_all(STDOUT_FILENO, bytes)) end(std::nullopt);
  }
  void on_done() override { end(std::nullopt); }
  void on_error(const Error& error, bool /*any_byte_received*/) override { end(error); }
  void on_room() override { start_reading(); }

  void on_events(std::uint32_t /*events*/) override {
    const auto scratch = loop_.scratch();
    const ssize_t got = ::read(STDIN_FILENO, scratch.data(), scratch.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (got <= 0) return end(std::nullopt);
    client_.write(call_, {scratch.data(), static_cast<std::size_t>(got)});
    if (client_.pending_bytes(call_) > kMaxHeldBytes) stop_reading();
  }

  void start_reading() {
    reading_started_ = true;
    if (!is_reading_) is_reading_ = loop_.watch(STDIN_FILENO, EPOLLIN, *this).has_value();
    if (!is_reading_)
      end(Error{ErrorCode::kInvalidArgument, "standard input must be a pipe, a socket or a terminal"});
  }
  void stop_reading() {
    if (is_reading_) loop_.unwatch(STDIN_FILENO, *this);
    is_reading_ = false;
  }
  void end(std::optional<Error> fault) {
    client_.cancel(call_);
    stop_reading();
    if (!fault_) fault_ = std::move(fault);
    loop_.stop();
  }

  net::Loop& loop_;
  net::HttpClient& client_;
  net::CallId call_ = 0;
  bool is_reading_ = false, reading_started_ = false;
  std::optional<Error> fault_;
};

}  // namespace

Result<void> carry_stream(const Settings& settings, const std::string& host) {
  const auto url = TRY(net::parse_url(settings.url));
  const host::SystemClock clock;
  const auto loop = TRY(net::Loop::create(clock));
  std::shared_ptr<net::TlsContext> tls;
  if (url.https) tls = TRY(net::TlsContext::client({.ca_file = settings.ca_file}));
  net::HttpClient client(*loop, {});
  std::string request;
  const std::string authorization = "Bearer " + settings.key;
  const std::array<net::Header, 3> headers{
      net::Header{"connection", "upgrade"}, {"upgrade", "millrace-stream"}, {"authorization", authorization}};
  net::append_request(request, net::Method::kGet, "/.millrace/stream", fmt::format("{}:{}", host, url.port),
                      headers, "");
  // It may still be starting, or be woken by this very request.
  const auto until = clock.monotonic() + kReadyWithin;
  for (;;) {
    Carrier carrier(*loop, client);
    auto carried = carrier.run(url.upstream(tls), request);
    const bool again = !carried && carried.error().code == ErrorCode::kUnavailable && !carrier.has_begun() &&
                       clock.monotonic() < until;
    if (!again) return carried;
    std::this_thread::sleep_for(kRetry);
  }
}

}  // namespace millrace::cli
