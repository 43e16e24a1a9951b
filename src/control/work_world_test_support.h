// A world that runs work in virtual time, and outlives the manager that told it to: it checks what must never happen.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "control/runs.h"
#include "core/rng.h"
#include "store/fake/faulty_store.h"

namespace millrace::control {

/// Runs in memory. `now` is the caller's to move. Every breach of a promise is kept in `breaches`.
class SimulatedRuns final : public Runs {
 public:
  explicit SimulatedRuns(std::uint64_t seed) : rng_(seed) {}

  struct Run {
    WantedWork work;
    std::vector<NamedPlace> places;
    TimePoint started{}, ends{};
    Exit will = Exit::kDone;
    std::int32_t cap_milli = 1000;
    std::optional<TimePoint> told;  // to stop
    std::optional<RunEnd> end;
    bool forgotten = false;
  };

  Result<void> start(const WantedWork& work, const StartRun& run,
                     const std::vector<NamedPlace>& places) override {
    if (is_down_) return failure(ErrorCode::kUnavailable, "the executor is away");
    const RunKey key{run.id, run.run};
    if (runs_.contains(key)) {
      if (runs_.at(key).forgotten) breaches.push_back(name(key) + " was started again after it was settled");
      return {};
    }
    if (one_in(refuse_one_in)) return failure(ErrorCode::kUnavailable, "not now");
    check_start(work, key, places);
    Run fresh{.work = work, .places = places, .started = now, .ends = now, .told = {}, .end = {}};
    fresh.ends = now + lasts.value_or(std::chrono::seconds(1 + static_cast<std::int64_t>(rng_.next() % 600)));
    fresh.will = one_in(fail_one_in) ? Exit::kFailed : Exit::kDone;
    if (work.time_limit && fresh.started + *work.time_limit < fresh.ends) {
      fresh.ends = fresh.started + *work.time_limit;
      fresh.will = Exit::kTimedOut;
    }
    fresh.cap_milli = run.cap_milli;
    runs_.emplace(key, std::move(fresh));
    return {};
  }

  Result<void> stop(const WantedWork& /*work*/, const StopRun& stop) override {
    if (one_in(refuse_one_in)) return failure(ErrorCode::kTimeout, "the supervisor does not answer");
    const auto at = runs_.find({stop.id, stop.run});
    if (at == runs_.end() || at->second.end) return {};
    at->second.told = now;
    const TimePoint by = now + std::chrono::duration_cast<std::chrono::seconds>(stop.grace);
    if (by < at->second.ends) {
      at->second.ends = by;
      at->second.will = Exit::kStopped;
    }
    return {};
  }

  Result<void> cap(const WantedWork& /*work*/, const CapRun& cap) override {
    if (one_in(refuse_one_in)) return failure(ErrorCode::kTimeout, "the supervisor does not answer");
    if (const auto at = runs_.find({cap.id, cap.run}); at != runs_.end())
      at->second.cap_milli = cap.cap_milli;
    return {};
  }

  Result<std::vector<RunStatus>> ended() override {
    return listed([](const Run& run) { return run.end.has_value(); });
  }
  Result<std::vector<RunStatus>> all() override {
    return listed([](const Run&) { return true; });
  }
  Result<RunStatus> status(RunKey key) override {
    const auto at = runs_.find(key);
    if (at == runs_.end() || at->second.forgotten) return failure(ErrorCode::kNotFound, "no such run");
    return status_of(key, at->second);
  }
  Result<ReplicaLog> log(RunKey, std::int32_t, std::int64_t, std::size_t) override { return ReplicaLog{}; }
  void forget(RunKey key) override {
    if (const auto at = runs_.find(key); at != runs_.end()) {
      if (!at->second.end) breaches.push_back(name(key) + " was forgotten while it ran");
      at->second.forgotten = true;
    }
  }
  void wait_event(std::chrono::milliseconds) override {}
  void wake() override {}

  /// Ends what is due by `now`; the next time at which something ends.
  std::optional<TimePoint> advance() {
    std::optional<TimePoint> next;
    for (auto& [key, run] : runs_) {
      if (run.end) continue;
      if (run.ends <= now) {
        finish(run, run.will);
      } else if (!next || run.ends < *next) {
        next = run.ends;
      }
    }
    return next;
  }
  void lose_one() {
    for (auto& [key, run] : runs_) {
      if (!run.end && one_in(3)) return finish(run, Exit::kLost);
    }
  }
  void set_down(bool down) { is_down_ = down; }
  const std::map<RunKey, Run>& runs() const { return runs_; }

  TimePoint now{};
  std::optional<std::chrono::seconds> lasts;  // every run; else as it comes
  int refuse_one_in = 0, fail_one_in = 0;
  store::Faults reads;  // of all() and ended()
  std::vector<std::string> breaches;

 private:
  static std::string name(RunKey key) {
    return "run " + std::to_string(key.run) + " of " + std::to_string(number_of(key.id)) + "_" +
           std::to_string(index_of(key.id));
  }
  bool one_in(int count) { return count > 0 && rng_.next() % static_cast<unsigned>(count) == 0; }

  void finish(Run& run, Exit exit) {
    run.end = RunEnd{.exit = exit,
                     .why = exit == Exit::kStopped ? "was ended by signal 15" : "",
                     .exit_code = exit == Exit::kDone ? 0 : 1,
                     .started_at = run.started,
                     .ended_at = now,
                     .cpu_us = 1000};
  }

  void check_start(const WantedWork& work, RunKey key, const std::vector<NamedPlace>& places) {
    if (static_cast<std::int32_t>(places.size()) != work.tasks)
      breaches.push_back(name(key) + " is not whole");
    for (const auto& [other, run] : runs_) {
      if (run.end) continue;
      if (other.id == key.id) breaches.push_back(name(key) + " runs beside " + name(other));
      for (const NamedPlace& mine : places) {
        for (const NamedPlace& theirs : run.places) {
          const bool whole =
              work.demand.accelerator_milli == 1000 || run.work.demand.accelerator_milli == 1000;
          if (whole && mine.node == theirs.node && (mine.devices & theirs.devices) != 0)
            breaches.push_back(name(key) + " shares devices with " + name(other));
        }
      }
    }
  }

  RunStatus status_of(RunKey key, const Run& run) const {
    return {.key = key, .is_running = !run.end, .started_at = run.started, .cpu_us = 0, .end = run.end};
  }
  template <typename Keep>
  Result<std::vector<RunStatus>> listed(Keep keep) {
    if (is_down_) return failure(ErrorCode::kUnavailable, "the executor is away");
    return reads.pass([&]() -> Result<std::vector<RunStatus>> {
      std::vector<RunStatus> out;
      for (const auto& [key, run] : runs_) {
        if (!run.forgotten && keep(run)) out.push_back(status_of(key, run));
      }
      return out;
    });
  }

  SeededRng rng_;
  std::map<RunKey, Run> runs_;
  bool is_down_ = false;
};

}  // namespace millrace::control
