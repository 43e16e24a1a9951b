#include "api/feed/policy_feed.h"

#include <algorithm>
#include <utility>

#include "host/json.h"

namespace millrace::api {

using identity::PolicyChange;

namespace {

constexpr std::int64_t kVersionMax = std::int64_t{1} << 53;
constexpr std::size_t kMessageMax = 64 * 1024;  // of a gateway
constexpr std::int64_t kLongestUnused_ms = std::int64_t{366} * 24 * 3600 * 1000;

net::LineLimits line_limits() {
  return {.max_line_bytes = kMessageMax, .max_pending_bytes = 256 * 1024 * 1024};
}

/// What a gateway says of environments; entries that do not fit are left out.
std::vector<platform::EnvironmentUse> uses_of(const boost::json::array& entries) {
  std::vector<platform::EnvironmentUse> uses;
  for (const auto& entry : entries) {
    const auto* object = entry.if_object();
    const auto* name = object ? object->if_contains("name") : nullptr;
    const auto* unused = object ? object->if_contains("unused_ms") : nullptr;
    const auto* connections = object ? object->if_contains("connections") : nullptr;
    const auto* wake = object ? object->if_contains("wake") : nullptr;
    if (!name || !name->is_string() || !unused || !unused->is_int64() || !connections ||
        !connections->is_int64() || !wake || !wake->is_bool()) {
      continue;
    }
    uses.push_back({.name = std::string(name->get_string()),
                    .unused = std::chrono::milliseconds{std::clamp<std::int64_t>(unused->get_int64(), 0,
                                                                                 kLongestUnused_ms)},
                    .connections = connections->get_int64(),
                    .wake = wake->get_bool()});
  }
  return uses;
}

}  // namespace

PolicyChange difference(const PolicyRecords& before, const PolicyRecords& after) {
  PolicyChange change;
  for (const auto& [name, text] : after) {
    const auto old = before.find(name);
    if (old == before.end() || old->second != text) change.set.emplace(name, text);
  }
  for (const auto& [name, text] : before) {
    if (!after.contains(name)) change.del.push_back(name);
  }
  return change;
}

Result<std::unique_ptr<PolicyFeed>> PolicyFeed::start(net::Loop& loop, Options options, PolicySource& source,
                                                      Live& live, const Clock& clock, host::Logger* log) {
  auto feed = std::unique_ptr<PolicyFeed>(new PolicyFeed(loop, std::move(options), source, live, clock, log));
  (void)TRY(feed->refresh());
  PolicyFeed* const raw = feed.get();
  feed->server_ = TRY(net::LineServer::listen(loop, feed->options_.path,
                                              [raw](host::Fd fd) { raw->on_connected(std::move(fd)); }));
  feed->assembler_ =
      std::jthread([raw](std::stop_token stop) { raw->assemble_until_stopped(std::move(stop)); });
  return feed;
}

PolicyFeed::PolicyFeed(net::Loop& loop, Options options, PolicySource& source, Live& live, const Clock& clock,
                       host::Logger* log)
    : loop_(loop),
      options_(std::move(options)),
      source_(source),
      live_(live),
      clock_(clock),
      log_(log),
      self_(std::make_shared<PolicyFeed*>(this)) {
  version_ = std::chrono::duration_cast<std::chrono::milliseconds>(clock.now().time_since_epoch()).count();
}

PolicyFeed::~PolicyFeed() {
  *self_ = nullptr;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  assembler_.request_stop();
  changed_.notify_all();
  if (assembler_.joinable()) assembler_.join();
  sessions_.clear();
}

void PolicyFeed::notify() {
  {
    const std::lock_guard lock(mutex_);
    dirty_ = true;
  }
  changed_.notify_all();
}

void PolicyFeed::assemble_until_stopped(std::stop_token stop) {
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, options_.resync, [&] { return dirty_ || stopping_; });
      dirty_ = false;
      if (stopping_) return;
    }
    if (const auto done = refresh(); !done && log_) log_->error("policy_not_assembled", done.error());
  }
}

Result<std::int64_t> PolicyFeed::refresh() {
  const std::lock_guard one_at_a_time(assembling_);
  PolicyRecords fresh = TRY(source_.assemble());
  const std::lock_guard lock(mutex_);
  PolicyChange change = difference(records_, fresh);
  if (change.set.empty() && change.del.empty()) return version_;
  const auto now_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now().time_since_epoch()).count();
  change.version = version_ = std::max<std::int64_t>(version_ + 1, now_ms);
  records_ = std::move(fresh);
  // Posted under the lock, so that changes reach the loop in the order of their versions.
  loop_.post([weak = std::weak_ptr(self_), version = version_, line = encode(change)] {
    if (const auto self = weak.lock(); self && *self) (*self)->broadcast(version, line);
  });
  return version_;
}

void PolicyFeed::broadcast(std::int64_t version, const std::string& line) {
  for (auto next = sessions_.begin(); next != sessions_.end();) {
    Session& session = (next++)->second;  // sending may end the session
    if (session.gateway.empty() || session.sent >= version) continue;
    session.sent = version;
    session.channel->send(line);
  }
}

