// `millrace twin pass`: what one scheduling pass costs on a full cluster with a long queue.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>

#include "core/clock.h"
#include "core/result.h"
#include "twin/progress.h"

namespace millrace::twin {

struct PassOptions {
  std::int64_t nodes = 2250;
  std::int32_t accelerators = 8;  // of each node
  std::int64_t pending = 10'000;
  std::uint64_t seed = 1;
  std::int32_t reservations = 64;  // workloads that hold a promise at once
};

struct PassResult {
  double cold_ms = 0;  // a scheduler built from a snapshot, and its first pass over everything
  // Medians; nullopt where too few jobs run for one to be timed: each takes the end of one of them.
  std::optional<double> pass_ms;   // a pass over everything that is pending, after one more job has ended
  std::optional<double> event_ms;  // one job ends, and the pass that this calls for
  std::int64_t started = 0;        // by the first pass
  std::int64_t held = 0;
  std::int64_t promised = 0;  // of those held, with a time when they will start
  std::int64_t running = 0;
};

/// The mix: 35 % of jobs ask for 1 accelerator, 15 % for 2, 12 % for 4, 23 % for 8, and 15 % for 2 to 128 whole nodes;
/// 12 cores and 200 GB for each accelerator; limits of 30 to 2,880 minutes; nice 0 to 999. Jobs are submitted until the
/// cluster is full; they have run for a part of their limit; then `pending` more are queued and the first pass is timed.
Result<PassResult> run_pass(const PassOptions& options, const Clock& clock, const Progress& progress);

/// The fields of PassResult by name; nullopt is null.
boost::json::object to_json(const PassResult& result);

}  // namespace millrace::twin
