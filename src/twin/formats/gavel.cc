#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "twin/csv.h"
#include "twin/formats/builder.h"

namespace millrace::twin {
namespace {

/// Steps/s on one, two and four V100. "null" entries of scheduler/consolidated_throughputs.json where the batch size is
/// there, else of scheduler/combined_throughputs.json (stanford-futuredata/gavel, MIT), which has one batch size of each.
struct Speed {
  std::string_view model;
  std::int32_t batch;                 // 0: any
  std::array<double, 3> steps_per_s;  // 0: not measured
};
constexpr std::array kSpeeds = {
    Speed{"ResNet-18", 16, {60.19, 95.24, 119.60}},
    Speed{"ResNet-18", 32, {56.28, 93.81, 107.85}},
    Speed{"ResNet-18", 64, {42.51, 71.26, 93.60}},
    Speed{"ResNet-50", 16, {5.146, 10.81, 33.37}},
    Speed{"ResNet-50", 32, {2.652, 8.594, 16.97}},
    Speed{"ResNet-50", 64, {1.289, 7.613, 10.99}},
    Speed{"Transformer", 16, {10.31, 18.44, 22.94}},
    Speed{"Transformer", 32, {10.05, 17.85, 21.60}},
    Speed{"Transformer", 64, {8.624, 15.16, 18.04}},
    Speed{"LM", 5, {95.98, 160.9, 113.8}},
    Speed{"LM", 10, {84.62, 139.0, 109.4}},
    Speed{"LM", 20, {67.58, 113.2, 98.93}},
    Speed{"CycleGAN", 0, {3.676, 0, 0}},
    Speed{"A3C", 0, {7.238, 0, 0}},
    Speed{"Recommendation", 0, {0.4302, 0, 0}},
};
/// Of a type that was not measured on several: as the others gain.
constexpr std::array kGain = {1.0, 1.7, 1.9};
/// A batch twice as large, beyond those measured on a V100: as the same file's ratios on a K80.
constexpr double kDoubledBatch = 0.58;

/// "LM (batch size 20)" -> {"LM", 20}; without brackets: {name, 0}.
std::pair<std::string_view, std::int32_t> split_type(std::string_view type) {
  constexpr std::string_view kMark = " (batch size ";
  const auto at = type.find(kMark);
  if (at == std::string_view::npos) return {type, 0};
  constexpr std::int32_t kBatchMax = 1 << 20;
  std::int32_t batch = 0;
  (void)std::from_chars(type.data() + at + kMark.size(), type.data() + type.size(), batch);
  return {type.substr(0, at), std::clamp(batch, 0, kBatchMax)};
}

/// nullopt for a type that Gavel's job table has not.
std::optional<double> steps_per_s(std::string_view type, std::int32_t accelerators) {
  const auto [model, batch] = split_type(type);
  const Speed* best = nullptr;  // the largest batch measured that is not larger
  for (const auto& speed : kSpeeds) {
    if (speed.model == model && (best == nullptr || speed.batch <= batch)) best = &speed;
  }
  if (best == nullptr) return std::nullopt;
  const std::size_t scale = accelerators >= 4 ? 2 : accelerators >= 2 ? 1 : 0;
  double speed =
      best->steps_per_s[scale] != 0 ? best->steps_per_s[scale] : best->steps_per_s[0] * kGain[scale];
  if (best->batch != 0) {
    for (auto size = best->batch; size < batch; size *= 2) speed *= kDoubledBatch;
  }
  return speed;
}

/// What the site calls its V100, if it has any, else what the catalogue does.
std::string_view v100_of(const SiteConfig& site) {
  for (const Capability& kind : site.cluster.kinds) {
    const std::string_view name = kind.kind;
    for (const std::string_view start : {"nvidia-v100", "NVIDIA-V100", "v100", "V100"}) {
      if (name.starts_with(start)) return name;
    }
  }
  return "nvidia-v100-sxm2";
}

}  // namespace

Result<void> read_gavel(std::string_view text, TraceBuilder& builder) {
  CsvReader csv(text, builder.file(), '\t', false);
  const std::string_view v100 = v100_of(builder.site());
  while (csv.next()) {
    // Gavel's parse_trace: job type, command, argument for steps, needs data, total steps, then arrival and scale factor
    // (seven columns) or scale factor, priority weight, SLO and arrival (nine).
    const bool nine = csv.width() == 9;
    if (csv.width() != 7 && !nine) csv.fail(csv.width() - 1, "want 7 or 9 columns, separated by tabs");
    const auto steps = csv.integer(4, 1, 1'000'000'000'000);
    const double arrival = csv.number(nine ? 8 : 5, 0, 1e10);
    const auto scale = static_cast<std::int32_t>(csv.integer(nine ? 5 : 6, 1, 100'000));
    const auto speed = steps_per_s(csv.text(0), scale);
    if (!speed) csv.fail(0, "is no job type of Gavel's job table, so that its speed is not known");
    if (csv.failed()) break;
    TraceJob job;
    job.arrival = TraceTime(std::llround(arrival * 1e6));
    job.work = TraceTime(std::llround(std::min(static_cast<double>(steps) / *speed, 1e10) * 1e3) * 1000);
    const auto gang = builder.gang(scale);
    job.demand = gang.demand;
    job.tasks = gang.tasks;
    job.profile = WorkProfile::kTraining;
    builder.recorded_on(job, v100);
    job.account = builder.deal_account();
    job.priority_class = builder.class_default();
    if (nine && csv.number(6, 0, 1e6) > 1) job.priority_class = builder.class_high();
    job.preemptible = builder.class_preemptible(job.priority_class);
    TRY_VOID(builder.add(job, csv.line()));
  }
  TRY_VOID(csv.finish());
  builder.facts().notes.push_back(
      "work = total steps / steps per second on V100 as Gavel measured them; unmeasured batch sizes and "
      "counts by rule");
  return {};
}

}  // namespace millrace::twin
