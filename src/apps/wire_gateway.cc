// The gateway process: its parts, and nothing else.
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <optional>

#include "apps/certificate.h"
#include "apps/installation.h"
#include "apps/roles.h"
#include "apps/signals.h"
#include "core/id.h"
#include "engine/llama/llama_adapter.h"
#include "engine/openai/openai_adapter.h"
#include "gateway/gateway.h"
#include "host/file.h"
#include "host/json.h"
#include "host/limits.h"
#include "host/log.h"
#include "host/process.h"
#include "host/system_clock.h"
#include "host/system_rng.h"
#include "net/tls.h"
#include "net/url.h"

namespace millrace::apps {
namespace {

constexpr std::chrono::seconds kDrainWithin{10};
/// Files that are not connections: logs, journal, feed, epoll, and what a new certificate needs.
constexpr std::int64_t kReservedFiles = 200;

/// The port of the last run, so that a gateway which was told "any port" keeps its address over a restart.
std::uint16_t last_port(const Installation& installation) {
  const auto text = host::read_file(installation.gateway_file(), 64 * 1024);
  if (!text) return 0;
  const auto value = host::parse_json(*text);
  if (!value || !value->is_object()) return 0;
  const auto* url = value->as_object().if_contains("url");
  if (url == nullptr || !url->is_string()) return 0;
  const auto parsed = net::parse_url(std::string_view(url->as_string()));
  return parsed ? parsed->port : std::uint16_t{0};
}

Result<void> write_address(const Installation& installation, const host::Config& config,
                           const std::string& host, std::uint16_t port) {
  const bool tls = !config.listen.tls_cert.empty();
  std::string name = host.empty() || host == "0.0.0.0" || host == "::" ? "127.0.0.1" : host;
  if (name.contains(':')) name = "[" + name + "]";
  host::JsonWriter writer;
  writer.begin_object()
      .field("url", fmt::format("{}://{}:{}", tls ? "https" : "http", name, port))
      .field("pid", ::getpid())
      .field("ca_file", tls ? installation.certificate_file() : "")
      .end_object();
  return host::write_file_atomic(installation.gateway_file(), writer.text(), 0600);
}

struct Connections {
  std::int64_t clients = 0, workloads = 0;
};

/// Every client may need a connection to an engine as well. Workloads have a part of their own, so that no tenant's sandboxes
/// take the public listener's.
Connections connections_of(const host::Config& config, const host::OpenFiles& files) {
  constexpr std::int64_t kWorkloadsPart = 32;
  const auto fit = (files.soft - kReservedFiles) / 2;
  const auto most = config.limits.connections > 0 ? config.limits.connections : fit;
  const auto workloads = std::min(most, std::max<std::int64_t>(fit / kWorkloadsPart, 1));
  return {std::min(most, fit - workloads), workloads};
}

/// Listens on the configured address; with port 0, on the port of the last run if it is still free.
Result<std::unique_ptr<gateway::Gateway>> listen(const gateway::Gateway::Parts& parts,
                                                 gateway::GatewayOptions options,
                                                 const Installation& installation) {
  if (options.listen.port == 0) {
    options.listen.port = last_port(installation);
    if (options.listen.port != 0) {
      if (auto made = gateway::Gateway::create(parts, options)) return made;
      options.listen.port = 0;
    }
  }
  return gateway::Gateway::create(parts, options);
}

/// What happens at SIGHUP, SIGTERM and SIGINT.
class Conductor {
 public:
  Conductor(net::Loop& loop, std::unique_ptr<Certificate> certificate, host::Logger& log)
      : loop_(loop), certificate_(std::move(certificate)), log_(log) {}

  void conduct(gateway::Gateway& gateway) { gateway_ = &gateway; }

  void on_signal(int number) {
    if (number == SIGHUP) return certificate_ ? certificate_->reload() : void();
    log_.info("stopping", {{"signal", number}});
    if (gateway_ == nullptr) return loop_.stop();
    gateway_->drain();
    loop_.call_after(kDrainWithin, [this] { loop_.stop(); });
    stop_when_idle();
  }

 private:
  void stop_when_idle() {
    if (gateway_->exchanges() == 0) return loop_.stop();
    loop_.call_after(std::chrono::milliseconds{50}, [this] { stop_when_idle(); });
  }

