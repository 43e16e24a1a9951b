#include "world.h"

#include <unistd.h>

#include <cstdlib>

#include "core/id.h"
#include "engine/openai/openai_adapter.h"
#include "host/file.h"
#include "net/certificate_test_support.h"
#include "net/sse.h"
#include "net/url.h"

namespace millrace::testing {
namespace {

constexpr std::chrono::seconds kPatience{10};

std::string make_folder() {
  std::string name = "/tmp/millrace-test-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) std::abort();
  return name;
}

template <typename T>
T must(Result<T> result) {
  if (!result) {
    std::fputs((result.error().message + "\n").c_str(), stderr);
    std::abort();
  }
  return std::move(*result);
}

}  // namespace

Upstream::Upstream(net::Loop& loop, std::uint64_t& seen, const net::ListenAddress& address)
    : loop_(loop), seen_(seen) {
  server_ = must(net::HttpServer::listen(loop_, address, {}, nullptr, *this));
  port_ = server_->port();
}

std::string Upstream::url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/v1"; }

void Upstream::on_request(net::Exchange& exchange) {
  ++seen_;
  bodies.emplace_back(exchange.body());
  open_id_ = exchange.id();
}

void Upstream::on_closed(net::Exchange& /*exchange*/) { ++closed; }

net::Exchange* Upstream::open() { return server_ == nullptr ? nullptr : server_->find(open_id_); }

void Upstream::answer(int status, std::string_view body) {
  open()->respond(status, "application/json", {}, body);
}

void Upstream::begin(int status, std::string_view bytes) {
  open()->start(status, "application/json", std::initializer_list<net::Header>{});
  open()->write(bytes);
}

void Upstream::start_stream() {
  open()->start(200, "text/event-stream", std::initializer_list<net::Header>{});
}

void Upstream::send_event(std::string_view data) {
  std::string bytes;
  net::append_sse(bytes, "", data);
  open()->write(bytes);
  if (data == "[DONE]") open()->finish();
}

void Upstream::drop() { open()->abort(); }

void Upstream::stop() { server_.reset(); }

void Call::on_head(const net::ResponseHead& head) {
  status = head.status;
  for (const auto& header : head.headers) headers[std::string(header.name)] = header.value;
}

void Call::on_error(const Error& error, bool /*any_byte_received*/) {
  failed = true;
  body += "<" + error.message + ">";
}

World::World(bool tls, std::chrono::seconds max_stale) : folder_(make_folder()) {
  if (tls) {
    const std::string cert = folder_ + "/cert.pem", key = folder_ + "/key.pem";
    net::testing::write_certificate(cert, key, "localhost");
    server_tls_ = must(net::TlsContext::server(cert, key));
    client_tls_ = must(net::TlsContext::client({.ca_file = cert}));
  }
  loop_ = must(net::Loop::create(clock_));
  log_ = must(host::Logger::create(folder_ + "/log", host::LogLevel::kDebug, "test", clock_));
  const std::array<std::uint8_t, identity::Pepper::kBytes> secret{1, 2, 3};
  pepper_ = std::make_unique<identity::Pepper>(must(identity::Pepper::create(secret)));
  journal_ = must(ledger::Journal::create(folder_ + "/journal", "jrn_test",
                                          {.slots = 64, .sync_interval = std::chrono::milliseconds{50}}));
  adapter_ = engine::make_openai_adapter();
  upstream = std::make_unique<Upstream>(*loop_, upstream_requests);
  client_ = std::make_unique<net::HttpClient>(*loop_, net::ClientOptions{});
  feed_ = must(net::LineServer::listen(*loop_, folder_ + "/feed.sock", [this](host::Fd fd) {
    channel_ = must(net::LineChannel::adopt(*loop_, std::move(fd), {}, *this));
  }));
  gateway::GatewayOptions options;
  options.listen = net::ListenAddress::tcp("127.0.0.1", 0);
  options.workload_socket = workload_socket();
  options.server_socket = folder_ + "/api.sock";
  options.feed_socket = folder_ + "/feed.sock";
  options.policy_copy = folder_ + "/policy.json";
  options.max_stale = max_stale;
  gateway_ = must(gateway::Gateway::create({*loop_,
                                            clock_,
                                            rng_,
                                            *pepper_,
                                            *journal_,
                                            *log_,
                                            {{"openai", adapter_.get()}, {"llama", adapter_.get()}},
                                            [](std::int32_t) { return std::optional<std::int64_t>(); },
                                            server_tls_,
                                            nullptr},
                                           options));
  drain_ = std::make_unique<ledger::JournalDrain>(folder_ + "/journal", usage_, clock_);
  until([this] { return hello_; });

  key_text = identity::make_key_text(rng_);
  key_.id = "k_1";
  key_.prefix = "mr_";
  key_.tenant = "t";
  key_.project = "p";
  key_.digest = identity::digest_key(*pepper_, key_text);
  identity::EndpointPolicy endpoint;
  endpoint.name = "chat";
  endpoint.model = "m";
  endpoint.engine = "openai";
  endpoint.upstream_url = upstream->url();
  endpoint.upstream_model = "m";
  identity::PricePolicy price{"m", 1, 1'000'000, 2'000'000};
  change({{"key/k_1", identity::encode(key_)},
          {"tenant/t", identity::encode(identity::TenantPolicy{"t", identity::Limits{}})},
          {"project/p", identity::encode(identity::ProjectPolicy{"p", "t", std::nullopt})},
          {"endpoint/chat", identity::encode(endpoint)},
          {"price/m", identity::encode(price)}});
}

World::~World() {
  gateway_.reset();
  channel_.reset();
  feed_.reset();
  upstream.reset();
  client_.reset();
  drain_.reset();
  journal_.reset();
  (void)host::remove_tree(folder_);
}

void World::on_line(net::LineChannel& /*channel*/, std::string_view line) {
  if (line.find("\"hello\"") != std::string_view::npos) hello_ = true;
  if (line.starts_with(R"({"environments")")) told.emplace_back(line);
  if (line.starts_with("{\"stats\"")) stats = line;
  if (const auto at = line.find("\"ack\":"); at != std::string_view::npos) {
    acked_ = std::atoll(std::string(line.substr(at + 6)).c_str());
  }
}

void World::on_close(net::LineChannel& /*channel*/, const Error& /*error*/) {}

void World::local_endpoint(const std::string& name, std::int32_t max_replicas, std::int64_t start_timeout_s,
                           const std::string& trouble, const std::string& routing, const std::string& hold) {
  identity::EndpointPolicy endpoint;
  endpoint.name = name;
  endpoint.model = "m";
  endpoint.engine = "llama";
  endpoint.max_replicas = max_replicas;
  endpoint.start_timeout_s = start_timeout_s;
  endpoint.trouble = trouble;
  endpoint.routing = routing;
  endpoint.hold = hold;
  change({{"endpoint/" + name, identity::encode(endpoint)}});
}

std::unique_ptr<Upstream> World::start(const std::string& replica, const std::string& endpoint,
                                       std::int32_t slots) {
  identity::ReplicaPolicy policy;
  policy.id = replica;
  policy.endpoint = endpoint;
  policy.socket = folder_ + "/" + replica + ".sock";
  policy.slots = slots;
  policy.context_tokens = 2048;
  auto engine =
      std::make_unique<Upstream>(*loop_, upstream_requests, net::ListenAddress::unix_socket(policy.socket));
  change({{"replica/" + replica, identity::encode(policy)}});
  return engine;
}

void World::set_role(identity::Role role) {
  key_.role = role;
  change({{"key/k_1", identity::encode(key_)}});
}

void World::lose_server() {
  feed_.reset();
  channel_.reset();
}

void World::change(std::map<std::string, std::string> set, std::vector<std::string> del) {
  identity::PolicyChange message;
  message.version = ++version_;
  message.full = version_ == 1;
  message.set = std::move(set);
  message.del = std::move(del);
  channel_->send(identity::encode(message));
  until([this] { return acked_ == version_; });
}

bool World::until(const std::function<bool()>& done) {
  const auto end = clock_.monotonic() + kPatience;
  while (!done()) {
    if (clock_.monotonic() > end) return false;
    loop_->run_once(std::chrono::milliseconds{10});
  }
  return true;
}

std::unique_ptr<Call> World::post(const std::string& path, const std::string& body, const std::string& key) {
  auto call = std::make_unique<Call>();
  const std::string authorization = "Bearer " + (key.empty() ? key_text : key);
  const std::array<net::Header, 2> headers{net::Header{"authorization", authorization},
                                           {"content-type", "application/json"}};
  std::string request;
  net::append_request(request, net::Method::kPost, path, "test", headers, body);
  call->id = client_->send(target(), std::move(request), *call);
  return call;
}

std::unique_ptr<Call> World::send(const Request& request) {
  auto call = std::make_unique<Call>();
  std::string bytes;
  net::append_request(bytes, request.method, request.path, request.host, request.headers, request.body);
  call->id = client_->send(target(), std::move(bytes), {.method = request.method, .upgrade = request.upgrade},
                           *call);
  return call;
}

net::Upstream World::target() const {
  if (as_workload) return net::Upstream::unix_socket(workload_socket());
  auto gateway = net::Upstream::tcp("127.0.0.1", gateway_->port());
  gateway.tls = client_tls_;
  return gateway;
}

std::string World::get(const std::string& path) {
  Call call;
  std::string request;
  net::append_request(request, net::Method::kGet, path, "test", {}, "");
  call.id = client_->send(target(), std::move(request), call);
  until([&] { return call.done || call.failed; });
  return call.body;
}

std::unique_ptr<Call> World::chat(bool stream) {
  return post("/v1/chat/completions",
              std::string(R"({"model":"chat","messages":[{"role":"user","content":"Hi"}])") +
                  (stream ? R"(,"stream":true,"stream_options":{"include_usage":true}})" : "}"));
}

std::vector<store::UsageRecord> World::records() {
  (void)drain_->drain();
  return must(usage_.list({}, "", 1000));
}

}  // namespace millrace::testing
