#include "energy/apportion.h"

#include <gtest/gtest.h>

#include <map>

#include "core/rng.h"

namespace millrace::energy {
namespace {

const LinearPowerModel kModel{.idle_w = 10, .max_w = 30, .cores = 2, .pue = 1.2};
constexpr std::int64_t kSecond = 1'000'000'000;

TEST(Apportioner, GivesALoneRequestAllThatWasUsedWhileItRan) {
  Apportioner apportioner(kModel);
  apportioner.read_cpu(5 * kSecond);
  apportioner.begin(1);
  apportioner.read_cpu(6 * kSecond);
  EXPECT_EQ(apportioner.end(1), 12'000'000);  // 1 s x (30 - 10) W / 2 cores x 1.2
}

TEST(Apportioner, DividesByWorkDone) {
  Apportioner apportioner(kModel);
  apportioner.read_cpu(0);
  apportioner.begin(1);
  apportioner.begin(2);
  apportioner.add_work(1, 3);
  apportioner.add_work(2, 1);
  apportioner.read_cpu(kSecond);
  EXPECT_EQ(apportioner.energy_uj(1), 9'000'000);
  EXPECT_EQ(apportioner.energy_uj(2), 3'000'000);
}

TEST(Apportioner, DividesEquallyWhenNoWorkWasReported) {
  Apportioner apportioner(kModel);
  apportioner.read_cpu(0);
  apportioner.begin(1);
  apportioner.begin(2);
  apportioner.read_cpu(kSecond);
  EXPECT_EQ(apportioner.end(1), 6'000'000);
  EXPECT_EQ(apportioner.end(2), 6'000'000);
}

TEST(Apportioner, DoesNotChargeForAnEngineThatRestarted) {
  Apportioner apportioner(kModel);
  apportioner.read_cpu(100 * kSecond);
  apportioner.begin(1);
  apportioner.read_cpu(kSecond);
  EXPECT_EQ(apportioner.energy_uj(1), 0);
  apportioner.read_cpu(2 * kSecond);
  EXPECT_EQ(apportioner.end(1), 12'000'000);
}

TEST(Apportioner, ConservesEnergyOverAnyHistory) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SeededRng rng(seed);
    Apportioner apportioner(kModel);
    std::int64_t cpu_ns = static_cast<std::int64_t>(rng.next() % 1000);
    const std::int64_t origin_ns = cpu_ns;
    apportioner.read_cpu(cpu_ns);
    std::map<std::uint64_t, bool> active;
    std::int64_t given_uj = 0;
    for (int step = 0; step < 200; ++step) {
      const std::uint64_t key = rng.next() % 8;
      switch (rng.next() % 4) {
        case 0:
          if (!active[key]) {
            apportioner.begin(key);
            active[key] = true;
          }
          break;
        case 1:
          apportioner.add_work(key, static_cast<std::int64_t>(rng.next() % 100));
          break;
        case 2:
          cpu_ns += static_cast<std::int64_t>(rng.next() % 100'000'000);
          apportioner.read_cpu(cpu_ns);
          break;
        default:
          given_uj += apportioner.end(key);
          active[key] = false;
      }
    }
    for (std::uint64_t key = 0; key < 8; ++key) given_uj += apportioner.end(key);
    EXPECT_EQ(given_uj + apportioner.unattributed_uj(), dynamic_energy_uj(kModel, cpu_ns - origin_ns))
        << seed;
  }
}

}  // namespace
}  // namespace millrace::energy
