// SplitRuns: programs on one side, replicas on the other, as one.
#pragma once

#include <algorithm>
#include <functional>
#include <iterator>
#include <vector>

#include "control/runs.h"

namespace millrace::control {

/// Work of kind service goes to `services`, all other to `programs`, which is also who waits. Both outlive it.
class SplitRuns final : public Runs {
 public:
  SplitRuns(Runs& programs, Runs& services) : programs_(programs), services_(services) {}

  Result<void> start(const WantedWork& work, const StartRun& run,
                     const std::vector<NamedPlace>& places) override {
    return side_of(work).start(work, run, places);
  }
  std::vector<Result<void>> start_all(std::span<const Begin> begins) override {
    const auto is_service = [](const Begin& each) { return each.work->kind == WorkKind::kService; };
    std::vector<Begin> programs;
    std::ranges::copy_if(begins, std::back_inserter(programs), std::not_fn(is_service));
    const auto started = programs_.start_all(programs);
    auto of_program = started.begin();
    std::vector<Result<void>> results;
    for (const Begin& each : begins)
      results.push_back(is_service(each) ? services_.start(*each.work, *each.run, each.places)
                                         : *of_program++);
    return results;
  }
  Result<void> stop(const WantedWork& work, const StopRun& stop) override {
    return side_of(work).stop(work, stop);
  }
  Result<void> cap(const WantedWork& work, const CapRun& cap) override {
    return side_of(work).cap(work, cap);
  }
  Result<std::vector<RunStatus>> ended() override { return both(programs_.ended(), services_.ended()); }
  Result<std::vector<RunStatus>> all() override { return both(programs_.all(), services_.all()); }
  Result<RunStatus> status(RunKey key) override {
    auto found = services_.status(key);
    return found ? found : programs_.status(key);
  }
  Result<ReplicaLog> log(RunKey key, std::int32_t task, std::int64_t from, std::size_t max) override {
    return services_.status(key) ? services_.log(key, task, from, max) : programs_.log(key, task, from, max);
  }
  void forget(RunKey key) override {
    services_.forget(key);
    programs_.forget(key);
  }
  void wait_event(std::chrono::milliseconds timeout) override { programs_.wait_event(timeout); }
  void wake() override { programs_.wake(); }

 private:
  Runs& side_of(const WantedWork& work) { return work.kind == WorkKind::kService ? services_ : programs_; }
  static Result<std::vector<RunStatus>> both(Result<std::vector<RunStatus>> one,
                                             Result<std::vector<RunStatus>> other) {
    if (!one) return one;
    if (!other) return other;
    one->insert(one->end(), other->begin(), other->end());
    return one;
  }

  Runs& programs_;
  Runs& services_;
};

}  // namespace millrace::control
