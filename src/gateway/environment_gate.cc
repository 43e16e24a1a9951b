#include "gateway/environment_gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "gateway/environment_job.h"
#include "host/json_writer.h"
#include "identity/access.h"

namespace millrace::gateway {
namespace {

using identity::EnvironmentPolicy;
using identity::EnvironmentState;
using identity::KeyPolicy;
using identity::PassKind;

constexpr std::string_view kOpenPath = "/.millrace/open";
constexpr std::string_view kStreamPath = "/.millrace/stream";
constexpr std::string_view kOwnPaths = "/.millrace/";
constexpr std::string_view kNoticePath = "/.millrace/notice";  // of a shell's own program
constexpr std::chrono::seconds kProbeAfter{30};                // without use, and between two questions
constexpr std::chrono::seconds kLastProbes{1};                 // where it will be stopped soon
constexpr std::chrono::seconds kAnswerWithin{10};
constexpr std::chrono::seconds kNoticePasses{3};
constexpr std::size_t kAnswerBytesMax = 1 << 20;

std::int64_t unix_s(TimePoint time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

std::string_view token_in(std::string_view query) {
  constexpr std::string_view kName = "token=";
  return query.starts_with(kName) ? query.substr(kName.size()) : std::string_view{};
}

/// Nothing but reading: may come from a link on another site.
bool is_safe(const net::RequestHead& head, Upgrade upgrade) {
  using net::Method;
  return upgrade == Upgrade::kNone &&
         (head.method == Method::kGet || head.method == Method::kHead || head.method == Method::kOptions);
}

}  // namespace

bool may_open(const KeyPolicy& key, const EnvironmentPolicy& environment, TimePoint now) {
  const identity::Principal principal{
      .key_id = key.id, .principal_id = {}, .tenant = key.tenant, .project = key.project, .role = key.role};
  return (!key.expires || *key.expires > now) &&
         identity::permits(principal, identity::Action::kOpenEnvironments,
                           {.tenant = environment.tenant, .project = environment.project});
}

bool UsedTokens::use(const identity::Pass& pass, TimePoint now) {
  const std::int64_t now_s = unix_s(now);
  if (pass.expires_s - identity::kTokenLife.count() < since_s_ || pass.expires_s <= now_s) return false;
  if (expires_s_.size() >= kMax) {
    std::erase_if(expires_s_, [&](const auto& used) { return used.second <= now_s; });
    if (expires_s_.size() >= kMax) return false;
  }
  return expires_s_.emplace(pass.nonce, pass.expires_s).second;
}

/// Something that the gateway itself asks of a program in an environment.
class EnvironmentGate::Question : public net::ResponseHandler {
 public:
  Question(EnvironmentGate& gate, const EnvironmentPolicy& environment, net::Method method,
           std::string_view target, std::string_view body)
      : gate_(gate), name_(environment.name) {
    std::string request;
    net::append_request(request, method, target, name_ + "." + gate.domain_, {}, body);
    call_ = gate_.context_.client.send(
        net::Upstream::unix_socket(environment.socket), std::move(request),
        {.method = method, .head_timeout = kAnswerWithin, .body_timeout = kAnswerWithin}, *this);
  }
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;
  virtual ~Question() { end(); }
  bool is_done() const { return call_ == 0; }

 protected:
  virtual void on_answer(const std::string& /*body*/) {}
  EnvironmentGate& gate_;
  const std::string name_;

 private:
  void end() {
    if (call_ != 0) gate_.context_.client.cancel(std::exchange(call_, 0));
  }
  void on_head(const net::ResponseHead& head) override {
    if (head.status != 200) end();
  }
  void on_body(std::string_view bytes) override {
    if (body_.size() + bytes.size() > kAnswerBytesMax) return end();
    body_ += bytes;
  }
  void on_done() override {
    call_ = 0;
    on_answer(body_);
  }
  void on_error(const Error& /*error*/, bool /*any_byte_received*/) override { call_ = 0; }

