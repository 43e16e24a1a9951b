// `millrace twin openb`: the placement experiment of "Beware of Fragmentation" (Weng et al., USENIX ATC 2023) with any of
// our placement policies. The pods of a list come in an order shuffled by the seed, and after them pods drawn from the list
// until the demand for accelerators is `inflate` times what the nodes have. Each is placed at once or refused for good, and
// none ever leaves.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/result.h"
#include "scheduler/placement_policies.h"
#include "twin/progress.h"

namespace millrace::twin {

/// Both ends are part of it.
struct SeedRange {
  std::uint64_t first = 42, last = 51;
};
/// "42-51" or "42"; at most 10,000 of them. kInvalidArgument otherwise.
Result<SeedRange> parse_seeds(std::string_view text);

struct OpenbOptions {
  std::string nodes;  // path; columns cpu_milli, memory_mib, gpu, model
  std::string pods;   // path; columns cpu_milli, memory_mib, num_gpu, gpu_milli, gpu_spec
  scheduler::PlacementKind policy = scheduler::PlacementKind::kMillrace;
  double inflate = 1.3;  // demand / capacity at the end, 0.01 to 10
  SeedRange seeds;
};

/// Over seeds. `stdev` is that of a sample, 0 with one seed.
struct OpenbFigure {
  double mean = 0, stdev = 0;
};

/// How things stand when so many percent of the capacity have been asked for (granted or not): the mean over the arrivals
/// at which this rounds to `demand_pct`, as in the study.
struct OpenbMark {
  std::int64_t demand_pct = 0;
  OpenbFigure allocation_pct;     // of all accelerators
  OpenbFigure fragmentation_pct;  // accelerators that are free but of no use to typical pods, of all
};

struct OpenbResult {
  OpenbOptions options;
  std::int64_t nodes = 0, accelerators = 0, pods = 0;  // of the input
  std::int64_t shapes = 0;                             // different pods
  std::vector<OpenbMark> marks;  // 100 and 130 % as far as `inflate` reaches them, and the end
  OpenbFigure arrived, refused;  // pods in a run
  double seconds_per_run = 0;    // wall time, mean
};

/// kInvalidArgument: an option out of range, a file that is not as it should be (names file, line and column), more than 64
/// kinds of accelerators, no accelerator at all in either list. kNotFound: a file that is not there.
/// `clock` is for seconds_per_run alone.
Result<OpenbResult> run_openb(const OpenbOptions& options, const Clock& clock, const Progress& progress);

/// Members: policy, inflate, seeds [first, last], nodes, accelerators, pods, shapes;
/// allocation_pct {"100": mean, "130": mean, and where `inflate` ends}, fragmentation_pct (the same keys: demand in percent of
/// capacity; "100" and "130" are always there, and null beyond `inflate`);
/// arrived, refused (pods in a run, means); seconds_per_run;
/// stdev {allocation_pct {...}, fragmentation_pct {...}, arrived, refused}.
boost::json::object to_json(const OpenbResult& result);

}  // namespace millrace::twin
