#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "energy/carbon.h"
#include "energy/cost.h"
#include "energy/power_model.h"

namespace millrace::energy {
namespace {

TEST(PowerModel, IsIdleAtRestAndMaximumAtFullLoad) {
  const LinearPowerModel model{.idle_w = 100, .max_w = 400, .cores = 10, .pue = 1.5};
  EXPECT_EQ(node_energy_uj(model, 1'000'000'000, 0), 150'000'000);
  EXPECT_EQ(node_energy_uj(model, 1'000'000'000, 10'000'000'000), 600'000'000);
  EXPECT_EQ(measured_energy_uj(1'000'000, 1.5), 1'500'000);
}

TEST(Carbon, TableIsSortedAndKnowsTheZonesOfEurope) {
  EXPECT_TRUE(std::ranges::is_sorted(yearly_intensities(), {}, &ZoneIntensity::zone));
  EXPECT_EQ(yearly_intensity("FR"), 31.0);
  EXPECT_EQ(yearly_intensity("SE-SE3"), 20.0);
  EXPECT_EQ(yearly_intensity("XX"), std::nullopt);
}

TEST(Carbon, OneKilowattHourIsTheIntensityInGrams) {
  EXPECT_EQ(co2e_ug(3'600'000'000'000, 31.0), 31'000'000);
  EXPECT_EQ(co2e_ug(0, 31.0), 0);
}

TEST(Cost, RoundsHalfUpOnceForTheRecord) {
  EXPECT_EQ(cost_microeur(1'000'000, 1'000'000, 200'000, 600'000), 800'000);
  EXPECT_EQ(cost_microeur(1, 0, 500'000, 0), 1);  // 0.5
  EXPECT_EQ(cost_microeur(1, 0, 499'999, 0), 0);
  EXPECT_EQ(cost_microeur(1, 1, 250'000, 250'000), 1);
  constexpr std::int64_t kHourUs = 3'600'000'000;
  EXPECT_EQ(machine_cost_microeur(2 * kHourUs, kHourUs, 3'000'000, 20'000), 6'020'000);
  EXPECT_EQ(machine_cost_microeur(kHourUs / 4, kHourUs / 4, 1, 1), 1)
      << "both together are half a micro-euro";
  EXPECT_EQ(machine_cost_microeur(kHourUs / 4, kHourUs / 4 - 1, 1, 1), 0);
}

TEST(Cost, SaturatesInsteadOfOverflowing) {
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(cost_microeur(kMax, kMax, kMax, kMax), kMax);
  EXPECT_EQ(cost_microeur(-5, 0, 100, 0), 0);
  EXPECT_EQ(machine_cost_microeur(kMax, kMax, kMax, kMax), kMax);
  EXPECT_EQ(machine_cost_microeur(0, -5, 0, kMax), 0);
}

}  // namespace
}  // namespace millrace::energy
