// TraceBuilder: what all readers of traces share: limits, the site's names, accounts dealt out, order of arrival.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "twin/generate/gang.h"
#include "twin/generate/sampler.h"
#include "twin/site_config.h"
#include "twin/trace.h"

namespace millrace::twin {

class TraceBuilder {
 public:
  TraceBuilder(const SiteConfig& site, const TraceOptions& options, std::string_view format,
               std::string file);

  const SiteConfig& site() const { return site_; }
  const TraceOptions& options() const { return options_; }
  const std::string& file() const { return trace_.facts.origin; }
  TraceFacts& facts() { return trace_.facts; }
  void set_service(std::vector<ServiceInterval> intervals) { trace_.service = std::move(intervals); }

  /// kExhausted beyond options.max_jobs, naming the line.
  Result<void> add(const TraceJob& job, std::int64_t line);

  /// Accounts for formats without any: of the leaves, in proportion to their weights, the same for the same number of calls.
  std::uint16_t deal_account();
  std::uint16_t class_high() const { return 0; }
  std::uint16_t class_default() const { return site_.default_class; }
  std::uint16_t class_low() const { return static_cast<std::uint16_t>(site_.priority_classes.size() - 1); }
  bool class_preemptible(std::uint16_t index) const { return site_.priority_classes[index].preemptible; }

  /// Bits of the kinds in a list such as "V100M16|T4": one called the same whatever the case, or the same after its
  /// vendor ("nvidia-t4"). Empty, or with none that the site has: all bits; the latter is counted.
  std::uint64_t kinds_of(std::string_view list);

  /// The job's work was measured on the kind called `name` (as in kinds_of). Of a kind that the site has not, but the
  /// catalogue, its work becomes that on a kind of the site, by roofline; of a kind that neither knows it takes as long on
  /// every kind. Both are counted. What kinds_of gave, and the profile, must stand already.
  void recorded_on(TraceJob& job, std::string_view name);

  /// Index of what a job needs, for TraceJob::needs; nullopt beyond 65,535 different ones.
  std::optional<std::uint16_t> needs_of(const WorkNeeds& needs);

  /// A gang on the site's reference kind of accelerator (GeneratorConfig::reference_kind, or the first).
  Gang gang(std::int32_t accelerators) const { return gang_of(site_.workload, room_, accelerators, 1000); }
  const Room& room() const { return room_; }

  /// The trace, its jobs in order of arrival. Empty is kInvalidArgument.
  Result<Trace> finish();

 private:
  const SiteConfig& site_;
  const TraceOptions& options_;
  Room room_;
  Sampler deal_;
  WeightedChoice accounts_;
  Trace trace_;
  std::map<WorkNeeds, std::size_t> needs_at_{{WorkNeeds{}, 0}};  // index into trace_.needs
};

/// The readers; each adds its jobs and notes. Formats in docs/twin.md.
Result<void> read_openb(std::string_view text, TraceBuilder& builder);
Result<void> read_gavel(std::string_view text, TraceBuilder& builder);
Result<void> read_gaia(std::string_view text, TraceBuilder& builder);
Result<void> read_azure_llm(std::string_view text, TraceBuilder& builder);
Result<void> read_mooncake(std::string_view text, TraceBuilder& builder);
Result<void> read_millrace(std::string_view text, TraceBuilder& builder);

/// Replicas of a service from requests in order of any sort; see ServiceRule.
class ServiceLoad {
 public:
  explicit ServiceLoad(TraceBuilder& builder) : builder_(builder) {}
  /// `at` since the beginning of the trace, not negative. kInvalidArgument if that is further than 1,000,000 intervals.
  Result<void> request(TraceTime at, std::int64_t input_tokens, std::int64_t output_tokens,
                       std::int64_t line);
  Result<void> finish();

 private:
  /// Of a replica on the site's reference kind.
  struct Rates {
    double prefill_tokens_per_s = 0.0, decode_tokens_per_s = 0.0;
    bool known = false;  // else as measured, whatever the kind
  };
  Rates rates() const;
  std::vector<std::int32_t> replicas_wanted(const Rates& rates);
  void keep_apart(TraceJob& job, std::int64_t replicas_most);
  TraceJob replica_job() const;

  TraceBuilder& builder_;
  std::vector<ServiceInterval> intervals_;
  std::int64_t requests_ = 0;
};

}  // namespace millrace::twin
