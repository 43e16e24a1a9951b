// UsageTable: the port to usage records: appended once each by request id, read by page, summed by dimension.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/result.h"

namespace millrace::store {

enum class UsageStatus : std::uint8_t { kCompleted = 1, kCancelled = 2, kFailed = 3 };
std::string_view name_of(UsageStatus status);

/// Use of one request, or of one run of a job or environment; final. `input_tokens` includes `cached_tokens`,
/// `output_tokens` includes `reasoning_tokens`.
struct UsageRecord {
  std::string request_id, client_request_id, tenant, project, key_id, endpoint, model;
  UsageStatus status = UsageStatus::kFailed;
  std::int64_t input_tokens = 0, cached_tokens = 0, output_tokens = 0, reasoning_tokens = 0;
  std::optional<std::int64_t> energy_uj;  // microjoules; absent: unknown
  std::optional<std::int64_t> co2e_ug;    // micrograms
  std::string energy_model;               // empty: unknown
  std::string basis;                      // "measured", "modelled", "unknown"
  std::int64_t cost_microeur = 0, price_version = 0;
  std::string site, zone;
  TimePoint started_at{}, ended_at{};
  std::int64_t accelerator_ms = 0, cpu_us = 0;  // of a run: accelerators held x time, CPU time
  bool operator==(const UsageRecord&) const = default;
};

/// Half-open interval on started_at; empty strings match everything.
struct UsageFilter {
  std::optional<TimePoint> from, to;
  std::string tenant, project;
};

enum class UsageDimension { kModel, kKey, kProject, kDay, kTenant };

struct UsageSum {
  std::string name;  // the dimension's value
  std::int64_t requests = 0, input_tokens = 0, cached_tokens = 0, output_tokens = 0, reasoning_tokens = 0,
               energy_uj = 0, co2e_ug = 0, cost_microeur = 0, accelerator_ms = 0, cpu_us = 0;
};

/// Every method is safe from any thread.
class UsageTable {
 public:
  virtual ~UsageTable() = default;

  /// Durable on return. A record whose request_id is known already is ignored; returns how many were new.
  virtual Result<std::int64_t> append(std::span<const UsageRecord> records) = 0;

  /// In order of request_id (which is order of start), after `after`, at most `limit`.
  virtual Result<std::vector<UsageRecord>> list(const UsageFilter& filter, std::string_view after,
                                                std::size_t limit) const = 0;

  /// One sum for each value of the dimension that occurs, ordered by name.
  virtual Result<std::vector<UsageSum>> sum(const UsageFilter& filter, UsageDimension by) const = 0;

  /// Records that overlap [from, to): started before `to` and ended after `from`.
  virtual Result<std::vector<UsageRecord>> overlapping(TimePoint from, TimePoint to) const = 0;
};

}  // namespace millrace::store
