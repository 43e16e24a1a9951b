#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "host/file.h"
#include "scheduler/speed.h"
#include "twin/sim/decision_log.h"
#include "twin/sim/draws.h"
#include "twin/sim/event_queue.h"
#include "twin/sim/power_integral.h"
#include "twin/sim/timeline.h"

namespace millrace::twin {
namespace {

RC_GTEST_PROP(EventQueue, GivesEventsByTimeThenByOrderOfInsertion, (std::vector<std::uint8_t> times)) {
  EventQueue queue;
  std::vector<std::pair<VirtualTime, std::uint32_t>> want;
  for (std::uint32_t i = 0; i < times.size(); ++i) {
    queue.put(times[i], EventKind::kNodeUp, i);
    want.emplace_back(times[i], i);
  }
  std::ranges::sort(want);
  for (const auto& [at, subject] : want) {
    const SimEvent event = queue.take();
    RC_ASSERT(event.at == at);
    RC_ASSERT(event.subject == subject);
  }
  RC_ASSERT(queue.empty());
}

TEST(Draws, LogarithmAgreesWithLibm) {
  SeededRng rng(1);
  for (int i = 0; i < 10'000; ++i) {
    const double x = draw_unit(rng);
    ASSERT_NEAR(ln_unit(x), std::log(x), 1e-14 * (1.0 + std::abs(std::log(x)))) << x;
  }
  EXPECT_EQ(ln_unit(1.0), 0.0);
  EXPECT_NEAR(ln_unit(0x1.0p-53), std::log(0x1.0p-53), 1e-13);
}

TEST(Draws, AnExponentialHasItsMeanAndSpread) {
  SeededRng rng(2);
  double sum = 0.0;
  double squares = 0.0;
  constexpr int kDraws = 200'000;
  for (int i = 0; i < kDraws; ++i) {
    const double x = draw_exponential(rng, 5.0);
    ASSERT_GE(x, 0.0);
    sum += x;
    squares += x * x;
  }
  const double mean = sum / kDraws;
  EXPECT_NEAR(mean, 5.0, 0.06);
  EXPECT_NEAR(squares / kDraws - mean * mean, 25.0, 1.0);
}

TEST(Draws, BelowABoundIsNeverAtTheBound) {
  SeededRng rng(3);
  std::vector<int> seen(7, 0);
  for (int i = 0; i < 7'000; ++i) ++seen[draw_below(rng, 7)];
  for (const int count : seen) EXPECT_NEAR(count, 1000, 150);
}

TEST(Speed, FallsWithTheCubeRootOfPowerAndNeverRisesAboveOne) {
  EXPECT_EQ(scheduler::speed_under_cap(1.0), 1.0);
  EXPECT_EQ(scheduler::speed_under_cap(1.5), 1.0);
  for (double share = 0.01; share < 1.0; share += 0.01)
    EXPECT_NEAR(scheduler::speed_under_cap(share), std::cbrt(share), 1e-14);
  EXPECT_GT(scheduler::speed_under_cap(0.0), 0.0) << "work under any cap ends some day";
}

RC_GTEST_PROP(PowerIntegral, IsTheSumOfDrawTimesTime,
              (std::vector<std::pair<std::uint16_t, std::uint16_t>> steps)) {
  PowerIntegral integral(1'000);
  VirtualTime now = 1'000;
  NanoJoule want = 0;
  for (const auto& [wait, draw] : steps) {
    want += static_cast<NanoJoule>(integral.milliwatts()) * wait;
    now += wait;
    integral.set(now, draw);
  }
  RC_ASSERT(integral.energy() == want);
}

TEST(Timeline, KeepsMeanAndPeakWhenItJoinsIntervals) {
  Timeline line(0, 1'000);
  SeededRng rng(4);
  double sum = 0.0;
  double peak = 0.0;
  VirtualTime now = 0;
  for (int i = 0; i < 50'000; ++i) {
    const double value = static_cast<double>(draw_below(rng, 1'000));
    line.set(now, value);
    const auto lasts = static_cast<VirtualTime>(draw_below(rng, 900)) + 1;
    sum += value * static_cast<double>(lasts);
    peak = std::max(peak, value);
    now += lasts;
  }
  line.settle(now);
  const std::vector<Timeline::Interval> all = line.intervals();
  ASSERT_LE(all.size(), 4096u);
  double got = 0.0;
  double got_peak = 0.0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const VirtualTime from = static_cast<VirtualTime>(i) * line.width();
    got += all[i].mean * static_cast<double>(std::min(line.width(), now - from));
    got_peak = std::max(got_peak, all[i].max);
  }
  EXPECT_NEAR(got / sum, 1.0, 1e-9);
  EXPECT_EQ(got_peak, peak);
}

TEST(DecisionLog, ItsDigestIsThatOfTheFile) {
  char folder[] = "/tmp/millrace_decisions_XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string path = std::string(folder) + "/log.tsv";
  DecisionLog log = DecisionLog::create(path).value();
  DecisionLog unwritten;
  for (DecisionLog* each : {&log, &unwritten}) {
    each->add(1'767'225'600'000'000, "job-1", "start", "n0001:0-7\tat 5.6 kW\n");
    each->add(1'767'225'600'000'001, "job-2", "hold", "needs 8 accelerators");
    each->add(1'767'312'000'123'456, "job-1", "ended", "done");
  }
  const std::string digest = log.finish().value();
  EXPECT_EQ(digest, host::sha256_file(path).value().sha256);
  EXPECT_EQ(digest, unwritten.finish().value());
  EXPECT_EQ(host::read_file(path).value(),
            "2026-01-01T00:00:00.000000Z\tjob-1\tstart\tn0001:0-7 at 5.6 kW \n"
            "2026-01-01T00:00:00.000001Z\tjob-2\thold\tneeds 8 accelerators\n"
            "2026-01-02T00:00:00.123456Z\tjob-1\tended\tdone\n");
  EXPECT_TRUE(host::remove_tree(folder));
}

TEST(DecisionLog, AFolderThatIsNotThereIsAnErrorThatNamesIt) {
  const auto log = DecisionLog::create("/nonexistent/decisions.tsv");
  ASSERT_FALSE(log);
  EXPECT_NE(log.error().message.find("/nonexistent/decisions.tsv"), std::string::npos);
}

}  // namespace
}  // namespace millrace::twin
