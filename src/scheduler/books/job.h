// Job: a workload as the scheduler keeps it, from its submission to its end.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "scheduler/books/shape.h"
#include "scheduler/decision.h"
#include "scheduler/workload.h"

namespace millrace::scheduler {

inline constexpr TimePoint kNever = TimePoint::max();
/// When work that has no limit, but is no service, is taken to end: later than anything that is planned.
inline constexpr TimePoint kSomeDay = std::chrono::sys_days{std::chrono::year{2999} / 1 / 1};
/// Rank of work that has waited longer than the starvation bound: above every priority class.
inline constexpr std::int32_t kStarvedRank = INT32_MAX;

enum class Phase : std::uint8_t { kWaiting, kPending, kRunning };

struct Budgeted;

/// What a job draws against one budget, and what is left of that where the budget falls meanwhile: its draw under the lowest
/// cap, or nothing if it is stopped then and loses little (yields_after).
struct ScopeDraw {
  Budgeted* budget = nullptr;
  std::int64_t milliwatts = 0;
  std::int64_t least_mw = 0;
  std::int64_t saves_mw = 0;  // what the lowest cap would save, where it runs
};

/// Capacity that is kept for a blocked workload from `begin` on, until it would be over: others may be promised it after that.
struct Promise {
  TimePoint begin{};
  TimePoint end = kNever;
  std::vector<TaskPlace> places;      // the one that is free last comes first
  std::optional<WorkloadId> because;  // whose end it waits for, running or promised, if it is for that
  bool claim = false;                 // others were told to stop for it
  bool behind = false;                // it waits for other promised work to end
  std::vector<ScopeDraw> draws;
};

/// What people were told of work that waits: told again where this changes.
struct Told {
  ReasonCode code = ReasonCode::kNone;
  std::optional<Scope> scope;  // of kPower: whose budget
  bool operator==(const Told&) const = default;
};
inline Told told_of(const Reason& reason) { return {reason.code, reason.scope}; }

struct Job {
  Workload work;
  Shape* shape = nullptr;
  Phase phase = Phase::kPending;
  std::int32_t rank = 0;     // priority class, or kStarvedRank
  std::int64_t limit_s = 0;  // rounded up (limit_class); INT64_MAX without limit

  // Pending.
  Group* group = nullptr;
  std::unique_ptr<Promise> promise;
  Told told;                             // as the last plan that named it said
  std::shared_ptr<const Reason> reason;  // its own; null: that of its group
  bool fresh = false;                    // no pass has looked at it since it came
  bool charged = false;                  // its request is part of what its account uses
  std::uint64_t seen_walk = 0;
  std::uint64_t displaced_walk = 0;  // its promise was taken for work of a higher rank
  std::uint64_t yielded_pass = 0;    // its promise was dropped for work that takes back what it would borrow

  // Running.
  TimePoint started{};
  TimePoint end = kNever;  // by its limit, or by when it was told to stop
  bool stopping = false;
  std::int32_t cap_milli = 1000;
  std::int32_t cap_told = 1000;  // as the last plan said, or the start
  std::uint64_t cap_pass = 0;    // the pass whose plan has a cap of it,
  std::size_t cap_at = 0;        // and where in that plan
  const Budgeted* capped_by =
      nullptr;  // what keeps it from drawing more; null where nothing does, or that is not known
  std::vector<TaskPlace> places;
  std::vector<ScopeDraw> draws;
};

/// Order within one account and class. The id makes it total. Deferrable work counts by the hour, as it is let go by the
/// hour: of what came in one hour, that which must start first goes first.
struct Turn {
  std::int32_t nice = 0;
  TimePoint submitted{};
  TimePoint latest_start{};
  WorkloadId id = 0;
  Job* job = nullptr;
  friend bool operator<(const Turn& a, const Turn& b) {
    if (a.nice != b.nice) return a.nice < b.nice;
    if (a.submitted != b.submitted) return a.submitted < b.submitted;
    if (a.latest_start != b.latest_start) return a.latest_start < b.latest_start;
    return a.id < b.id;
  }
};

inline Turn turn_of(Job& job) {
  const Workload& work = job.work;
  Turn turn{.nice = job.rank == kStarvedRank ? 0 : work.nice,
            .submitted = work.submitted,
            .latest_start = TimePoint::min(),
            .id = work.id,
            .job = &job};
  if (work.deadline) {
    turn.submitted = std::chrono::ceil<std::chrono::hours>(work.submitted);
    turn.latest_start = *work.deadline - work.limit.value_or(std::chrono::seconds(0));
  }
  return turn;
}

/// A limit as backfill counts it: minutes rounded up to six significant bits (exact up to an hour and at most 3 % more
/// beyond), so that workloads of nearly equal limits are one group.
std::int64_t limit_class(const std::optional<std::chrono::seconds>& limit);

/// How many times longer work takes under a cap: it goes on beyond its limit (scheduler/speed.h). At least 1.
double stretch_of(const Workload& work, std::int32_t cap_milli);

/// When work that has started will have ended: by its limit; without, kSomeDay, and kNever if it is a service.
TimePoint end_of(const Workload& work, TimePoint started, std::int32_t cap_milli = 1000);

/// kNever where that is beyond all times.
TimePoint time_after(TimePoint begin, std::chrono::microseconds length);

/// When work that starts at `now` counts as over for backfill; kNever without limit.
TimePoint window_end(TimePoint now, std::int64_t limit_s);
/// Its limit as backfill counts it, under a cap.
std::int64_t limit_under(const Job& job, std::int32_t cap_milli);

/// Whether it is paused without loss, given so long between being told to stop and being stopped.
bool is_pausable(const Job& job, std::chrono::microseconds notice);

/// From how long after its start on a fall of a budget may stop it, so that it is worth running until then: most of what it
/// did is not lost. The maximum where that is never so.
std::chrono::microseconds yields_after(const Job& job);

/// Whose accelerators are capped last: services, then the higher class.
using Precedence = std::pair<bool, std::int32_t>;
inline Precedence precedence_of(const Workload& work) { return {work.service, work.priority}; }

/// The one of that budget; nothing is drawn where there is none.
ScopeDraw against(std::span<const ScopeDraw> draws, const Budgeted& budget);

/// Accelerator-milliseconds (of thousandths of an accelerator, seconds) that a stop throws away of what was done by `now`.
std::int64_t loss_of(const Job& job, TimePoint now, std::chrono::microseconds notice);

}  // namespace millrace::scheduler
