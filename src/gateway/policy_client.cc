#include "gateway/policy_client.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "host/fd.h"
#include "host/file.h"
#include "host/json_writer.h"

namespace millrace::gateway {
namespace {

constexpr std::chrono::milliseconds kReconnect{500};
constexpr std::chrono::seconds kTick{1};
constexpr std::chrono::milliseconds kBetweenStats{20};  // at least, however often the load changes

/// Records that change all the time and are worth nothing after a restart.
bool is_passing(const std::string& record) {
  return record.starts_with("used/") || record.starts_with("drained/");
}

}  // namespace

PolicyClient::PolicyClient(Context& context, std::string feed_socket, std::string copy_path,
                           std::chrono::seconds max_stale, std::function<void()> changed)
    : context_(context),
      feed_socket_(std::move(feed_socket)),
      copy_path_(std::move(copy_path)),
      max_stale_(max_stale),
      changed_(std::move(changed)) {}

void PolicyClient::start() {
  context_.load_changed = [this] { send_soon(); };
  if (const auto text = host::read_file(copy_path_)) {
    if (auto change = identity::decode_change(*text); change && context_.policy.apply(*change)) {
      struct stat info{};
      if (::stat(copy_path_.c_str(), &info) == 0) {
        const auto age = context_.clock.now() - TimePoint{std::chrono::seconds{info.st_mtim.tv_sec}};
        last_contact_ = context_.clock.monotonic() - std::max<std::chrono::nanoseconds>(age, {});
      }
      context_.pool.apply(context_.policy);
      context_.log.info("policy_loaded", {{"version", context_.policy.version()}});
      changed_();
    } else {
      context_.log.warning("policy_copy_unreadable", {{"path", copy_path_}});
    }
  }
  connect();
  tick();
}

void PolicyClient::connect() {
  auto channel = net::LineChannel::connect(context_.loop, feed_socket_, {}, *this);
  if (!channel) {
    context_.loop.call_after(kReconnect, [this] { connect(); });
    return;
  }
  channel_ = std::move(*channel);
  host::JsonWriter writer;
  writer.begin_object()
      .field("hello", 1)
      .field("gateway", context_.journal.id())
      .field("version", context_.policy.version())
      .end_object();
  channel_->send(writer.text());
  send_stats();  // a server that has just started knows of nobody who waits
}

void PolicyClient::on_line(net::LineChannel& channel, std::string_view line) {
  auto change = identity::decode_change(line);
  if (!change) {
    context_.log.error("policy_change_unreadable", change.error());
    return;
  }
  // A full change replaces whatever we have, also a copy from another life of the server.
  if (change->full && change->version < context_.policy.version()) context_.policy = identity::PolicyView{};
  if (auto applied = context_.policy.apply(*change); !applied) {
    context_.log.error("policy_change_refused", applied.error());
    channel.close();
    channel_.reset();
    context_.loop.call_after(kReconnect, [this] { connect(); });
    return;
  }
  apply(*change);
  channel.send(fmt::format(R"({{"ack":{}}})", change->version));
}

void PolicyClient::apply(const identity::PolicyChange& change) {
  last_contact_ = context_.clock.monotonic();
  const bool lasting =
      change.full || !std::ranges::all_of(change.del, is_passing) ||
      !std::ranges::all_of(change.set, [](const auto& entry) { return is_passing(entry.first); });
  if (const auto* drained = context_.policy.drained(context_.journal.id())) {
    context_.limiter.drained(static_cast<std::uint64_t>(drained->through));
  }
  if (lasting) {
    context_.pool.apply(context_.policy);
    save();
  }
  context_.admitting = true;
  if (lasting) changed_();
}

void PolicyClient::on_close(net::LineChannel& /*channel*/, const Error& error) {
  context_.log.warning("policy_feed_lost", {{"message", error.message}});
  channel_.reset();
  context_.loop.call_after(kReconnect, [this] { connect(); });
}

/// Not synced: the copy only matters while the server is away, and after a power loss the server comes first.
void PolicyClient::save() const {
  auto snapshot = context_.policy.snapshot();
  std::erase_if(snapshot.set, [](const auto& entry) { return is_passing(entry.first); });
  const std::string fresh = copy_path_ + ".new";
  const host::Fd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  const bool written = file && host::write_all(file.get(), identity::encode(snapshot)).has_value() &&
                       ::rename(fresh.c_str(), copy_path_.c_str()) == 0;
  if (!written) context_.log.warning("policy_copy_not_saved", {{"path", copy_path_}});
}

void PolicyClient::tick() {
  if (connected()) {
    last_contact_ = context_.clock.monotonic();
    send_stats();
  }
  context_.admitting = context_.policy.version() > 0 && last_contact_ &&
                       context_.clock.monotonic() - *last_contact_ <= max_stale_;
  context_.loop.call_after(kTick, [this] { tick(); });
}

void PolicyClient::send(const std::string& line) {
  if (!line.empty() && connected()) channel_->send(line);
}

void PolicyClient::send_soon() {
  if (sending_soon_ || !connected()) return;
  sending_soon_ = true;
  const auto wait = sent_at_ + kBetweenStats - context_.loop.now();
  context_.loop.call_after(std::max<std::chrono::nanoseconds>(wait, std::chrono::nanoseconds{0}), [this] {
    sending_soon_ = false;
    if (connected()) send_stats();
  });
}

void PolicyClient::send_stats() {
  const Metrics& metrics = context_.metrics;
  host::JsonWriter writer;
  writer.begin_object().key("stats").begin_object();
  writer.field("requests", metrics.completed + metrics.cancelled + metrics.failed)
      .field("input_tokens", metrics.input_tokens)
      .field("output_tokens", metrics.output_tokens)
      .field("energy_uj", metrics.energy_uj)
      .field("co2e_ug", metrics.co2e_ug)
      .field("cost_microeur", metrics.cost_microeur)
      .field("active_requests", context_.journal.open_count());
  const MonotonicPoint now = sent_at_ = context_.loop.now();
  writer.key("endpoints").begin_object();
  for (auto& [name, use] : context_.use) {
    writer.key(name).begin_object();
    writer.field("waiting", context_.room.count(name)).field("running", use.running());
    writer.field("begun", use.begun()).field("busy_ms", use.busy_ms(now));
    writer.field("first_tokens", use.first_tokens()).field("first_token_ms", use.first_token_ms());
    writer.end_object();
  }
  writer.end_object().end_object().end_object();
  channel_->send(writer.text());
}

}  // namespace millrace::gateway
