#include "scheduler/roofline.h"

#include <algorithm>
#include <tuple>

namespace millrace::scheduler {
namespace {

constexpr double kTera = 1e12;
constexpr double kGiga = 1e9;

/// Raises the estimate to what `amount` takes at `peak` x `share`, if that is known.
void apply_roof(RooflineEstimate& estimate, double amount, std::optional<double> peak, double share,
                Bound bound) {
  if (amount <= 0) return;
  const double rate = peak.value_or(0.0) * share;
  if (rate <= 0) {
    estimate.complete = false;
    return;
  }
  if (amount / rate > estimate.at_least_s) {
    estimate.at_least_s = amount / rate;
    estimate.bound = bound;
  }
}

std::optional<double> scaled(std::optional<double> figure, double unit) {
  return figure ? std::optional(*figure * unit) : std::nullopt;
}

/// Bytes that each of n accelerators sends in a ring all-reduce of `bytes` (Patarasuk, Yuan, 2009).
double ring_all_reduce(double bytes, std::int32_t n) { return n <= 1 ? 0.0 : 2.0 * (n - 1) / n * bytes; }

double layer_all_reduces(const ModelShape& model, double tokens) {
  return 2.0 * model.layers * ring_all_reduce(2.0 * tokens * model.hidden, model.tensor_parallel);
}

/// Of one work: the shortest time that any kind is known to take; 0 if none is known.
double fastest(std::span<const Capability> kinds, const WorkProfile& work, const Efficiency& efficiency) {
  double best = 0.0;
  for (const auto& kind : kinds) {
    const auto seconds = estimate(kind, work, efficiency).seconds();
    if (seconds && (best == 0.0 || *seconds < best)) best = *seconds;
  }
  return best;
}

/// 0 to 1; 0 where the time is unknown.
double relative_speed(const RooflineEstimate& time, double fastest_s) {
  return time.complete && time.at_least_s > 0 ? fastest_s / time.at_least_s : 0.0;
}

}  // namespace

const char* name_of(Bound bound) {
  switch (bound) {
    case Bound::kNone:
      return "none";
    case Bound::kCompute:
      return "compute";
    case Bound::kMemory:
      return "memory";
    case Bound::kInterconnect:
      return "interconnect";
  }
  return "?";
}

WorkProfile from_intensity(double flops_per_byte) {
  return {.flops = kTera, .memory_bytes = kTera / flops_per_byte};
}

RooflineEstimate estimate(const Capability& kind, const WorkProfile& work, const Efficiency& efficiency) {
  RooflineEstimate result;
  apply_roof(result, work.flops, scaled(kind.compute_tflops_bf16, kTera), efficiency.compute,
             Bound::kCompute);
  apply_roof(result, work.memory_bytes, scaled(kind.memory_bandwidth_gb_per_s, kGiga), efficiency.memory,
             Bound::kMemory);
  apply_roof(result, work.interconnect_bytes, scaled(kind.interconnect_gb_per_s, kGiga),
             efficiency.interconnect, Bound::kInterconnect);
  result.at_least_s += work.serial_s;
  return result;
}

WorkProfile prefill(const ModelShape& model, double sequences, double prompt_tokens) {
  const double tokens = sequences * prompt_tokens;
  const double t = model.tensor_parallel;
  return {.flops = (2 * model.parameters + 2 * model.layers * model.hidden * prompt_tokens) * tokens / t,
          .memory_bytes = (2 * model.parameters + 4 * model.layers * model.key_value_width * tokens) / t,
          .interconnect_bytes = layer_all_reduces(model, tokens),
          .serial_s = model.layers * model.layer_latency_s};
}

WorkProfile decode(const ModelShape& model, double sequences, double context_tokens) {
  const double t = model.tensor_parallel;
  const double held = sequences * context_tokens;
  return {.flops = (2 * model.parameters * sequences + 4 * model.layers * model.hidden * held) / t,
          .memory_bytes = (2 * model.parameters + 4 * model.layers * model.key_value_width * held) / t,
          .interconnect_bytes = layer_all_reduces(model, sequences),
          .serial_s = model.layers * model.layer_latency_s};
}

WorkProfile training(const ModelShape& model, double sequences, double tokens, std::int32_t replicas) {
  const WorkProfile forward = prefill(model, sequences, tokens);
  const double t = model.tensor_parallel;
  const double activations = 68 * model.layers * model.hidden * sequences * tokens;
  return {.flops = 3 * forward.flops,
          .memory_bytes = (36 * model.parameters + activations) / t,
          .interconnect_bytes =
              2 * forward.interconnect_bytes + ring_all_reduce(2 * model.parameters / t, replicas),
          .serial_s = 3 * forward.serial_s};
}

ReferenceWorks reference_works() {
  const ModelShape llama2_70b{
      .parameters = 70e9, .layers = 80, .hidden = 8192, .key_value_width = 1024, .tensor_parallel = 8};
  return {.prefill = prefill(llama2_70b, 8, 2048),
          .decode = decode(llama2_70b, 32, 2048),
          .training = training(llama2_70b, 4, 4096, 8)};
}

std::vector<KindRank> rank_kinds(std::span<const Capability> kinds, const WorkProfile& work,
                                 std::span<const WorkProfile> mix, const Efficiency& efficiency) {
  std::vector<KindRank> ranks;
  ranks.reserve(kinds.size());
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    ranks.push_back({.kind = i, .estimate = estimate(kinds[i], work, efficiency)});
  }
  std::vector<double> fastest_s;
  for (const auto& other : mix) fastest_s.push_back(fastest(kinds, other, efficiency));
  const double work_fastest_s = fastest(kinds, work, efficiency);
  for (auto& rank : ranks) {
    double sum = 0.0;
    int counted = 0;
    for (std::size_t i = 0; i < mix.size(); ++i) {
      const double speed = relative_speed(estimate(kinds[rank.kind], mix[i], efficiency), fastest_s[i]);
      sum += speed;
      counted += speed > 0 ? 1 : 0;
    }
    const double here = relative_speed(rank.estimate, work_fastest_s);
    if (here > 0 && counted > 0) rank.opportunity = sum / counted / here;
  }
  std::ranges::sort(ranks, {}, [](const KindRank& rank) {
    return std::tuple(!rank.estimate.complete, rank.opportunity, rank.estimate.at_least_s, rank.kind);
  });
  return ranks;
}

}  // namespace millrace::scheduler
