// Trace: what a workload asks of a site over time, from files of several formats or a generator, in one form.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "scheduler/placement.h"
#include "scheduler/workload.h"

namespace millrace::twin {

struct SiteConfig;

/// Since the beginning of the trace, which the engine lays on the beginning of the run.
using TraceTime = std::chrono::microseconds;

/// "No deadline" and "ends with the run".
inline constexpr TraceTime kNever = TraceTime::max();

enum class TraceJobKind : std::uint8_t {
  kJob,          // ends by itself after its work
  kService,      // a replica behind an endpoint: holds its accelerators for `work` whatever they do
  kEnvironment,  // interactive: held as a service is, started as soon as a job
};

/// What work is made of, for the roofline: shares of the time on the reference kind that is bound by each resource.
enum class WorkProfile : std::uint8_t {
  kUnknown,   // takes as long on every kind
  kTraining,  // compute and interconnect
  kPrefill,   // compute
  kDecode,    // memory bandwidth
  kCpu,       // no accelerator's work
};
std::string_view name_of(WorkProfile profile);

/// What work asks of the place where it runs, beside kinds and room.
struct WorkNeeds {
  std::vector<std::string> zones, jurisdictions;  // any of these; empty: any
  std::int64_t accelerator_memory_mib = 0;        // of each accelerator, at least
  bool attested = false;                          // only nodes whose boot was verified
  std::string siblings;  // TraceJob::spread holds among all work of this name too; empty: of none
  auto operator<=>(const WorkNeeds&) const = default;
};

/// One workload: 96 bytes, no heap, so that a million fit in 96 MB. Indexes point into the SiteConfig that the reader was
/// given.
struct TraceJob {
  TraceTime arrival{};
  TraceTime work{};                         // wall time of all tasks at full speed on `reference_kind`
  TraceTime deadline = kNever;              // when it should have ended
  scheduler::Demand demand;                 // of each task
  std::int32_t tasks = 1;                   // all or none run (gang)
  std::int32_t utilisation_milli = 1000;    // of the granted accelerators while it runs: what power follows
  std::uint64_t kinds = ~std::uint64_t{0};  // bit k: may run on cluster.kinds[k]
  std::int64_t input_tokens = 0;            // of the requests that it answers while it runs, evenly
  std::int64_t output_tokens = 0;
  std::uint16_t reference_kind =
      kAnyKind;                      // that `work` was recorded on; kAnyKind: takes `work` on every kind
  std::uint16_t account = 0;         // index into SiteConfig::accounts, one of its leaves
  std::uint16_t priority_class = 0;  // index into SiteConfig::priority_classes
  std::uint16_t needs = 0;           // index into what the source says that its jobs need; 0: nothing
  WorkProfile profile = WorkProfile::kUnknown;
  TraceJobKind kind = TraceJobKind::kJob;
  bool deferrable = false;     // may wait for clean or cheap hours until `deadline` allows no more
  bool interruptible = false;  // may be paused and go on later without loss
  bool preemptible = true;     // as its class, unless the trace says no
  bool one_domain = false;     // all tasks inside one domain
  scheduler::Spread spread = scheduler::Spread::kNone;

  static constexpr std::uint16_t kAnyKind = UINT16_MAX;
  bool operator==(const TraceJob&) const = default;
};
static_assert(sizeof(TraceJob) <= 96);

/// What a reader or generator did that a person should know.
struct TraceFacts {
  std::string format, origin;             // "gaia", file name or "generator, seed 1"
  std::int64_t jobs = 0;                  // 0 for a generator that was not yet run to its end
  std::int64_t skipped = 0;               // rows that are no work: see `notes`
  std::int64_t kinds_unknown = 0;         // jobs that named only kinds the site has not; they may run on any
  std::int64_t references_converted = 0;  // jobs measured on a kind that only the catalogue knows
  std::int64_t references_unknown = 0;    // or that nothing is known of
  std::int64_t requests = 0;              // of an inference trace
  TraceTime last_arrival{};
  std::vector<std::string> notes;  // one sentence each: rules that were applied
};

/// Jobs in order of arrival; equal arrivals in the order of the file. One pass; one thread.
class JobSource {
 public:
  virtual ~JobSource() = default;
  /// nullopt at the end, and again whenever asked after it.
  virtual std::optional<TraceJob> next() = 0;
  /// 0 if it is not known before the end.
  virtual std::int64_t jobs_expected() const = 0;
  virtual const TraceFacts& facts() const = 0;
  /// What TraceJob::needs points into; element 0 asks for nothing.
  virtual const std::vector<WorkNeeds>& needs() const = 0;
};

/// Requests to a service in one interval of an inference trace.
struct ServiceInterval {
  std::int64_t requests = 0;
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
  std::int32_t replicas = 0;  // that the rule gave it
  bool operator==(const ServiceInterval&) const = default;
};

/// How requests become replicas: in each interval as many as its tokens need, never fewer than `replicas_min`:
///   ceil((input_tokens / prefill_tokens_per_s + output_tokens / decode_tokens_per_s)
///        / (interval x utilisation))
/// A replica is kept for `linger` after the last interval that needed it. The k-th replica is one kService job for each
/// stretch of time in which at least k are wanted; the tokens of an interval are dealt evenly to those that stand. Defaults: Llama-2-70B on 8 H100 as measured for "Splitwise" (ISCA 2024,
/// perf_model.csv): see docs/twin.md.
struct ServiceRule {
  std::chrono::seconds interval{60};
  std::chrono::seconds linger{300};
  double prefill_tokens_per_s = 11'000;
  double decode_tokens_per_s = 1'280;
  double utilisation = 0.7;
  std::int32_t accelerators_per_replica = 8;
  std::int32_t replicas_min = 1;
  std::int64_t requests_scale_milli = 1000;  // each request counts as so many thousandths
};

struct TraceOptions {
  ServiceRule service{};
  std::size_t max_bytes = std::size_t{1} << 30;
  std::int64_t max_jobs = 5'000'000;
};

/// A whole trace in memory.
struct Trace {
  std::vector<TraceJob> jobs;            // in order of arrival
  std::vector<WorkNeeds> needs{{}};      // TraceJob::needs points into it; element 0 asks for nothing
  std::vector<ServiceInterval> service;  // of an inference trace; else empty
  TraceFacts facts;
};

/// "openb", "gavel", "gaia", "azure-llm", "mooncake", "millrace".
std::vector<std::string_view> trace_formats();

/// Reads `path`. `site` gives kinds, accounts and classes to point to. Formats without accounts deal their jobs over the
/// leaf accounts in turn, in proportion to their weights. kInvalidArgument names file, line and column (and the format's
/// names if `format` is none of them), kExhausted a limit of `options`, kNotFound a missing file.
Result<Trace> read_trace(const std::string& path, std::string_view format, const SiteConfig& site,
                         const TraceOptions& options = {});

/// The same from text; `file` names it in errors.
Result<Trace> parse_trace(std::string_view text, const std::string& file, std::string_view format,
                          const SiteConfig& site, const TraceOptions& options = {});

/// Plays a trace that is in memory.
std::unique_ptr<JobSource> play(Trace trace);

}  // namespace millrace::twin
