#include "twin/accelerators.h"

#include <fmt/format.h>

#include <array>

namespace millrace::twin {
namespace {

Result<scheduler::WorkProfile> work_named(const scheduler::ReferenceWorks& works, const std::string& name) {
  if (name == "prefill") return works.prefill;
  if (name == "decode") return works.decode;
  if (name == "training") return works.training;
  return failure(ErrorCode::kInvalidArgument,
                 fmt::format("--work: found \"{}\", want prefill, decode or training", name));
}

template <typename T>
boost::json::value or_null(const std::optional<T>& figure) {
  return figure ? boost::json::value(*figure) : boost::json::value(nullptr);
}

boost::json::object row_json(const AcceleratorRow& row) {
  const auto& entry = row.entry;
  boost::json::object out{{"kind", entry.kind},
                          {"vendor", entry.vendor},
                          {"memory_bytes", or_null(entry.memory_bytes)},
                          {"compute_tflops_bf16", or_null(entry.compute_tflops_bf16)},
                          {"memory_bandwidth_gb_per_s", or_null(entry.memory_bandwidth_gb_per_s)},
                          {"interconnect_gb_per_s", or_null(entry.interconnect_gb_per_s)},
                          {"power_idle_w", or_null(entry.power_idle_w)},
                          {"power_max_w", or_null(entry.power_max_w)},
                          {"source", entry.source},
                          {"idle_source", entry.idle_source.empty() ? boost::json::value(nullptr)
                                                                    : boost::json::value(entry.idle_source)}};
  if (row.rank) {
    out["time_s"] = or_null(row.rank->estimate.seconds());
    out["bound"] = scheduler::name_of(row.rank->estimate.bound);
    out["opportunity"] = row.rank->opportunity;
  }
  return out;
}

}  // namespace

Result<std::vector<AcceleratorRow>> list_accelerators(const AcceleratorsOptions& options) {
  const auto entries = scheduler::catalogue();
  std::vector<AcceleratorRow> rows;
  if (options.work.empty()) {
    for (const auto& entry : entries) rows.push_back({.entry = entry, .rank = std::nullopt});
    return rows;
  }
  const auto works = scheduler::reference_works();
  const auto work = TRY(work_named(works, options.work));
  std::vector<Capability> kinds;
  for (const auto& entry : entries) kinds.push_back(entry.capability());
  for (const auto& rank :
       scheduler::rank_kinds(kinds, work, std::array{works.prefill, works.decode, works.training})) {
    rows.push_back({.entry = entries[rank.kind], .rank = rank});
  }
  return rows;
}

boost::json::object to_json(const std::vector<AcceleratorRow>& rows) {
  boost::json::array list;
  for (const auto& row : rows) list.push_back(row_json(row));
  return {{"accelerators", std::move(list)}};
}

}  // namespace millrace::twin
