// `millrace twin accelerators`: the catalogue of kinds, and which of them suit a kind of work.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "scheduler/catalogue.h"
#include "scheduler/roofline.h"

namespace millrace::twin {

struct AcceleratorsOptions {
  std::string
      work;  // "prefill", "decode" or "training" (scheduler::reference_works); empty: the catalogue as it is
};

struct AcceleratorRow {
  scheduler::CatalogueEntry entry;
  std::optional<scheduler::KindRank> rank;  // where a work was given
};

/// The catalogue by name; or, with a work, the kinds that suit it best first (scheduler::rank_kinds).
/// kInvalidArgument: no such work.
Result<std::vector<AcceleratorRow>> list_accelerators(const AcceleratorsOptions& options);

/// {"accelerators": [...]} with kind, vendor, memory_bytes, compute_tflops_bf16, memory_bandwidth_gb_per_s,
/// interconnect_gb_per_s, power_idle_w, power_max_w, source, idle_source; null is unknown. With a work also time_s (null where
/// a figure is unknown), bound and opportunity.
boost::json::object to_json(const std::vector<AcceleratorRow>& rows);

}  // namespace millrace::twin
