// Roofline: how long work takes on a kind of accelerator, from what the work moves and what the kind can do; which kinds
// suit which work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/capability.h"

namespace millrace::scheduler {

/// What a unit of work (a prompt, a token, a step) takes of each of the accelerators it runs on. Not negative.
struct WorkProfile {
  double flops = 0.0;               // bf16, a multiply-add is two
  double memory_bytes = 0.0;        // read and written in the accelerator's memory
  double interconnect_bytes = 0.0;  // sent to peers in the domain
  double serial_s = 0.0;            // launches and synchronisation, which no chip shortens; 0 if not known
};

/// A profile that is known only by its arithmetic intensity (flops for each byte of memory, above 0); the unit is 10^12
/// flops.
WorkProfile from_intensity(double flops_per_byte);

/// Share of a kind's peak that work reaches. The defaults, and 0.3 ms of serial time for each layer, are the round values
/// nearest to a fit on measurements of llama2-70b on A100 and H100 (Splitwise, ISCA 2024); tests/twin/roofline_test.cc
/// tells how far off they are there and on a model that was not fitted.
struct Efficiency {
  double compute = 0.5;
  double memory = 0.8;
  double interconnect = 0.3;  // of collectives that nothing overlaps
};

enum class Bound : std::uint8_t { kNone, kCompute, kMemory, kInterconnect };

/// "none", "compute", "memory", "interconnect".
const char* name_of(Bound bound);

struct RooflineEstimate {
  double at_least_s = 0.0;  // from the figures that are known
  Bound bound = Bound::kNone;
  bool complete = true;  // false: a figure that the work needs is unknown, the true time may be longer
  std::optional<double> seconds() const { return complete ? std::optional(at_least_s) : std::nullopt; }
};

/// serial + max(flops / compute, bytes / memory bandwidth, bytes / interconnect), each figure times its efficiency
/// (Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009; its memory roof, and one more for the interconnect). A figure
/// of 0 is taken as unknown.
RooflineEstimate estimate(const Capability& kind, const WorkProfile& work, const Efficiency& efficiency = {});

/// A transformer, and how it is cut. Weights and keys are bf16 (2 bytes).
struct ModelShape {
  double parameters = 0.0;
  double layers = 0.0;
  double hidden = 0.0;               // width
  double key_value_width = 0.0;      // keys (or values) of one token and layer: heads of keys x head size
  std::int32_t tensor_parallel = 1;  // accelerators that share each layer
  double layer_latency_s = 0.0;  // serial time of each layer; the stack measured by Splitwise: about 0.3 ms
};

/// P parameters, L layers, h hidden, k key_value_width, t tensor_parallel, b sequences; for each accelerator:
///   flops         (2 P + 2 L h s) b s / t: 2 for a parameter and token, and attention over half the prompt on average
///                 (Kaplan et al., "Scaling laws for neural language models", 2020, table 1)
///   memory        (2 P + 4 L k b s) / t: weights once, keys and values written
///   interconnect  2 L x 2 (t-1)/t x 2 b s h: two ring all-reduces a layer (Shoeybi et al., "Megatron-LM", 2019, section 3)
/// The unit is the whole batch of prompts of s tokens.
WorkProfile prefill(const ModelShape& model, double sequences, double prompt_tokens);

/// One step that gives each of b sequences one token, with c tokens before it (Pope et al., "Efficiently scaling transformer
/// inference", MLSys 2023, section 2):
///   flops         (2 P + 4 L h c) b / t
///   memory        (2 P + 4 L k b c) / t: all weights, and the keys and values of every sequence, are read once
///   interconnect  as prefill with s = 1.
WorkProfile decode(const ModelShape& model, double sequences, double context_tokens);

/// One step on b sequences of s tokens, data-parallel over `replicas` copies of the model:
///   flops         three times those of prefill (backward is twice forward: Kaplan et al., 2020)
///   memory        (36 P + 68 L h b s) / t: weights in three passes, gradients, Adam's states (Rajbhandari et al., "ZeRO", 2020,
///                 section 3), and activations written once and read once (34 s b h bytes a layer: Korthikanti et al., 2023)
///   interconnect  twice prefill's all-reduces, and the gradients': 2 (n-1)/n x 2 P / t for n replicas.
WorkProfile training(const ModelShape& model, double sequences, double tokens, std::int32_t replicas);

/// A mix of works to hold kinds against: llama2-70b over 8 accelerators: prefill of 8 x 2,048 tokens, decode for 32
/// sequences of 2,048, training on 4 x 4,096 with 8 replicas.
struct ReferenceWorks {
  WorkProfile prefill, decode, training;
};
ReferenceWorks reference_works();

struct KindRank {
  std::size_t kind = 0;  // index into the kinds given
  RooflineEstimate estimate;
  double opportunity = 1.0;  // see rank_kinds
};

/// Kinds for `work`, best first, by comparative advantage (Ricardo, "On the principles of political economy", 1817, chapter 7).
/// The speed of a kind at a work counts relative to the fastest kind's. Its opportunity cost for `work` is its mean relative
/// speed over `mix`, divided by that at `work`: below 1 it does this better than what else it could do. So a chip with
/// bandwidth and little compute, as an H20, goes to decode before a chip that is faster at everything, and to training
/// last. Equal costs: the faster first, then the lower index. Works of the mix whose time on a kind is unknown do not count
/// for it (cost 1 if none counts). Kinds whose time for `work` is unknown stand last, by their least time.
std::vector<KindRank> rank_kinds(std::span<const Capability> kinds, const WorkProfile& work,
                                 std::span<const WorkProfile> mix, const Efficiency& efficiency = {});

}  // namespace millrace::scheduler
