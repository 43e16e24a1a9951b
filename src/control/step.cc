#include "control/step.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "serving/policy.h"

namespace millrace::control {
namespace {

using serving::Phase;
using serving::Replica;
using serving::ReplicaSpec;

// One replica at one moment. Times at which the answer could change are gathered in `look_again`.
class Decision {
 public:
  Decision(const std::string& id, const Replica& replica, const ReplicaSpec* spec, MonotonicPoint now,
           const StepLimits& limits)
      : id_(id), replica_(replica), spec_(spec), now_(now), limits_(limits) {}

  std::optional<Action> decide() {
    switch (replica_.phase) {
      case Phase::kStarting:
        return starting();
      case Phase::kReady:
        return ready();
      case Phase::kDraining:
        return draining();
      case Phase::kStopping:
        return stopping();
      case Phase::kEnded:
        return ended();
    }
    return std::nullopt;
  }
  MonotonicPoint look_again() const { return look_again_; }

 private:
  bool still_wanted() const { return spec_ != nullptr && spec_->generation == replica_.spec.generation; }
  // True from `at` on; before it, remembers to look again then.
  bool due(MonotonicPoint at) {
    if (now_ >= at) return true;
    look_again_ = std::min(look_again_, at);
    return false;
  }
  Action stop(std::string why, bool failed) const {
    return {.kind = Action::Kind::kStop, .id = id_, .why = std::move(why), .failed = failed};
  }

  std::optional<Action> starting() {
    if (!still_wanted()) return stop("no longer wanted", false);
    if (due(replica_.since + limits_.start))
      return stop(fmt::format("the engine was not ready after {} s; see its log", limits_.start.count()),
                  true);
    return std::nullopt;
  }

  std::optional<Action> ready() {
    if (!still_wanted()) return Action{.kind = Action::Kind::kDrain, .id = id_};
    if (replica_.silent_since && due(*replica_.silent_since + limits_.silence))
      return stop(fmt::format("the engine did not answer for {} s", limits_.silence.count()), true);
    return std::nullopt;
  }

  std::optional<Action> draining() {
    if (due(replica_.since + limits_.drain_least) && replica_.busy_slots == 0) return stop("drained", false);
    if (due(replica_.since + limits_.drain)) return stop("its time to finish requests is over", false);
    return std::nullopt;
  }

  std::optional<Action> stopping() {
    if (due(replica_.since + limits_.stop)) return stop(replica_.reason, false);
    return std::nullopt;
  }

  std::optional<Action> ended() {
    if (spec_ == nullptr) return Action{.kind = Action::Kind::kRemove, .id = id_};
    if (still_wanted()) {
      const auto next = serving::next_start(replica_.failures);
      if (!next || !due(*next)) return std::nullopt;
    }
    return Action{.kind = Action::Kind::kStart, .id = id_, .spec = *spec_};
  }

  const std::string& id_;
  const Replica& replica_;
  const ReplicaSpec* spec_;
  const MonotonicPoint now_;
  const StepLimits& limits_;
  MonotonicPoint look_again_ = MonotonicPoint::max();
};

}  // namespace

StepResult step(const std::map<std::string, ReplicaSpec>& wanted, const std::map<std::string, Replica>& there,
                MonotonicPoint now, const StepLimits& limits) {
  StepResult result{.actions = {}, .look_again = MonotonicPoint::max()};
  for (const auto& [id, replica] : there) {
    const auto found = wanted.find(id);
    Decision decision(id, replica, found == wanted.end() ? nullptr : &found->second, now, limits);
    if (auto action = decision.decide()) result.actions.push_back(std::move(*action));
    result.look_again = std::min(result.look_again, decision.look_again());
  }
  for (const auto& [id, spec] : wanted) {
    if (!there.contains(id)) result.actions.push_back({.kind = Action::Kind::kStart, .id = id, .spec = spec});
  }
  std::sort(result.actions.begin(), result.actions.end(),
            [](const Action& a, const Action& b) { return a.id < b.id; });
  return result;
}

}  // namespace millrace::control
