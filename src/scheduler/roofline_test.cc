#include "scheduler/roofline.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/catalogue.h"

namespace millrace::scheduler {
namespace {

constexpr Efficiency kFull{.compute = 1, .memory = 1, .interconnect = 1};

// 100 TFLOPS, 1 TB/s, 100 GB/s: the ridge is at 100 flops a byte.
Capability chip() {
  Capability kind;
  kind.kind = "chip";
  kind.compute_tflops_bf16 = 100;
  kind.memory_bandwidth_gb_per_s = 1000;
  kind.interconnect_gb_per_s = 100;
  return kind;
}

std::vector<Capability> kinds_of(std::vector<std::string_view> names) {
  std::vector<Capability> kinds;
  for (const auto name : names) kinds.push_back((*find_kind(name))->capability());
  return kinds;
}

std::vector<std::string> order_for(const std::vector<Capability>& kinds, const WorkProfile& work) {
  const auto reference = reference_works();
  const std::array mix{reference.prefill, reference.decode, reference.training};
  std::vector<std::string> names;
  for (const auto& rank : rank_kinds(kinds, work, mix)) names.push_back(kinds[rank.kind].kind);
  return names;
}

TEST(Roofline, TheSlowestOfTheThreeDecides) {
  const auto both =
      estimate(chip(), {.flops = 2e14, .memory_bytes = 1e12, .interconnect_bytes = 1e11}, kFull);
  EXPECT_DOUBLE_EQ(both.at_least_s, 2.0);
  EXPECT_EQ(both.bound, Bound::kCompute);
  const auto memory = estimate(chip(), {.flops = 1e14, .memory_bytes = 3e12}, kFull);
  EXPECT_DOUBLE_EQ(memory.at_least_s, 3.0);
  EXPECT_EQ(memory.bound, Bound::kMemory);
  const auto wire = estimate(
      chip(), {.flops = 1e14, .memory_bytes = 1e12, .interconnect_bytes = 5e11, .serial_s = 1}, kFull);
  EXPECT_DOUBLE_EQ(wire.at_least_s, 6.0);
  EXPECT_EQ(wire.bound, Bound::kInterconnect);
}

TEST(Roofline, EfficiencyScalesEachRoof) {
  const WorkProfile work{.flops = 1e14, .memory_bytes = 1e12};
  EXPECT_DOUBLE_EQ(estimate(chip(), work, {.compute = 0.25, .memory = 1}).at_least_s, 4.0);
  EXPECT_DOUBLE_EQ(estimate(chip(), work, {.compute = 1, .memory = 0.5}).at_least_s, 2.0);
}

TEST(Roofline, IntensityBelowTheRidgeIsMemoryBoundAndAboveItComputeBound) {
  EXPECT_EQ(estimate(chip(), from_intensity(50), kFull).bound, Bound::kMemory);
  EXPECT_DOUBLE_EQ(estimate(chip(), from_intensity(50), kFull).at_least_s, 0.02);  // 50 TFLOPS attained
  EXPECT_EQ(estimate(chip(), from_intensity(200), kFull).bound, Bound::kCompute);
  EXPECT_DOUBLE_EQ(estimate(chip(), from_intensity(200), kFull).at_least_s, 0.01);
}

TEST(Roofline, AnUnknownFigureMakesTheTimeALowerBoundOnlyIfTheWorkNeedsIt) {
  Capability kind = chip();
  kind.interconnect_gb_per_s = std::nullopt;
  const auto alone = estimate(kind, {.flops = 1e14}, kFull);
  EXPECT_EQ(alone.seconds(), 1.0);
  const auto shared = estimate(kind, {.flops = 1e14, .interconnect_bytes = 1}, kFull);
  EXPECT_EQ(shared.seconds(), std::nullopt);
  EXPECT_DOUBLE_EQ(shared.at_least_s, 1.0);
  kind.interconnect_gb_per_s = 0;
  EXPECT_FALSE(estimate(kind, {.interconnect_bytes = 1}, kFull).complete);
}

TEST(Roofline, PresetsByHand) {
  const ModelShape model{.parameters = 1e9,
                         .layers = 10,
                         .hidden = 1000,
                         .key_value_width = 500,
                         .tensor_parallel = 2,
                         .layer_latency_s = 1e-3};
  const auto prompt = prefill(model, 2, 100);  // 200 tokens
  EXPECT_DOUBLE_EQ(prompt.flops, (2e9 + 2e6) * 100);
  EXPECT_DOUBLE_EQ(prompt.memory_bytes, 1e9 + 4 * 10 * 500 * 100.0);
  EXPECT_DOUBLE_EQ(prompt.interconnect_bytes, 20 * 1.0 * 2 * 200 * 1000);  // 2 (t-1)/t = 1
  EXPECT_DOUBLE_EQ(prompt.serial_s, 0.01);
  const auto step = decode(model, 4, 50);
  EXPECT_DOUBLE_EQ(step.flops, (2e9 * 4 + 4 * 10 * 1000 * 200.0) / 2);
  EXPECT_DOUBLE_EQ(step.memory_bytes, 1e9 + 4 * 10 * 500 * 100.0);
  EXPECT_DOUBLE_EQ(step.interconnect_bytes, 20 * 2 * 4 * 1000.0);
  const auto train = training(model, 2, 100, 4);
  EXPECT_DOUBLE_EQ(train.flops, 3 * prompt.flops);
  EXPECT_DOUBLE_EQ(train.memory_bytes, 18e9 + 34 * 10 * 1000 * 200.0);
  EXPECT_DOUBLE_EQ(train.interconnect_bytes, 2 * prompt.interconnect_bytes + 1.5 * 1e9);
  ModelShape whole = model;
  whole.tensor_parallel = 1;
  EXPECT_EQ(prefill(whole, 2, 100).interconnect_bytes, 0.0);
}

TEST(Roofline, DecodeIsMemoryBoundAndPrefillAndTrainingAreComputeBoundOnOneH100) {
  const ModelShape llama2_7b{.parameters = 7e9, .layers = 32, .hidden = 4096, .key_value_width = 4096};
  const auto h100 = (*find_kind("nvidia-h100-sxm"))->capability();
  EXPECT_EQ(estimate(h100, decode(llama2_7b, 16, 1024)).bound, Bound::kMemory);
  EXPECT_EQ(estimate(h100, prefill(llama2_7b, 4, 2048)).bound, Bound::kCompute);
  EXPECT_EQ(estimate(h100, training(llama2_7b, 4, 4096, 1)).bound, Bound::kCompute);
}

TEST(Roofline, TensorParallelWorkOverPcieIsBoundByIt) {
  EXPECT_EQ(estimate((*find_kind("nvidia-l40s"))->capability(), reference_works().prefill).bound,
            Bound::kInterconnect);
}

TEST(Roofline, AnH20IsFirstForDecodeAndLastForTraining) {
  const auto kinds = kinds_of({"nvidia-h100-sxm", "nvidia-h20", "nvidia-a100-sxm", "amd-mi300x"});
  const auto works = reference_works();
  EXPECT_EQ(order_for(kinds, works.decode).front(), "nvidia-h20");
  EXPECT_EQ(order_for(kinds, works.training).back(), "nvidia-h20");
  EXPECT_EQ(order_for(kinds, works.prefill).back(), "nvidia-h20");
}

TEST(Roofline, TheOpportunityCostIsWhatTheKindWouldDoOtherwise) {
  // Twice the compute of `chip`, same bandwidth: relative speeds are 1 and 1, and 0.5 and 1.
  Capability strong = chip();
  strong.compute_tflops_bf16 = 200;
  const std::vector kinds{strong, chip()};
  const WorkProfile compute{.flops = 1e14}, memory{.memory_bytes = 1e12};
  const std::array mix{compute, memory};
  const auto for_memory = rank_kinds(kinds, memory, mix, kFull);
  EXPECT_EQ(for_memory[0].kind, 1U);  // as fast, and worth less elsewhere
  EXPECT_DOUBLE_EQ(for_memory[0].opportunity, 0.75);
  EXPECT_DOUBLE_EQ(for_memory[1].opportunity, 1.0);
  const auto for_compute = rank_kinds(kinds, compute, mix, kFull);
  EXPECT_EQ(for_compute[0].kind, 0U);
  EXPECT_DOUBLE_EQ(for_compute[1].opportunity, 1.5);
  // Nothing to compare with: the faster first.
  EXPECT_EQ(rank_kinds(kinds, compute, {}, kFull)[0].kind, 0U);
}

TEST(Roofline, KindsWithAnUnknownFigureStandLast) {
  Capability unknown = chip();
  unknown.compute_tflops_bf16 = std::nullopt;
  const WorkProfile work{.flops = 1e15, .memory_bytes = 1e12};
  const auto ranks = rank_kinds(std::vector{unknown, chip()}, work, std::array{work}, kFull);
  EXPECT_EQ(ranks[0].kind, 1U);
  EXPECT_FALSE(ranks[1].estimate.complete);
  EXPECT_DOUBLE_EQ(ranks[1].estimate.at_least_s, 1.0);  // its memory alone takes that
}

}  // namespace
}  // namespace millrace::scheduler
