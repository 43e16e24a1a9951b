// Tally: what a run adds up while it goes on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "twin/sim/gantt_keeper.h"
#include "twin/sim/job_table.h"
#include "twin/sim/power_book.h"
#include "twin/sim/statistics.h"
#include "twin/sim/timeline.h"
#include "twin/site_config.h"

namespace millrace::twin {

struct ClassTally {
  Sample wait_s;
};

struct AccountTally {
  std::int64_t jobs = 0;  // that ended
  std::int64_t started = 0;
  double wait_sum_s = 0.0;
  double held_us = 0.0;   // accelerator-microseconds
  double asked_us = 0.0;  // that its jobs asked for; 0: it wanted nothing
  NanoJoule energy = 0;
  std::int64_t co2e_ug = 0;
};

/// What work held of the accelerators of a kind.
struct KindTally {
  double held_us = 0.0;             // accelerator-microseconds of work that could not wait
  double held_deferrable_us = 0.0;  // of work that could
  NanoJoule attributed = 0;         // to work, of IT equipment
};

/// By site, of IT equipment; PUE is applied where figures leave the twin.
struct SiteTally {
  double held_us = 0.0;      // accelerator-microseconds
  NanoJoule attributed = 0;  // to work
  double co2e_ug = 0.0;      // of all the site draws, at the meter
  double energy_microeur = 0.0;
};

/// Of a site, or of all, at the meter.
struct PowerLines {
  explicit PowerLines(VirtualTime start) : draw_mw(start), idle_mw(start), budget_mw(start) {}

  Timeline draw_mw, idle_mw;
  Timeline budget_mw;    // where there is none: what everything draws at full load
  bool limited = false;  // there was a budget, of all sites at one time
};

struct DeferrableTally {
  std::int64_t jobs = 0;
  std::int64_t late = 0;         // ended after their deadline
  double co2e_ug = 0.0;          // at the meter, as all here
  double co2e_at_once_ug = 0.0;  // had each run when it arrived
  double co2e_oracle_ug =
      0.0;  // had each run in the cleanest hours before its deadline, with the future known
};

struct Tally {
  explicit Tally(const SiteConfig& config, VirtualTime start);

  std::int64_t submitted = 0, done = 0, failed = 0, refused = 0, unplaceable = 0;
  std::int64_t starts = 0, caps = 0;
  std::int64_t preempted = 0;    // runs stopped for other work
  std::int64_t power_stops = 0;  // runs stopped for a budget
  std::int64_t lost_runs = 0;    // runs ended by a failure
  std::int64_t pauses = 0;       // for cleaner or cheaper hours
  std::int64_t node_failures = 0, feed_failures = 0;
  double lost_us = 0.0;    // accelerator-microseconds of work done again
  double useful_us = 0.0;  // accelerator-microseconds held x utilisation x speed under the cap
  double cpu_core_us = 0.0, cpu_core_deferrable_us = 0.0;                // core-microseconds held
  double input_tokens = 0.0, output_tokens = 0.0;                        // of requests that were answered
  double input_tokens_deferrable = 0.0, output_tokens_deferrable = 0.0;  // part of these
  double held_for_tokens_us = 0.0;  // accelerator-microseconds of work that answers requests
  VirtualTime last_end = 0;         // of work that is over
  Sample wait_s, jct_s, slowdown;
  std::vector<ClassTally> classes;
  std::vector<AccountTally> accounts;
  std::vector<SiteTally> sites;
  DeferrableTally deferrable;
  std::vector<KindTally> kinds;

  PowerLines power;
  std::vector<PowerLines> power_of_site;  // where there are several
  Timeline queue, running, allocated;
  Timeline co2e_ug, co2e_at_once_ug, co2e_oracle_ug;  // of `deferrable`, as it grows
  double free_milli_sum = 0.0;        // over hourly samples: free accelerators of nodes that are up
  double fragmented_milli_sum = 0.0;  // of those, what typical work cannot use
  GanttKeeper gantt;
};

}  // namespace millrace::twin
