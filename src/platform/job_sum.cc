#include "platform/job_sum.h"

#include <algorithm>

namespace millrace::platform {
namespace {

using control::ObservedWork;
using control::WorkState;

// What the whole is in if any element is: the first of these.
constexpr WorkState kOrder[] = {WorkState::kRunning, WorkState::kPausing,   WorkState::kStarting,
                                WorkState::kQueued,  WorkState::kFailed,    WorkState::kTimedOut,
                                WorkState::kLost,    WorkState::kCancelled, WorkState::kSucceeded};

void add(std::optional<std::int64_t>& to, const std::optional<std::int64_t>& more) {
  if (more) to = to.value_or(0) + *more;
}

template <typename Time, typename Better>
void keep(std::optional<Time>& kept, const std::optional<Time>& other, Better better) {
  if (other && (!kept || better(*other, *kept))) kept = other;
}

/// The weaker of two: a sum is as good as its worst part.
std::string weaker(const std::string& a, const std::string& b) {
  for (const char* basis : {"unknown", "modelled"}) {
    if (a == basis || b == basis) return basis;
  }
  return a;
}

void add_figures(ObservedWork& whole, const ObservedWork& element) {
  whole.run = std::max(whole.run, element.run);
  whole.failures += element.failures;
  whole.accelerator_ms += element.accelerator_ms;
  whole.cpu_us += element.cpu_us;
  whole.cost_microeur += element.cost_microeur;
  add(whole.energy_uj, element.energy_uj);
  add(whole.co2e_ug, element.co2e_ug);
  keep(whole.started_at, element.started_at, std::less<>());
  keep(whole.ended_at, element.ended_at, std::greater<>());
  keep(whole.expected_start, element.expected_start, std::less<>());
  whole.stopping |= element.stopping;
}

/// One that was cancelled has not failed: somebody wanted its end.
bool has_failed(WorkState state) {
  return state == WorkState::kFailed || state == WorkState::kTimedOut || state == WorkState::kLost;
}

}  // namespace

ArraySum sum_of(const std::vector<ObservedWork>& elements) {
  ArraySum sum;
  ObservedWork& whole = sum.whole;
  bool first = true;
  for (const ObservedWork& element : elements) {
    ++sum.counts[static_cast<std::size_t>(element.state)];
    if (has_failed(element.state)) {
      if (sum.failed.size() < kFailedShown)
        sum.failed.push_back(static_cast<std::size_t>(&element - elements.data()));
      else
        ++sum.failed_more;
    }
    add_figures(whole, element);
    // What has not run yet has used nothing, on whatever basis.
    if (element.run == 0) continue;
    whole.basis = first ? element.basis : weaker(whole.basis, element.basis);
    first = false;
  }
  for (const WorkState state : kOrder) {
    const auto found = std::ranges::find(elements, state, &ObservedWork::state);
    if (found == elements.end()) continue;
    whole.state = state;
    whole.reason_code = found->reason_code;
    whole.reason = found->reason;
    whole.full_reason = found->full_reason;
    break;
  }
  if (!control::is_over(whole.state)) {
    whole.ended_at.reset();
    return sum;
  }
  const auto failed = std::ranges::find_if(
      elements, [](const ObservedWork& element) { return element.state != WorkState::kSucceeded; });
  whole.exit_code = 0;
  if (failed != elements.end()) whole.exit_code = failed->exit_code.value_or(0) != 0 ? *failed->exit_code : 1;
  return sum;
}

}  // namespace millrace::platform
