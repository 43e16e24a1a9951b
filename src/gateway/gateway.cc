#include "gateway/gateway.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/id.h"
#include "gateway/dialect/dialect.h"
#include "gateway/dialect/errors.h"
#include "gateway/dialect/models.h"
#include "gateway/environment_gate.h"
#include "gateway/environment_job.h"
#include "gateway/job.h"
#include "gateway/policy_client.h"
#include "gateway/proxy.h"
#include "gateway/routes.h"
#include "net/http_client.h"

namespace millrace::gateway {
namespace {

using dialect::ApiError;

constexpr std::chrono::seconds kExpiryCheck{1};

/// The key in `authorization: Bearer K` or `x-api-key: K`; empty if there is none.
std::string_view key_text(const net::RequestHead& head) {
  if (const auto bearer = head.find("authorization")) {
    constexpr std::string_view kScheme = "bearer ";
    if (bearer->size() > kScheme.size() &&
        net::equals_ignoring_case(bearer->substr(0, kScheme.size()), kScheme)) {
      const auto key = bearer->find_first_not_of(' ', kScheme.size());  // RFC 9110, 11.4: one space or more
      if (key != std::string_view::npos) return bearer->substr(key);
    }
  }
  return head.find("x-api-key").value_or("");
}

/// A client of Anthropic's API; on paths that both APIs have, the header tells.
bool speaks_anthropic(const net::RequestHead& head) {
  return head.path == "/v1/messages" || head.find("anthropic-version").has_value();
}

std::vector<net::Header> id_headers(const net::RequestHead& head, const std::string& request_id) {
  std::vector<net::Header> headers{{"x-request-id", request_id}};
  if (speaks_anthropic(head)) headers.push_back({dialect::kAnthropicIdHeader, request_id});
  return headers;
}

bool is_local(std::string_view peer) { return peer.starts_with("127.") || peer.starts_with("[::1]"); }

/// What answers GET: the id of the request is kept between on_head and on_request.
class PlainState final : public net::ExchangeState {
 public:
  PlainState(std::string id, Answerer answerer) : request_id(std::move(id)), answerer(answerer) {}
  const std::string request_id;
  const Answerer answerer;
};

class GatewayImpl final : public Gateway, private net::ServerHandler {
 public:
  GatewayImpl(Parts parts, const GatewayOptions& options)
      : options_(options),
        client_(parts.loop, {}),
        context_(parts.loop, client_, parts.clock, parts.id_rng, parts.pepper, parts.journal, parts.log,
                 std::move(parts.adapters), std::move(parts.cpu_reader), std::move(parts.upstream_tls)),
        dialects_(dialect::make_dialects()),
        policy_(context_, options.feed_socket, options.policy_copy, options.max_stale,
                [this] {
                  check_keys();
                  context_.room.let_all_in();
                }),
        environments_(context_, options.environment_domain, [this] { policy_.send(environments_.report()); }),
        tls_(std::move(parts.tls)) {}

  Result<void> listen() {
    if (const auto path = unguarded(routes())) {
      return failure(ErrorCode::kInvalidArgument,
                     fmt::format("route {} has no policy: give it one in routes.cc", *path));
    }
    net::ServerOptions server_options;
    server_options.max_body_bytes = options_.max_body_bytes;
    server_options.max_connections = options_.max_connections;
    server_ = TRY(net::HttpServer::listen(context_.loop, options_.listen, server_options, tls_, *this));
    if (!options_.workload_socket.empty()) {
      server_options.max_connections = options_.max_workload_connections;
      workload_server_ = TRY(
          net::HttpServer::listen(context_.loop, net::ListenAddress::unix_socket(options_.workload_socket),
                                  server_options, nullptr, *this));
    }
    policy_.start();
    tick();
    return {};
  }

  std::uint16_t port() const override { return server_->port(); }
  void drain() override {
    server_->drain();
    if (workload_server_ != nullptr) workload_server_->drain();
    environments_.close_tunnels();
  }
  std::size_t exchanges() const override {
    return server_->exchanges() + (workload_server_ != nullptr ? workload_server_->exchanges() : 0);
  }