  net::CallId call_ = 0;
  std::string body_;
};

/// Asks Jupyter which kernels are at work.
class EnvironmentGate::KernelProbe final : public Question {
 public:
  KernelProbe(EnvironmentGate& gate, const EnvironmentPolicy& environment)
      : Question(gate, environment, net::Method::kGet, "/api/kernels?no_track_activity=1", "") {}

 private:
  void on_answer(const std::string& body) override {
    if (shows_busy_kernel(body)) gate_.touch(name_);
  }
};

/// Has a shell write to the terminals of who is in.
class EnvironmentGate::Notice final : public Question {
 public:
  Notice(EnvironmentGate& gate, const EnvironmentPolicy& environment, std::string_view text)
      : Question(gate, environment, net::Method::kPost, kNoticePath, text) {}
};

EnvironmentGate::EnvironmentGate(Context& context, std::string domain, std::function<void()> wake)
    : context_(context),
      domain_(std::move(domain)),
      wake_(std::move(wake)),
      tokens_(unix_s(context.clock.now())) {}

EnvironmentGate::~EnvironmentGate() = default;

// ---- who comes in -------------------------------------------------------------------------------------------------

void EnvironmentGate::begin(net::Exchange& exchange, std::string_view name, std::string request_id) {
  const net::RequestHead& head = exchange.head();
  const auto* environment = context_.policy.environment(name);
  if (environment == nullptr) return refuse(exchange, request_id, no_such_environment(name));
  if (!context_.admitting) {
    return refuse(exchange, request_id,
                  {503, "unavailable", "This gateway admits nothing",
                   "it has been cut off from its server for too long; start the server: millrace up"});
  }
  if (head.path == kOpenPath) {
    if (const auto page = open_with_token(exchange, *environment, request_id)) {
      refuse(exchange, request_id, *page);
    }
    return;
  }
  const auto upgrade = upgrade_of(head);
  if (!upgrade)
    return refuse(exchange, request_id, {400, "invalid", "Not a WebSocket", upgrade.error().message});
  const bool streams = head.path == kStreamPath && *upgrade == Upgrade::kStream;
  if (!streams && head.path.starts_with(kOwnPaths)) {
    return refuse(exchange, request_id,
                  {404, "not_found", "There is nothing here", "this path is the gateway's own"});
  }
  std::string key_id =
      streams ? key_of_bearer(head, *environment) : key_of_cookie(head, exchange.is_tls(), *environment);
  if (key_id.empty()) return refuse(exchange, request_id, not_signed_in(name));
  const bool shell = environment->kind == "shell";
  if (shell != streams) {
    return refuse(exchange, request_id,
                  shell ? only_by_ssh(name) : Page{400, "invalid", "Not a shell", "open it in a browser"});
  }
  if (!streams && !is_safe(head, *upgrade) &&
      head.find("origin").value_or("") != origin_of(head.host, exchange.is_tls())) {
    return refuse(exchange, request_id, foreign_origin());
  }
  admit(exchange, *environment, std::move(key_id), std::move(request_id));
}

void EnvironmentGate::admit(net::Exchange& exchange, const EnvironmentPolicy& environment, std::string key_id,
                            std::string request_id) {
  const Upgrade upgrade = upgrade_of(exchange.head()).value_or(Upgrade::kNone);
  if (environment.state != EnvironmentState::kRunning) {
    if (is_navigation(exchange.head()) || upgrade == Upgrade::kStream) wake_up(environment.name);
    return refuse(exchange, request_id, starting(environment));
  }
  if (upgrade != Upgrade::kNone && use_of(environment.name).tunnels >= kTunnelsMax) {
    return refuse(exchange, request_id,
                  {503, "exhausted", "Too many connections", "close some pages of this environment"});
  }
  exchange.set_state(
      std::make_unique<EnvironmentJob>(*this, exchange,
                                       EnvironmentJob::Parts{.environment = environment.name,
                                                             .key_id = std::move(key_id),
                                                             .request_id = std::move(request_id),
                                                             .upgrade = upgrade}));
}

/// Sets the cookie and sends the browser to the environment's own start page; nullopt then.
std::optional<Page> EnvironmentGate::open_with_token(net::Exchange& exchange,
                                                     const EnvironmentPolicy& environment,
                                                     const std::string& request_id) {
  const net::RequestHead& head = exchange.head();
  const bool tls = exchange.is_tls();
  if (head.method != net::Method::kGet) return not_signed_in(environment.name);
  const TimePoint now = context_.clock.now();
  std::vector<net::Header> headers{{"location", "/"},
                                   {"cache-control", "no-store"},
                                   {"referrer-policy", "no-referrer"},
                                   {"x-request-id", request_id}};
  std::string cookie;
  // A browser that is in already needs no token: the page was loaded again, or gone back to.
  if (key_of_cookie(head, tls, environment).empty()) {
    const auto pass =
        identity::unseal(token_in(head.query), PassKind::kToken, environment.secret, environment.name, now);
    const auto* key = pass ? context_.policy.key(pass->key_id) : nullptr;
    if (key == nullptr || !may_open(*key, environment, now) || !tokens_.use(*pass, now)) {
      return used_up_token(environment.name);
    }
    identity::Pass stay = *pass;  // its nonce is as good as a new one
    stay.expires_s = unix_s(now) + std::chrono::seconds{identity::kCookieLife}.count();
    cookie = fmt::format("{}={}; Path=/; HttpOnly; SameSite=Lax; Max-Age={}{}", pass_cookie_name(tls),
                         identity::seal(stay, PassKind::kCookie, environment.secret, environment.name),
                         std::chrono::seconds{identity::kCookieLife}.count(), tls ? "; Secure" : "");
    headers.push_back({"set-cookie", cookie});
    context_.log.info("environment_opened", {{"environment", environment.name}, {"key", pass->key_id}});
  }
  context_.metrics.count_answer("environment", 303);
  exchange.respond(303, "", headers, "");
  return std::nullopt;
}

std::string EnvironmentGate::key_of_cookie(const net::RequestHead& head, bool tls,
                                           const EnvironmentPolicy& environment) const {
  const TimePoint now = context_.clock.now();
  constexpr std::size_t kTriesMax = 8;
  auto values = pass_cookies(head.headers, tls);
  if (values.size() > kTriesMax) values.resize(kTriesMax);
  for (const auto value : values) {
    const auto pass = identity::unseal(value, PassKind::kCookie, environment.secret, environment.name, now);
    const auto* key = pass ? context_.policy.key(pass->key_id) : nullptr;
    if (key != nullptr && may_open(*key, environment, now)) return key->id;
  }
  return {};
}

std::string EnvironmentGate::key_of_bearer(const net::RequestHead& head,
                                           const EnvironmentPolicy& environment) const {
  constexpr std::string_view kScheme = "bearer ";
  const auto value = head.find("authorization").value_or("");
  if (value.size() <= kScheme.size() ||
      !net::equals_ignoring_case(value.substr(0, kScheme.size()), kScheme)) {
    return {};
  }
  const auto* key =
      context_.policy.key_by_digest(identity::digest_key(context_.pepper, value.substr(kScheme.size())));
  return key != nullptr && may_open(*key, environment, context_.clock.now()) ? key->id : std::string();
}

void EnvironmentGate::refuse(net::Exchange& exchange, const std::string& request_id, const Page& page) {
  context_.metrics.count_answer("environment", page.status);
  answer_page(exchange, request_id, page);
}

// ---- who is in ----------------------------------------------------------------------------------------------------

void EnvironmentGate::enter(EnvironmentJob& job) {
  job.index_ = jobs_.size();
  jobs_.push_back(&job);
  if (job.is_tunnel()) ++use_of(job.environment()).tunnels;
}

void EnvironmentGate::leave(EnvironmentJob& job) {
  jobs_[job.index_] = jobs_.back();
  jobs_[job.index_]->index_ = job.index_;
  jobs_.pop_back();
  if (!job.is_tunnel()) return;
  Use& use = use_of(job.environment());
  --use.tunnels;
  use.changed = true;
}

const EnvironmentPolicy* EnvironmentGate::still_open(const std::string& name,
                                                     const std::string& key_id) const {
  const auto* environment = context_.policy.environment(name);
  const auto* key = context_.policy.key(key_id);
  const bool open = environment != nullptr && key != nullptr &&
                    environment->state == EnvironmentState::kRunning &&
                    may_open(*key, *environment, context_.clock.now());
  return open ? environment : nullptr;
}

/// From the end, since a job that ends is replaced by the last one.
void EnvironmentGate::check() {
  for (std::size_t i = jobs_.size(); i > 0; --i) {
    if (i <= jobs_.size()) jobs_[i - 1]->check(false);
  }
  std::erase_if(uses_, [&](const auto& use) {
    return use.second.tunnels == 0 && context_.policy.environment(use.first) == nullptr;
  });
}

void EnvironmentGate::close_tunnels() {
  for (std::size_t i = jobs_.size(); i > 0; --i) {
    if (i <= jobs_.size()) jobs_[i - 1]->check(true);
  }
}

// ---- what the server is told --------------------------------------------------------------------------------------

EnvironmentGate::Use& EnvironmentGate::use_of(const std::string& name) { return uses_[name]; }

void EnvironmentGate::touch(const std::string& name) {
  Use& use = use_of(name);
  use.used = context_.loop.now();
  use.changed = true;
}

void EnvironmentGate::wake_up(const std::string& name) {
  Use& use = use_of(name);
  use.wake = true;
  touch(name);
  wake_();
}

void EnvironmentGate::tick() {
  for (const auto& [name, environment] : context_.policy.environments()) {
    if (environment.state != EnvironmentState::kRunning) continue;
    Use& use = use_of(name);
    if (use.question != nullptr && !use.question->is_done()) continue;
    environment.kind == "jupyter" ? probe(environment, use) : announce(environment, use);
  }
}

void EnvironmentGate::probe(const EnvironmentPolicy& environment, Use& use) {
  const auto now = context_.loop.now();
  const auto after = environment.stops_at_s > 0 ? kLastProbes : kProbeAfter;
  if (now - use.used < after || now - use.probed < after) return;
  use.probed = now;
  use.question = std::make_unique<KernelProbe>(*this, environment);
}

void EnvironmentGate::announce(const EnvironmentPolicy& environment, Use& use) {
  // The moment is told anew each time it is worked out, and may differ by the second it is rounded to.
  constexpr std::int64_t kSame = 2;
  if (environment.stops_at_s == 0 || use.tunnels == 0) return;
  if (std::abs(environment.stops_at_s - use.noticed_s) <= kSame) return;
  use.noticed_s = environment.stops_at_s;
  use.noticed_at = context_.loop.now();
  const std::string at = to_rfc3339(TimePoint{std::chrono::seconds{environment.stops_at_s}});
  use.question = std::make_unique<Notice>(
      *this, environment,
      fmt::format("[millrace] nobody uses {}: it stops at {}, unless somebody does (press a key)",
                  environment.name, at));
}

bool EnvironmentGate::is_noticing(const std::string& name) const {
  const auto use = uses_.find(name);
  return use != uses_.end() && use->second.noticed_at &&
         context_.loop.now() - *use->second.noticed_at < kNoticePasses;
}

std::string EnvironmentGate::report() {
  host::JsonWriter writer;
  writer.begin_object().key("environments").begin_array();
  bool any = false;
  for (auto& [name, use] : uses_) {
    if (!use.changed) continue;
    any = true;
    const auto unused_ms =
        std::chrono::floor<std::chrono::milliseconds>(context_.loop.now() - use.used).count();
    writer.begin_object()
        .field("name", name)
        .field("unused_ms", unused_ms)
        .field("connections", use.tunnels)
        .field("wake", use.wake)
        .end_object();
    use.changed = use.wake = false;
  }
  writer.end_array().end_object();
  return any ? writer.take() : std::string();
}

}  // namespace millrace::gateway
