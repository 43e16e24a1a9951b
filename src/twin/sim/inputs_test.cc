// Kinds of accelerators: which work prefers which, how fast it is there, and where it does not go.
#include "twin/sim/inputs.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "scheduler/catalogue.h"
#include "twin/sim/test_world.h"

namespace millrace::twin {
namespace {

TEST(Inputs, WorkPrefersTheKindThatSuitsItAndTakesTheOtherWhereItMust) {
  SiteConfig config = small_site(2);
  config.cluster.kinds = {scheduler::find_kind("nvidia-h100-sxm").value()->capability(),
                          scheduler::find_kind("nvidia-h20").value()->capability()};
  const KindSpeeds speeds(config);
  const auto kinds_for = [&](WorkProfile profile) {
    TraceJob job = job_of(0, 60, 1);
    job.profile = profile;
    const auto workload = workload_of(config, speeds, job, {}, 1, 0);
    EXPECT_EQ(workload.earlier_kinds_first, profile != WorkProfile::kUnknown);
    return workload.kinds;
  };
  using Kinds = std::vector<scheduler::KindIndex>;
  EXPECT_EQ(kinds_for(WorkProfile::kDecode), (Kinds{1, 0})) << "bandwidth for its compute";
  EXPECT_EQ(kinds_for(WorkProfile::kTraining), (Kinds{0, 1}));
  EXPECT_EQ(kinds_for(WorkProfile::kPrefill), (Kinds{0, 1}));
  EXPECT_EQ(kinds_for(WorkProfile::kUnknown), Kinds{}) << "any, none before the other";
}

TEST(Inputs, WorkOfOneAcceleratorHasNoPeersToTalkTo) {
  SiteConfig config = small_site(2);
  config.cluster.kinds = {scheduler::find_kind("nvidia-h100-sxm").value()->capability(),
                          scheduler::find_kind("nvidia-h100-pcie").value()->capability()};
  const KindSpeeds speeds(config);
  TraceJob job = job_of(0, 60, 1);
  job.profile = WorkProfile::kTraining;
  job.reference_kind = 0;
  const auto& sxm = config.cluster.kinds[0];
  const auto& pcie = config.cluster.kinds[1];
  EXPECT_NEAR(speeds.speed(job, 1), *pcie.compute_tflops_bf16 / *sxm.compute_tflops_bf16, 1e-9);
  job.demand.accelerators = 8;
  EXPECT_LT(speeds.speed(job, 1), 0.2) << "bound by what its cards have between them";
}

TEST(Inputs, WorkDoesNotGoToAKindThatIsMuchSlowerThanTheBestThatCouldHoldIt) {
  SiteConfig config = small_site(3);
  config.cluster.kinds = {scheduler::find_kind("nvidia-h100-sxm").value()->capability(),
                          scheduler::find_kind("nvidia-h20").value()->capability()};
  config.cluster.nodes[2].kind = 1;
  const KindSpeeds speeds(config);
  KindChoice choice(config, speeds);
  TraceJob job = job_of(0, 60, 8);
  job.reference_kind = 0;
  job.profile = WorkProfile::kTraining;
  const auto worth = [&] { return choice.worth(job, {}) & 3; };
  EXPECT_EQ(worth(), 1U) << "6.7 times as long";
  job.tasks = 3;
  EXPECT_EQ(worth(), 3U) << "the two fast nodes could not hold it";
  job.tasks = 1;
  job.kinds = 2;
  EXPECT_EQ(worth(), 2U) << "it may run on no other";
  job.kinds = ~std::uint64_t{0};
  config.cluster.kinds[1].compute_tflops_bf16.reset();
  const KindSpeeds of_unknown(config);
  EXPECT_EQ(KindChoice(config, of_unknown).worth(job, {}) & 3, 3U) << "nobody knows";
  job.profile = WorkProfile::kDecode;
  EXPECT_EQ(worth(), 3U);
  job.profile = WorkProfile::kTraining;
  config.policy.kind_slowdown_max = 0;
  EXPECT_EQ(worth(), 3U);
}

}  // namespace
}  // namespace millrace::twin
