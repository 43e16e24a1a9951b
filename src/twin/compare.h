// Compare: the figures of two runs side by side (`millrace twin compare`).
#pragma once

#include <boost/json/fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "twin/report.h"

namespace millrace::twin {

enum class Verdict : std::uint8_t { kNone, kEqual, kBetter, kWorse };  // of B; kNone: no direction is known
const char* name_of(Verdict verdict);

struct ComparedFigure {
  std::string name;                  // "wait_mean_s", "sites.hall.energy_kwh"
  std::string title, unit;           // of metric_infos(); else the name and nothing
  std::optional<double> a, b;        // nullopt: that run has none
  std::optional<double> difference;  // b - a
  std::optional<double> percent;     // of |a|; nullopt where a is 0
  Verdict verdict = Verdict::kNone;
};

struct Comparison {
  std::string a, b;  // what the texts are called
  std::vector<ComparedFigure>
      figures;  // metrics first, in the order of metric_infos(), then the others by name
};

/// Compares every number of two JSON objects, as a command prints them with --json: those of "metrics" by their names, others
/// by their path with "." between; in an array by each element's first text, or by its place from 1 on. kInvalidArgument
/// names the text that is no JSON object; the same for two that have no figure in common, or are of different commands.
Result<Comparison> compare_runs(std::string_view text_a, std::string_view text_b, std::string name_a,
                                std::string name_b);

/// The same of two files.
Result<Comparison> compare_files(const std::string& path_a, const std::string& path_b);

/// {"a": name, "b": name, "better": count, "worse": count,
///  "figures": {name: {"a", "b", "difference", "percent", "verdict", "unit"}}}; what is not known is null.
boost::json::object to_json(const Comparison& comparison);

}  // namespace millrace::twin
