// `millrace twin queues`: many small workloads against the quotas of cohorts of queues, in virtual time, under the real
// scheduler. Only quotas bind: the one node there is holds all that they allow.
#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/result.h"
#include "scheduler/accounts.h"
#include "twin/progress.h"

namespace millrace::twin {

/// Workloads of one class in each queue: the first comes at `first`, each other `every` after the one before.
struct QueueClass {
  std::string name;
  std::int64_t count = 1;
  std::chrono::milliseconds first{};
  std::chrono::milliseconds every{};
  std::chrono::milliseconds runtime{};
  std::int64_t units = 1;  // of quota
  std::int32_t priority = 0;
};

/// `count` queues of a cohort that are alike.
struct QueueSet {
  std::string name;
  std::int64_t count = 1;
  std::int64_t nominal_units = 0;
  std::int64_t borrow_units = 0;  // what it may use above nominal, as far as its cohort leaves it
  scheduler::Reclaim reclaim = scheduler::Reclaim::kAny;
  std::vector<QueueClass> classes;
};

/// `count` cohorts that are alike. Together its queues may use the sum of their nominal quotas.
struct CohortSet {
  std::string name;
  std::int64_t count = 1;
  std::vector<QueueSet> queues;
};

struct QueuesConfig {
  std::string name;
  bool preempt =
      true;  // work may be stopped for higher classes of its queue, and for what its queue borrowed
  std::vector<CohortSet> cohorts;
};

/// kInvalidArgument names file, line and key; kNotFound: no such file. examples/queues-baseline.toml shows every key.
Result<QueuesConfig> read_queues_config(const std::string& path);
Result<QueuesConfig> parse_queues_config(std::string_view text, const std::string& file);

struct QueueClassResult {
  std::string name;
  std::int64_t workloads = 0;
  double admission_mean_s = 0.0;  // from arrival to first start
  double admission_max_s = 0.0;
};

struct QueuesResult {
  std::string name;
  std::int64_t workloads = 0;
  double makespan_s = 0.0;  // virtual: from time 0 to the last end
  /// That no schedule can beat: the largest cohort's work over its quota, or the end of one that starts as it comes.
  double bound_s = 0.0;
  std::vector<QueueClassResult> classes;  // in the order of the configuration
  double usage_pct = 0.0;                 // units held x time / (all nominal quota x makespan)
  std::int64_t starts = 0;                // restarts after a preemption included
  std::int64_t preemptions = 0;
  std::int64_t passes = 0;
  double wall_s = 0.0;  // real time of the whole run
  double decisions_per_s =
      0.0;  // workloads that were admitted and ended in a second of real time; restarts not counted
};

/// What is preempted loses its work and queues again with its first time of arrival. `clock` measures real time only.
/// kInternal: the scheduler left work pending that nothing will start, and its reason.
Result<QueuesResult> run_queues(const QueuesConfig& config, const Clock& clock, const Progress& progress);

/// Members as QueuesResult, with admission_mean_s and admission_max_s as objects by class.
boost::json::object to_json(const QueuesResult& result);

}  // namespace millrace::twin
