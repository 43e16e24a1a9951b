// Job table: the work that is not over, in slots that are used again.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "scheduler/decision.h"
#include "scheduler/workload.h"
#include "twin/sim/power_integral.h"
#include "twin/trace.h"

namespace millrace::twin {

inline constexpr std::uint32_t kNoSlot = UINT32_MAX;
inline constexpr VirtualTime kNoTime = INT64_MIN;

/// Draw of a run on one site, above idle.
struct SiteDraw {
  scheduler::SiteIndex site = 0;
  std::int64_t milliwatts = 0;
};

struct Job {
  TraceJob trace;
  scheduler::WorkloadId id = 0;
  VirtualTime arrival = 0;
  double left_us = 0.0;  // of its work, at full speed where it was recorded
  VirtualTime first_start = kNoTime;
  std::uint32_t stops = 0;  // runs that ended before its work was done
  std::uint32_t gantt = kNoSlot;
  scheduler::SiteIndex site = 0;  // where it ran last

  // What it took so far, as of `since`, of work that may wait only: a stop may move it to another site, where another
  // intensity and PUE count.
  std::vector<NanoJoule> energy_by_site;
  double co2e_meter_ug = 0.0;

  // Its run; `run` is 0 while it waits.
  std::uint32_t run = 0;
  bool broken = false;    // a node it needs is gone: nothing but the end of the run can come
  bool ended = false;     // its last run is over, and control has not yet said what follows
  bool stopping = false;  // was told to stop, and has some grace left
  // Why it waits, as told last; kNone after it was started, or not told.
  scheduler::ReasonCode held = scheduler::ReasonCode::kNone;
  VirtualTime ran_us = 0;                         // in all its runs
  std::optional<scheduler::SiteIndex> held_site;  // with kPower: whose own budget has no room
  VirtualTime queued = 0;                         // since it waits
  VirtualTime planned = kNoTime;  // with kNotBefore: when it is expected to start, as told last
  bool no_grace = false;          // it is stopped before it can write a checkpoint
  double kind_speed = 1.0;        // of the slowest kind it got, without a cap
  double speed = 0.0;             // now
  double run_work_us = 0.0;       // done in this run
  std::int32_t cap_milli = 1000;
  VirtualTime since = 0;  // to which the figures above are counted
  std::vector<scheduler::TaskPlace> places;
  std::vector<SiteDraw> draws;

  std::int64_t accelerators_milli() const {
    return std::int64_t{trace.tasks} * trace.demand.accelerators * trace.demand.accelerator_milli;
  }
};

class JobTable {
 public:
  /// A slot for the next id; ids are 1, 2, 3, ...
  std::uint32_t add() {
    std::uint32_t slot = 0;
    if (free_.empty()) {
      slot = static_cast<std::uint32_t>(jobs_.size());
      jobs_.emplace_back();
      versions_.push_back({});
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    slot_of_.push_back(slot);
    jobs_[slot].id = slot_of_.size();
    return slot;
  }
  /// The work is over. Its vectors keep their capacity for the next in this slot.
  void remove(std::uint32_t slot) {
    Job& job = jobs_[slot];
    slot_of_[job.id - 1] = kNoSlot;
    ++versions_[slot].plan;
    std::vector<scheduler::TaskPlace> places = std::move(job.places);
    std::vector<SiteDraw> draws = std::move(job.draws);
    places.clear();
    draws.clear();
    job = Job{};
    job.places = std::move(places);
    job.draws = std::move(draws);
    free_.push_back(slot);
  }
  Job& operator[](std::uint32_t slot) { return jobs_[slot]; }
  /// kNoSlot for work that is over.
  std::uint32_t slot_of(scheduler::WorkloadId id) const { return slot_of_[id - 1]; }
  /// Numbers that rise as long as the slot is used, whoever uses it: an event with an older one is void. `plan` is of the
  /// time at which the present run will finish, `run` of the run itself.
  struct Versions {
    std::uint32_t plan = 0;
    std::uint32_t run = 0;
  };
  Versions& versions(std::uint32_t slot) { return versions_[slot]; }
  std::size_t slots() const { return jobs_.size(); }

 private:
  std::vector<Job> jobs_;
  std::vector<Versions> versions_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> slot_of_;  // by id - 1: 4 bytes for each job of the run
};

}  // namespace millrace::twin
