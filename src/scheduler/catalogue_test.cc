#include "scheduler/catalogue.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace millrace::scheduler {
namespace {

TEST(Catalogue, IsSortedAndNamesEachKindOnce) {
  const auto entries = catalogue();
  ASSERT_GE(entries.size(), 25U);
  EXPECT_TRUE(std::ranges::is_sorted(entries, std::ranges::less_equal{}, &CatalogueEntry::kind));
}

TEST(Catalogue, EveryFigureIsPlausibleAndHasASource) {
  for (const auto& entry : catalogue()) {
    SCOPED_TRACE(entry.kind);
    EXPECT_TRUE(entry.kind.starts_with(std::string(entry.vendor) + "-"));
    EXPECT_FALSE(entry.source.empty());
    EXPECT_EQ(entry.idle_source.empty(), !entry.power_idle_w.has_value());
    // A slip of units would fall out of these.
    if (entry.memory_bytes) {
      EXPECT_GE(*entry.memory_bytes, 16'000'000'000);
      EXPECT_LE(*entry.memory_bytes, 400'000'000'000);
    }
    if (entry.memory_bandwidth_gb_per_s) {
      EXPECT_GE(*entry.memory_bandwidth_gb_per_s, 200);
      EXPECT_LE(*entry.memory_bandwidth_gb_per_s, 20'000);
    }
    if (entry.compute_tflops_bf16) {
      EXPECT_GE(*entry.compute_tflops_bf16, 50);
      EXPECT_LE(*entry.compute_tflops_bf16, 5'000);
    }
    if (entry.interconnect_gb_per_s) {
      EXPECT_GE(*entry.interconnect_gb_per_s, 20);
      EXPECT_LE(*entry.interconnect_gb_per_s, 2'000);
    }
    if (entry.power_max_w) {
      EXPECT_GE(*entry.power_max_w, 50);
      EXPECT_LE(*entry.power_max_w, 2'000);
      EXPECT_LT(entry.power_idle_w.value_or(0), *entry.power_max_w);
    }
  }
}

TEST(Catalogue, KnowsWhatAnH100CanDo) {
  const auto found = find_kind("nvidia-h100-sxm");
  ASSERT_TRUE(found);
  const Capability h100 = (*found)->capability();
  EXPECT_EQ(h100.kind, "nvidia-h100-sxm");
  EXPECT_EQ(h100.memory_bytes, std::int64_t{80} << 30);
  EXPECT_EQ(h100.compute_tflops_bf16, 989.0);
  EXPECT_EQ(h100.memory_bandwidth_gb_per_s, 3350.0);
  EXPECT_EQ(h100.interconnect_gb_per_s, 450.0);
  EXPECT_EQ(h100.power_max_w, 700.0);
  EXPECT_EQ(h100.power_idle_w, std::nullopt);
}

TEST(Catalogue, HoldsSeveralVendorsAndLeavesUnknownWhatNoSourceStates) {
  for (const char* kind :
       {"amd-mi300x", "huawei-ascend-950dt", "intel-gaudi3", "nvidia-h20", "nvidia-a100-sxm"}) {
    EXPECT_TRUE(find_kind(kind)) << kind;
  }
  EXPECT_EQ((*find_kind("nvidia-h20"))->power_max_w, std::nullopt);
  EXPECT_EQ((*find_kind("nvidia-h20"))->interconnect_gb_per_s, 450.0);  // stated as 900 for both directions
  EXPECT_EQ((*find_kind("nvidia-a100-sxm"))->power_idle_w, 60.0);
}

TEST(Catalogue, AnUnknownKindIsAnsweredWithTheNearest) {
  const auto found = find_kind("nvidia-h100");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kNotFound);
  EXPECT_NE(found.error().message.find("nearest: nvidia-h100-pcie, nvidia-h100-sxm ("), std::string::npos)
      << found.error().message;
  for (const char* part : {"h100", "H100"}) {
    const auto holds = find_kind(part);
    ASSERT_FALSE(holds);
    EXPECT_NE(holds.error().message.find("nearest: nvidia-h100-pcie, nvidia-h100-sxm ("), std::string::npos)
        << holds.error().message;
  }
  EXPECT_FALSE(find_kind(""));
  EXPECT_FALSE(find_kind("zz"));
}

}  // namespace
}  // namespace millrace::scheduler
