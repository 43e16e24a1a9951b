// Gantt keeper: when the largest jobs of a run ran, in bounded memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "twin/report.h"
#include "twin/sim/job_table.h"

namespace millrace::twin {

/// Largest is: most accelerators, then most work, then the smaller id. A job is judged when it first starts.
class GanttKeeper {
 public:
  void begin(Job& job, VirtualTime now);
  void cap(const Job& job, VirtualTime now);
  void end(const Job& job, VirtualTime now);
  /// Open stretches end at `now`. `accounts` gives names by index. Largest first.
  std::vector<GanttJob> jobs(VirtualTime now, const std::vector<std::string>& accounts) const;

 private:
  static constexpr std::size_t kJobs = 60;
  static constexpr std::size_t kStretches = 400;

  struct Stretch {
    VirtualTime from = 0;
    VirtualTime to = kNoTime;  // kNoTime: goes on
    bool capped = false;
  };
  struct Kept {
    std::int64_t accelerators_milli = 0;
    std::int64_t work_us = 0;
    scheduler::WorkloadId id = 0;
    std::uint16_t account = 0;
    VirtualTime arrival = 0;
    std::vector<Stretch> stretches;
    bool larger_than(const Kept& other) const;
  };
  Kept* find(const Job& job);
  void open(Kept& kept, const Job& job, VirtualTime now);

  std::vector<Kept> kept_;
};

}  // namespace millrace::twin
