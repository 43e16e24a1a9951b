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

}  // namespace

void Live::report(const std::string& gateway, const boost::json::object& stats) {
  const Sample now{clock_.monotonic(), integer(stats, "requests"), integer(stats, "input_tokens"),
                   integer(stats, "output_tokens"), integer(stats, "active_requests")};
  const std::lock_guard lock(mutex_);
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
  const std::lock_guard lock(mutex_);
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
