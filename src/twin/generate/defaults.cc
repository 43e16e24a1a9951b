#include "twin/generator.h"

namespace millrace::twin {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

/// The mix of the scheduling pass of `millrace twin pass`: 35 % one accelerator, 15 % two, 12 % four, 23 % a node of eight,
/// 15 % 2 to 128 whole nodes (equal parts for each doubling).
std::vector<SizeShare> training_sizes() {
  std::vector<SizeShare> sizes = {{.accelerators = 1, .share = 35'000},
                                  {.accelerators = 2, .share = 15'000},
                                  {.accelerators = 4, .share = 12'000},
                                  {.accelerators = 8, .share = 23'000}};
  for (std::int32_t nodes = 2; nodes <= 128; nodes *= 2)
    sizes.push_back({.accelerators = 8 * nodes, .share = 15'000 / 7});
  return sizes;
}

/// Fractions as openb's pods ask for them (openb_pod_list_default.csv, counts of the most frequent).
std::vector<SizeShare> shared_sizes() {
  return {{.accelerators = 1, .accelerator_milli = 470, .share = 370},
          {.accelerators = 1, .accelerator_milli = 810, .share = 1078},
          {.accelerators = 1, .accelerator_milli = 650, .share = 253},
          {.accelerators = 1, .accelerator_milli = 460, .share = 518},
          {.accelerators = 1, .accelerator_milli = 320, .share = 328},
          {.accelerators = 1, .accelerator_milli = 230, .share = 140},
          {.accelerators = 1, .accelerator_milli = 160, .share = 74}};
}

std::vector<WorkClass> default_classes() {
  WorkClass training{.name = "training", .share = 560, .sizes = training_sizes()};
  training.duration_median =
      seconds(874);                // Philly in AcmeTrace's cluster_summary.csv: median 874 s, mean 18,006 s
  training.duration_sigma = 2.46;  // sqrt(2 ln(mean / median))
  training.duration_max = hours(48);  // the longest limit of the mix of `millrace twin pass`
  training.utilisation_milli = 800;
  training.deferrable_milli = 200;
  training.interruptible = true;

  WorkClass evaluation{.name = "evaluation", .share = 300, .profile = WorkProfile::kPrefill};
  evaluation.sizes = {{.accelerators = 1, .share = 70},
                      {.accelerators = 2, .share = 15},
                      {.accelerators = 4, .share = 5},
                      {.accelerators = 8, .share = 10}};
  evaluation.duration_median = seconds(122);  // Seren, there: median 122 s, mean 1,414 s
  evaluation.duration_sigma = 2.21;
  evaluation.duration_max = hours(48);
  evaluation.utilisation_milli = 600;
  evaluation.deferrable_milli = 500;

  WorkClass notebook{
      .name = "notebook", .share = 130, .kind = TraceJobKind::kEnvironment, .sizes = shared_sizes()};
  notebook.profile = WorkProfile::kUnknown;
  notebook.duration_median = hours(2);
  notebook.duration_sigma = 1.0;
  notebook.duration_max = hours(72);
  notebook.utilisation_milli = 200;

  WorkClass serving{
      .name = "serving", .share = 10, .kind = TraceJobKind::kService, .profile = WorkProfile::kDecode};
  serving.sizes = {{.accelerators = 1, .share = 40},
                   {.accelerators = 2, .share = 20},
                   {.accelerators = 4, .share = 20},
                   {.accelerators = 8, .share = 20}};
  serving.duration_median = hours(72);
  serving.duration_sigma = 1.0;
  serving.duration_max = hours(60 * 24);
  serving.utilisation_milli = 500;
  return {training, evaluation, notebook, serving};
}

}  // namespace

GeneratorConfig default_workload() {
  GeneratorConfig workload;
  // Pods of openb by the hour of their creation, shifted so that the trough lies at 4 o'clock UTC.
  workload.hour_weight = {43,  66,  60,  45,  44,  40,  80,  88,  125, 162, 137, 103,
                          127, 126, 159, 151, 134, 107, 128, 126, 94,  86,  98,  71};
  workload.weekday_weight = {105, 105, 105, 105,
                             105, 88,  87};  // our assumption: the traces at hand are too short
  workload.classes = default_classes();
  return workload;
}

}  // namespace millrace::twin
