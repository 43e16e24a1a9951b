#include "twin/kind_times.h"

namespace millrace::twin {
namespace {

const scheduler::WorkProfile* whole_reference(WorkProfile profile) {
  static const scheduler::ReferenceWorks works = scheduler::reference_works();
  switch (profile) {
    case WorkProfile::kTraining:
      return &works.training;
    case WorkProfile::kPrefill:
      return &works.prefill;
    case WorkProfile::kDecode:
      return &works.decode;
    case WorkProfile::kUnknown:
    case WorkProfile::kCpu:
      break;
  }
  return nullptr;
}

}  // namespace

std::optional<scheduler::WorkProfile> reference_of(WorkProfile profile, bool alone) {
  const scheduler::WorkProfile* whole = whole_reference(profile);
  if (whole == nullptr) return std::nullopt;
  scheduler::WorkProfile work = *whole;
  if (alone) work.interconnect_bytes = 0.0;
  return work;
}

std::optional<double> seconds_on(const Capability& kind, WorkProfile profile, bool alone) {
  const auto work = reference_of(profile, alone);
  if (!work) return std::nullopt;
  const auto seconds = scheduler::estimate(kind, *work).seconds();
  return seconds && *seconds > 0.0 ? seconds : std::nullopt;
}

}  // namespace millrace::twin