 private:
  void on_head(net::Exchange& exchange) override;
  void on_request(net::Exchange& exchange) override;
  void on_drain(net::Exchange& exchange) override;
  void on_tunnel(net::Exchange& exchange, std::string_view bytes) override;
  void on_sent(net::Exchange& exchange) override;
  void on_closed(net::Exchange& exchange) override;
  net::ErrorAnswer on_refused(int status, std::string_view reason) override;

  std::expected<const identity::KeyPolicy*, ApiError> authorise(const net::RequestHead& head,
                                                                identity::Action action);
  const dialect::Dialect& dialect_of(std::string_view path) const;
  void refuse(net::Exchange& exchange, const std::string& request_id, const ApiError& error);
  void answer_models(net::Exchange& exchange, const std::string& request_id);
  void answer_model(net::Exchange& exchange, const std::string& request_id);
  void answer_metrics(net::Exchange& exchange, const std::string& request_id);
  void answer_text(net::Exchange& exchange, const std::string& request_id, int status, std::string_view text);
  std::vector<dialect::ModelItem> models() const;
  std::size_t connections() const {
    return server_->connections() + (workload_server_ != nullptr ? workload_server_->connections() : 0);
  }
  void check_keys();
  void tick();

  const GatewayOptions options_;
  net::HttpClient client_;
  Context context_;
  const std::vector<std::unique_ptr<dialect::Dialect>> dialects_;
  PolicyClient policy_;
  EnvironmentGate environments_;
  std::shared_ptr<net::TlsContext> tls_;
  // Last: destroyed first, while jobs still have their context.
  std::unique_ptr<net::HttpServer> server_;
  std::unique_ptr<net::HttpServer> workload_server_;  // null: workloads have none of their own
};

// ---- routing ----------------------------------------------------------------------------------------------------

void GatewayImpl::on_head(net::Exchange& exchange) {
  const net::RequestHead& head = exchange.head();
  const TimePoint now = context_.clock.now();
  std::string request_id = make_id("req", now, context_.id_rng);
  if (const auto name = environment_of_host(head.host, environments_.domain())) {
    return environments_.begin(exchange, *name, std::move(request_id));
  }
  const auto match = match_route(routes(), head.method, head.path);
  if (match.route == nullptr) {
    return refuse(exchange, request_id,
                  match.path_known ? dialect::method_not_allowed(net::name_of(head.method), head.path)
                                   : dialect::unknown_url(net::name_of(head.method), head.path));
  }
  const bool guarded = match.route->guard == Guard::kAction ||
                       (match.route->guard == Guard::kLocalOrAction && !is_local(exchange.peer()));
  if (guarded) {
    const auto key = authorise(head, match.route->action);
    if (!key) return refuse(exchange, request_id, key.error());
    if (match.route->answerer == Answerer::kInference) {
      const auto coding = head.find("content-encoding").value_or("identity");
      if (!net::equals_ignoring_case(coding, "identity"))
        return refuse(exchange, request_id, dialect::unsupported_encoding(coding));
      exchange.set_state(std::make_unique<Job>(context_, exchange, dialect_of(head.path), **key,
                                               std::move(request_id), now));
      return;
    }
  }
  if (match.route->answerer == Answerer::kProxy) {
    exchange.set_state(
        std::make_unique<ProxyJob>(context_, exchange, options_.server_socket, std::move(request_id)));
  } else {
    exchange.set_state(std::make_unique<PlainState>(std::move(request_id), match.route->answerer));
  }
}

std::expected<const identity::KeyPolicy*, ApiError> GatewayImpl::authorise(const net::RequestHead& head,
                                                                           identity::Action action) {
  const auto text = key_text(head);
  if (text.empty()) return std::unexpected(dialect::missing_key());
  const auto* key = context_.policy.key_by_digest(identity::digest_key(context_.pepper, text));
  if (key == nullptr || (key->expires && *key->expires <= context_.clock.now())) {
    return std::unexpected(dialect::invalid_key());
  }
  if (!identity::allowed(key->role, action)) {
    return std::unexpected(
        dialect::permission_denied(fmt::format("a key of role '{}' does not have the right '{}'",
                                               identity::name_of(key->role), identity::name_of(action))));
  }
  if (!context_.admitting) {
    return std::unexpected(
        dialect::overloaded("this gateway has been cut off from its server for longer than "
                            "policy.max_stale and admits nothing; start the server: millrace up"));
  }
  return key;
}

const dialect::Dialect& GatewayImpl::dialect_of(std::string_view path) const {
  return **std::ranges::find(dialects_, path, [](const auto& dialect) { return dialect->path(); });
}

void GatewayImpl::on_request(net::Exchange& exchange) {
  auto* state = exchange.state();
  if (auto* job = dynamic_cast<Job*>(state)) return job->run(exchange.body());
  if (auto* proxy = dynamic_cast<ProxyJob*>(state)) return proxy->run(exchange.body());
  if (auto* environment = dynamic_cast<EnvironmentJob*>(state)) return environment->run(exchange.body());
  const auto* plain = static_cast<PlainState*>(state);
  const std::string request_id = plain->request_id;
  switch (plain->answerer) {
    case Answerer::kModels:
      return answer_models(exchange, request_id);
    case Answerer::kModel:
      return answer_model(exchange, request_id);
    case Answerer::kMetrics:
      return answer_metrics(exchange, request_id);
    case Answerer::kReady:
      return context_.admitting
                 ? answer_text(exchange, request_id, 200, "ready\n")
                 : answer_text(exchange, request_id, 503, "no policy yet: the server has not been seen\n");
    default:
      return answer_text(exchange, request_id, 200, "ok\n");
  }
}

void GatewayImpl::on_drain(net::Exchange& exchange) {
  if (auto* job = dynamic_cast<Job*>(exchange.state())) job->on_drain();
  if (auto* proxy = dynamic_cast<ProxyJob*>(exchange.state())) proxy->on_drain();
  if (auto* environment = dynamic_cast<EnvironmentJob*>(exchange.state())) environment->on_drain();
}

void GatewayImpl::on_tunnel(net::Exchange& exchange, std::string_view bytes) {
  static_cast<EnvironmentJob*>(exchange.state())->on_tunnel(bytes);
}

void GatewayImpl::on_sent(net::Exchange& exchange) {
  if (auto* job = dynamic_cast<Job*>(exchange.state())) job->on_sent();
}

void GatewayImpl::on_closed(net::Exchange& exchange) {
  if (auto* job = dynamic_cast<Job*>(exchange.state())) job->on_closed();
}

net::ErrorAnswer GatewayImpl::on_refused(int status, std::string_view reason) {
  const std::string request_id = make_id("req", context_.clock.now(), context_.id_rng);
  context_.metrics.count_answer("malformed", status);
  const ApiError error{status, status >= 500 ? "server_error" : "invalid_request_error", "malformed_request",
                       "", std::string(reason)};
  return {"application/json", "x-request-id: " + request_id + "\r\n", dialect::render_openai_error(error)};
}

// ---- answers of the gateway itself ------------------------------------------------------------------------------

void GatewayImpl::refuse(net::Exchange& exchange, const std::string& request_id, const ApiError& error) {
  const net::RequestHead& head = exchange.head();
  context_.metrics.count_answer("refused", error.status);
  auto headers = id_headers(head, request_id);
  std::string allowed;
  if (error.status == 405) {
    allowed = allowed_methods(routes(), head.path);
    headers.push_back({"allow", allowed});
  }
  if (error.status == 401) headers.push_back({"www-authenticate", "Bearer"});
  if (error.status == 503) headers.push_back({"retry-after", "1"});
  exchange.respond(error.status, "application/json", headers,
                   speaks_anthropic(head) ? dialect::render_anthropic_error(error, request_id)
                                          : dialect::render_openai_error(error));
}

std::vector<dialect::ModelItem> GatewayImpl::models() const {
  std::vector<dialect::ModelItem> items;
  for (const auto& [name, endpoint] : context_.policy.endpoints()) {
    dialect::ModelItem item{name, endpoint.created_s, 0, endpoint.embeds};
    for (const auto& [id, replica] : context_.policy.replicas()) {
      if (replica.endpoint == name) item.context_tokens = replica.context_tokens;
    }
    items.push_back(std::move(item));
  }
  return items;
}

void GatewayImpl::answer_models(net::Exchange& exchange, const std::string& request_id) {
  const net::RequestHead& head = exchange.head();
  const auto headers = id_headers(head, request_id);
  const auto items = models();
  context_.metrics.count_answer("/v1/models", 200);
  if (!speaks_anthropic(head)) {
    return exchange.respond(200, "application/json", headers, dialect::render_models_openai(items));
  }
  const auto page = dialect::render_models_anthropic(items, head.query);
  if (!page) return refuse(exchange, request_id, page.error());
  exchange.respond(200, "application/json", headers, *page);
}

void GatewayImpl::answer_model(net::Exchange& exchange, const std::string& request_id) {
  const net::RequestHead& head = exchange.head();
  const auto name = head.path.substr(std::string_view("/v1/models/").size());
  const auto items = models();
  const auto item = std::ranges::find(items, name, &dialect::ModelItem::name);
  if (item == items.end()) return refuse(exchange, request_id, dialect::model_not_found(name));
  context_.metrics.count_answer("/v1/models", 200);
  exchange.respond(
      200, "application/json", id_headers(head, request_id),
      speaks_anthropic(head) ? dialect::render_model_anthropic(*item) : dialect::render_model_openai(*item));
}

void GatewayImpl::answer_metrics(net::Exchange& exchange, const std::string& request_id) {
  Gauges gauges{.connections = static_cast<std::int64_t>(connections()),
                .exchanges = static_cast<std::int64_t>(exchanges()),
                .active_requests = static_cast<std::int64_t>(context_.jobs.size()),
                .journal_open = context_.journal.open_count(),
                .policy_version = context_.policy.version(),
                .server_connected = policy_.connected(),
                .routed = {}};
  for (const auto& [id, replica] : context_.pool.replicas()) {
    const auto* endpoint = context_.policy.endpoint(replica->endpoint);
    if (endpoint == nullptr || !endpoint->upstream_url.empty() || endpoint->max_replicas < 2) continue;
    gauges.routed.push_back({replica->endpoint, id, replica->routed.hit, replica->routed.miss});
  }
  const std::array<net::Header, 1> headers{net::Header{"x-request-id", request_id}};
  const auto format = host::MetricsText::format_for(exchange.head().find("accept").value_or(""));
  exchange.respond(200, host::MetricsText::content_type(format), headers,
                   render_metrics(context_.metrics, gauges, format));
}

void GatewayImpl::answer_text(net::Exchange& exchange, const std::string& request_id, int status,
                              std::string_view text) {
  const std::array<net::Header, 1> headers{net::Header{"x-request-id", request_id}};
  exchange.respond(status, "text/plain; charset=utf-8", headers, text);
}

/// From the end, since a job that ends is replaced by the last one.
void GatewayImpl::check_keys() {
  for (std::size_t i = context_.jobs.size(); i > 0; --i) {
    if (i <= context_.jobs.size()) context_.jobs[i - 1]->check_key();
  }
  environments_.check();
}

void GatewayImpl::tick() {
  check_keys();
  environments_.tick();
  policy_.send(environments_.report());
  context_.loop.call_after(kExpiryCheck, [this] { tick(); });
}

}  // namespace

Result<std::unique_ptr<Gateway>> Gateway::create(Parts parts, const GatewayOptions& options) {
  auto gateway = std::make_unique<GatewayImpl>(std::move(parts), options);
  TRY_VOID(gateway->listen());
  return gateway;
}

}  // namespace millrace::gateway
