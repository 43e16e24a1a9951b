#include "api/live.h"

#include <algorithm>
#include <chrono>

namespace millrace::api {

namespace {

constexpr std::chrono::seconds kWindow{5};

std::int64_t integer(const boost::json::object& stats, std::string_view name) {
  const auto* value = stats.if_contains(name);
  return value && value->is_int64() ? std::max<std::int64_t>(value->get_int64(), 0) : 0;
}

using serving::EndpointLoad;
struct LoadField {
  std::string_view name;
  std::int64_t EndpointLoad::* member;
};
constexpr LoadField kGauges[] = {{"waiting", &EndpointLoad::waiting}, {"running", &EndpointLoad::running}};
constexpr LoadField kCounters[] = {{"begun", &EndpointLoad::begun},
                                   {"busy_ms", &EndpointLoad::busy_ms},
                                   {"first_tokens", &EndpointLoad::first_tokens},
                                   {"first_token_ms", &EndpointLoad::first_token_ms}};

EndpointLoad load_of(const boost::json::object& object) {
  EndpointLoad load;
  for (const auto& field : kGauges) load.*field.member = integer(object, field.name);
  for (const auto& field : kCounters) load.*field.member = integer(object, field.name);
  return load;
}

}  // namespace

/// Of a gateway seen for the first time what it counted before is nothing new; one that counts from 0 again began anew.
void Live::add_loads(const std::string& gateway, const boost::json::object& stats, MonotonicPoint now) {
  const auto* endpoints = stats.if_contains("endpoints");
  if (endpoints == nullptr || !endpoints->is_object()) return;
  const bool known = reported_.contains(gateway);
  Loads& before = reported_[gateway];
  for (const auto& member : endpoints->get_object()) {
    if (!member.value().is_object()) continue;
    const std::string name(member.key());
    const EndpointLoad fresh = load_of(member.value().get_object());
    EndpointLoad& all = loads_[name];
    const EndpointLoad old = before.contains(name) || known ? before[name] : fresh;
    for (const auto& field : kCounters) {
      const auto base = fresh.*field.member < old.*field.member ? 0 : old.*field.member;
      all.*field.member += fresh.*field.member - base;
    }
    before[name] = fresh;
  }
  for (auto& [name, load] : loads_) load.at = now;
}

void Live::tell_loads() {
  if (!listener_) return;
  std::optional<Loads> sums;
  {
    const std::lock_guard lock(mutex_);
    if (!reported_.empty()) {
      sums = loads_;
      for (auto& [name, load] : *sums) {
        for (const auto& [gateway, loads] : reported_) {
          const auto one = loads.find(name);
          if (one == loads.end()) continue;
          for (const auto& field : kGauges) load.*field.member += one->second.*field.member;
        }
      }
    }
  }
  listener_(std::move(sums));
}

void Live::report(const std::string& gateway, const boost::json::object& stats) {
  add(gateway, stats);
  tell_loads();
}

void Live::add(const std::string& gateway, const boost::json::object& stats) {
  const Sample now{clock_.monotonic(), integer(stats, "requests"), integer(stats, "input_tokens"),
                   integer(stats, "output_tokens"), integer(stats, "active_requests")};
  const std::lock_guard lock(mutex_);
  add_loads(gateway, stats, now.at);
  auto& samples = gateways_[gateway];
  const Sample before = samples.empty() ? Sample{} : samples.back();
  const bool restarted = now.requests < before.requests || now.input_tokens < before.input_tokens ||
                         now.output_tokens < before.output_tokens;
  if (restarted) samples.clear();
  const Sample base = restarted ? Sample{} : before;
  totals_.requests += now.requests - base.requests;
  totals_.input_tokens += now.input_tokens - base.input_tokens;
  totals_.output_tokens += now.output_tokens - base.output_tokens;
  samples.push_back(now);
  // One sample older than the window stays: rates are taken from it.
  while (samples.size() > 2 && now.at - samples[1].at >= kWindow) samples.pop_front();
}

void Live::forget(const std::string& gateway) {
  drop(gateway);
  tell_loads();
}

void Live::drop(const std::string& gateway) {
  const std::lock_guard lock(mutex_);
  reported_.erase(gateway);
  const auto found = gateways_.find(gateway);
  // The last totals stay: the same gateway goes on counting from there when it comes back.
  if (found == gateways_.end() || found->second.empty()) return;
  found->second.erase(found->second.begin(), std::prev(found->second.end()));
  found->second.back().at -= 2 * kWindow;
}

LiveFigures Live::figures() const {
  const MonotonicPoint now = clock_.monotonic();
  const std::lock_guard lock(mutex_);
  LiveFigures figures;
  for (const auto& [name, samples] : gateways_) {
    if (samples.empty() || now - samples.back().at > kWindow) continue;
    const Sample& last = samples.back();
    const Sample& first = samples.front();
    ++figures.gateways;
    figures.active_requests += last.active_requests;
    const double seconds = std::chrono::duration<double>(last.at - first.at).count();
    if (seconds <= 0) continue;
    figures.requests_per_s += double(last.requests - first.requests) / seconds;
    figures.input_tokens_per_s += double(last.input_tokens - first.input_tokens) / seconds;
    figures.output_tokens_per_s += double(last.output_tokens - first.output_tokens) / seconds;
  }
  return figures;
}

LiveTotals Live::totals() const {
  const std::lock_guard lock(mutex_);
  return totals_;
}

}  // namespace millrace::api