  net::Loop& loop_;
  const std::unique_ptr<Certificate> certificate_;  // null: plain HTTP
  host::Logger& log_;
  gateway::Gateway* gateway_ = nullptr;
};

gateway::GatewayOptions options_of(const Installation& installation, const host::Config& config,
                                   const net::HostPort& address, const host::OpenFiles& files) {
  gateway::GatewayOptions options;
  options.listen = net::ListenAddress::tcp(address.host, address.port);
  options.workload_socket = installation.gateway_socket();
  options.server_socket = installation.api_socket();
  options.feed_socket = installation.feed_socket();
  options.policy_copy = installation.path("policy.json");
  options.environment_domain = config.environments.domain;
  options.max_stale = std::chrono::seconds{config.policy.max_stale_s};
  options.max_body_bytes = static_cast<std::uint64_t>(config.limits.body_bytes);
  const auto connections = connections_of(config, files);
  options.max_connections = static_cast<std::size_t>(connections.clients);
  options.max_workload_connections = static_cast<std::size_t>(connections.workloads);
  return options;
}

std::optional<std::int64_t> read_cpu(std::int32_t pid) {
  const auto time = host::process_cpu_time(pid);
  return time ? std::optional(time->count()) : std::nullopt;
}

Result<void> serve(const Installation& installation, const host::Config& config, host::Logger& log,
                   const Clock& clock) {
  const auto mark = TRY(RoleMark::take(installation, "gateway"));
  const auto files = TRY(host::raise_open_files());
  host::SystemRng system_rng;
  SeededRng id_rng(system_rng.next());
  const auto pepper = TRY(identity::load_or_create_pepper(installation.secret("pepper"), system_rng));
  const auto loop = TRY(net::Loop::create(clock));
  const auto address = TRY(net::parse_host_port(config.listen.address));
  const auto tls = TRY(listener_tls(config, address.host));
  const auto upstream_tls = TRY(net::TlsContext::client({}));
  auto certificate =
      tls ? std::make_unique<Certificate>(*loop, tls, config, installation.certificate_file(), log) : nullptr;
  Conductor conductor(*loop, std::move(certificate), log);
  const auto signals = TRY(Signals::create(*loop, [&](int number) { conductor.on_signal(number); }));

  const auto journal =
      TRY(ledger::Journal::create(installation.journal_folder(), make_id("jrn", clock.now(), system_rng),
                                  {.slots = static_cast<std::uint32_t>(config.limits.journal_slots)}));
  const auto llama = engine::make_llama_adapter();
  const auto openai = engine::make_openai_adapter();
  const auto options = options_of(installation, config, address, files);
  const auto gateway = TRY(listen({*loop,
                                   clock,
                                   id_rng,
                                   pepper,
                                   *journal,
                                   log,
                                   {{"llama", llama.get()}, {"openai", openai.get()}},
                                   read_cpu,
                                   tls,
                                   upstream_tls},
                                  options, installation));
  conductor.conduct(*gateway);
  TRY_VOID(write_address(installation, config, address.host, gateway->port()));
  log.info("listening", {{"address", config.listen.address},
                         {"port", gateway->port()},
                         {"tls", tls != nullptr},
                         {"open_files", files.soft},
                         {"connections", options.max_connections}});
  loop->run();
  log.info("stopped");
  return {};
}

}  // namespace

int run_gateway(const std::string& home) {
  const host::SystemClock clock;
  const auto fail = [](const Error& error) {
    fmt::print(stderr, "millrace gateway: {}\n", error.message);
    return error.code == ErrorCode::kInvalidArgument ? cli::kUsage : cli::kFailed;
  };
  const auto installation = open_installation(home);
  if (!installation) return fail(installation.error());
  const auto config = load_settings(*installation);
  if (!config) return fail(config.error());
  const auto level = host::parse_log_level(config->log.level).value_or(host::LogLevel::kInfo);
  const auto log = host::Logger::create(installation->path("logs/gateway.log"), level, "gateway", clock);
  if (!log) return fail(log.error());
  if (const auto served = serve(*installation, *config, **log, clock); !served) {
    (*log)->error("failed", served.error());
    return fail(served.error());
  }
  return cli::kOk;
}

}  // namespace millrace::apps
