#include "serving/autoscale.h"

#include <algorithm>

namespace millrace::serving {
namespace {

constexpr std::int64_t kFullMilli = 800;  // of the slots that would be left, for a step down

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return a <= 0 ? 0 : (a + b - 1) / b; }

/// Growth of a counter; one that went back is a gateway's that started anew or left.
std::int64_t grown(std::int64_t before, std::int64_t now) { return std::max<std::int64_t>(now - before, 0); }

/// Takes over a report that is newer than the last one. True if it shows a request.
bool take_report(ScaleState& state, const EndpointLoad& load) {
  bool used = load.waiting + load.running > 0;
  if (state.seen && state.seen->at >= load.at) return used;
  if (state.seen) {
    const auto passed_ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(load.at - state.seen->at).count();
    const auto begun = grown(state.seen->first_tokens, load.first_tokens);
    state.mean_running = passed_ms > 0 ? ceil_div(grown(state.seen->busy_ms, load.busy_ms), passed_ms) : 0;
    state.mean_first_token_ms =
        begun > 0 ? grown(state.seen->first_token_ms, load.first_token_ms) / begun : 0;
    used = used || load.begun > state.seen->begun;
  }
  state.seen = load;
  return used;
}

class Rule {
 public:
  Rule(const ScaleRule& rule, ScaleState& state, const EndpointLoad& report, MonotonicPoint now)
      : rule_(rule),
        state_(state),
        now_(now),
        slots_(std::max<std::int64_t>(rule.slots, 1)),
        load_(std::max(report.waiting + report.running, state.mean_running)) {}

  void go_up() {
    const auto need = std::min(ceil_div(load_, slots_), rule_.most);
    if (need > state_.wanted) raise(need);
    if (!is_late() || state_.wanted >= rule_.most || state_.wanted == 0) return;
    if (!due(state_.raised_at, kLatencySettles)) return;
    raise(state_.wanted + 1);
    state_.raised_at = now_;
  }

  void go_down() {
    if (state_.wanted <= std::max<std::int64_t>(rule_.least, 1) || !would_do_with_one_less()) {
      state_.low_since.reset();
      return;
    }
    if (!state_.low_since) state_.low_since = now_;
    if (!due(state_.low_since, rule_.window)) return;
    --state_.wanted;
    state_.low_since = now_;
    look_at(now_ + rule_.window);
  }

  void sleep_if_idle() {
    if (state_.wanted <= rule_.least || load_ > 0) return;
    if (due(state_.used_at, rule_.idle)) state_.wanted = rule_.least;
  }

 private:
  void raise(std::int64_t to) {
    state_.wanted = to;
    state_.low_since.reset();
  }
  bool is_late() const {
    return rule_.first_token.count() > 0 && load_ > 0 &&
           state_.mean_first_token_ms > rule_.first_token.count();
  }
  bool would_do_with_one_less() const {
    const bool quick =
        rule_.first_token.count() == 0 || 2 * state_.mean_first_token_ms < rule_.first_token.count();
    return quick && load_ * 1000 <= (state_.wanted - 1) * slots_ * kFullMilli;
  }
  /// `length` after `since` (always, if that never was); before it, remembers to look again then.
  bool due(const std::optional<MonotonicPoint>& since, std::chrono::milliseconds length) {
    if (!since || now_ - *since >= length) return true;
    look_at(*since + length);
    return false;
  }
  void look_at(MonotonicPoint at) { state_.look_again = std::min(state_.look_again, at); }

  const ScaleRule& rule_;
  ScaleState& state_;
  const MonotonicPoint now_;
  const std::int64_t slots_, load_;
};

}  // namespace

ScaleState begin_scaling(const ScaleRule& rule, std::int64_t running_replicas, MonotonicPoint now) {
  ScaleState state;
  state.wanted = std::clamp(running_replicas, rule.least, rule.most);
  state.used_at = now;
  state.look_again = MonotonicPoint::max();
  return state;
}

ScaleState scale(const ScaleRule& rule, ScaleState state, const std::optional<EndpointLoad>& load,
                 MonotonicPoint now) {
  state.look_again = MonotonicPoint::max();
  state.wanted = std::clamp(state.wanted, rule.least, rule.most);
  if (!load) {
    state.low_since.reset();
    state.used_at = now;
    return state;
  }
  if (take_report(state, *load)) state.used_at = now;
  Rule step(rule, state, *load, now);
  step.go_up();
  step.sleep_if_idle();
  step.go_down();
  return state;
}

}  // namespace millrace::serving