Result<AckReport> PolicyFeed::publish_and_wait(std::chrono::milliseconds timeout) {
  const std::int64_t wanted = TRY(refresh());
  AckReport report;
  std::unique_lock lock(mutex_);
  std::map<SessionId, std::string> asked;
  for (const auto& [id, session] : sessions_) {
    if (!session.gateway.empty()) asked.emplace(id, session.gateway);
  }
  const auto missing = [&] {
    return std::ranges::any_of(asked, [&](const auto& one) {
      const auto session = sessions_.find(one.first);
      return session != sessions_.end() && session->second.acked < wanted;
    });
  };
  changed_.wait_for(lock, timeout, [&] { return stopping_ || !missing(); });
  std::set<SessionId> late;
  for (const auto& [id, gateway] : asked) {
    const auto session = sessions_.find(id);
    const bool acknowledged = session != sessions_.end() && session->second.acked >= wanted;
    (acknowledged ? report.acknowledged : report.dropped).push_back(gateway);
    if (!acknowledged && session != sessions_.end()) late.insert(id);
  }
  if (!late.empty()) {
    loop_.post([weak = std::weak_ptr(self_), late = std::move(late)] {
      if (const auto self = weak.lock(); self && *self) (*self)->drop(late);
    });
  }
  return report;
}

std::vector<std::string> PolicyFeed::gateways() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> ids;
  for (const auto& [id, session] : sessions_) {
    if (!session.gateway.empty()) ids.push_back(session.gateway);
  }
  return ids;
}

std::int64_t PolicyFeed::version() const {
  const std::lock_guard lock(mutex_);
  return version_;
}

void PolicyFeed::on_connected(host::Fd fd) {
  auto channel = net::LineChannel::adopt(loop_, std::move(fd), line_limits(), *this);
  if (!channel) {
    if (log_) log_->error("feed_not_accepted", channel.error());
    return;
  }
  const std::lock_guard lock(mutex_);
  sessions_[next_session_++].channel = std::move(*channel);
}

PolicyFeed::Session* PolicyFeed::session_of(const net::LineChannel& channel, SessionId* id) {
  for (auto& [number, session] : sessions_) {
    if (session.channel.get() != &channel) continue;
    if (id) *id = number;
    return &session;
  }
  return nullptr;
}

void PolicyFeed::on_line(net::LineChannel& channel, std::string_view line) {
  SessionId id = 0;
  Session* const session = session_of(channel, &id);
  if (!session) return;
  const auto message = host::parse_json(line, {.max_depth = 8, .max_bytes = kMessageMax});
  if (!message || !message->is_object()) {
    if (log_) log_->warning("feed_message_refused", {{"gateway", session->gateway}});
    return end_session(id);
  }
  const boost::json::object& object = message->get_object();
  if (const auto* ack = object.if_contains("ack"); ack && ack->is_int64()) {
    {
      const std::lock_guard lock(mutex_);
      session->acked = std::max(session->acked, std::min(ack->get_int64(), session->sent));
    }
    changed_.notify_all();
  } else if (const auto* stats = object.if_contains("stats"); stats && stats->is_object()) {
    if (!session->gateway.empty()) live_.report(session->gateway, stats->get_object());
  } else if (const auto* uses = object.if_contains("environments"); uses && uses->is_array()) {
    if (options_.environments) options_.environments->report(uses_of(uses->get_array()));
  } else if (object.contains("hello")) {
    say_hello(*session, object);
    if (session->gateway.empty()) end_session(id);
  }
}

void PolicyFeed::say_hello(Session& session, const boost::json::object& message) {
  const auto* protocol = message.if_contains("hello");
  const auto* gateway = message.if_contains("gateway");
  if (*protocol != 1 || !gateway || !gateway->is_string() || gateway->get_string().empty()) {
    if (log_)
      log_->warning("feed_hello_refused", {{"reason", "protocol 1 and the name of the gateway are wanted"}});
    return;
  }
  PolicyChange snapshot;
  {
    const std::lock_guard lock(mutex_);
    session.gateway = gateway->get_string();
    // Only after the clock was set back can a gateway know a later version; it takes none that is not above its own.
    const auto* known = message.if_contains("version");
    if (known && known->is_int64() && known->get_int64() >= version_ && known->get_int64() < kVersionMax) {
      version_ = known->get_int64() + 1;
    }
    snapshot.set = records_;
    snapshot.version = session.sent = version_;
  }
  snapshot.full = true;
  session.channel->send(encode(snapshot));
  if (log_) log_->info("gateway_connected", {{"gateway", session.gateway}, {"version", session.sent}});
}

void PolicyFeed::on_close(net::LineChannel& channel, const Error& error) {
  SessionId id = 0;
  const Session* session = session_of(channel, &id);
  if (!session) return;
  if (log_)
    log_->warning("gateway_disconnected", {{"gateway", session->gateway}, {"message", error.message}});
  end_session(id);
}

void PolicyFeed::end_session(SessionId id) {
  Session ended;
  {
    const std::lock_guard lock(mutex_);
    const auto session = sessions_.find(id);
    if (session == sessions_.end()) return;
    ended = std::move(session->second);
    sessions_.erase(session);
  }
  if (!ended.gateway.empty()) live_.forget(ended.gateway);
  changed_.notify_all();
}

void PolicyFeed::drop(const std::set<SessionId>& ids) {
  for (const SessionId id : ids) {
    if (const auto session = sessions_.find(id); session != sessions_.end() && log_) {
      log_->warning("gateway_dropped",
                    {{"gateway", session->second.gateway}, {"reason", "no acknowledgement in time"}});
    }
    end_session(id);
  }
}

}  // namespace millrace::api
