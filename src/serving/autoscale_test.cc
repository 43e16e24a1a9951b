#include "serving/autoscale.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "core/rng.h"

namespace millrace::serving {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const MonotonicPoint kStart{std::chrono::hours(5)};

/// An endpoint whose gateways report once a second.
struct World {
  explicit World(ScaleRule given, std::int64_t running = 0)
      : rule(given), state(begin_scaling(given, running, kStart)) {}

  /// One second with `running` requests at replicas all the time.
  void second(std::int64_t running, std::int64_t waiting = 0, std::int64_t begun = 0,
              std::int64_t first_token_ms = 0) {
    now += seconds(1);
    load.at = now;
    load.waiting = waiting;
    load.running = running;
    load.busy_ms += 1000 * running;
    load.begun += begun;
    load.first_tokens += first_token_ms > 0 ? 1 : 0;
    load.first_token_ms += first_token_ms;
    state = scale(rule, state, load, now);
  }
  void seconds_of(int count, std::int64_t running, std::int64_t first_token_ms = 0) {
    for (int i = 0; i < count; ++i) second(running, 0, 0, first_token_ms);
  }

  ScaleRule rule;
  ScaleState state;
  EndpointLoad load{};
  MonotonicPoint now = kStart;
};

TEST(Autoscale, TheFirstRequestThatWaitsStartsAReplica) {
  World world({.least = 0, .most = 4, .slots = 4});
  EXPECT_EQ(world.state.wanted, 0);
  world.second(0, 1, 1);
  EXPECT_EQ(world.state.wanted, 1);
}

TEST(Autoscale, GoesUpAtOnceToWhatTheLoadNeeds) {
  World world({.least = 1, .most = 4, .slots = 4}, 1);
  world.second(4);
  EXPECT_EQ(world.state.wanted, 1);
  world.second(9, 1);
  EXPECT_EQ(world.state.wanted, 3);
  world.second(100);
  EXPECT_EQ(world.state.wanted, 4);
}

TEST(Autoscale, ShortRequestsBetweenTwoReportsCountByTheTimeTheyTook) {
  World world({.least = 1, .most = 4, .slots = 4}, 1);
  world.second(0);
  world.load.busy_ms += 7'500;  // 7.5 at once on the mean, and none at the moment of the report
  world.second(0);
  EXPECT_EQ(world.state.wanted, 2);
}

TEST(Autoscale, GoesDownOneStepAWindowWhenTheRestWouldNotBeFull) {
  World world({.least = 1, .most = 4, .slots = 10}, 1);
  world.second(35);
  ASSERT_EQ(world.state.wanted, 4);
  world.seconds_of(200, 25);  // three would be above 80 %
  EXPECT_EQ(world.state.wanted, 4);
  world.second(16);
  world.seconds_of(59, 16);
  EXPECT_EQ(world.state.wanted, 4);
  world.second(16);
  EXPECT_EQ(world.state.wanted, 3);
  world.seconds_of(60, 16);
  EXPECT_EQ(world.state.wanted, 2) << "a window later";
  world.seconds_of(300, 16);
  EXPECT_EQ(world.state.wanted, 2);
}

TEST(Autoscale, ABurstWithinTheWindowBeginsItAnew) {
  World world({.least = 1, .most = 2, .slots = 4}, 2);
  world.seconds_of(50, 1);
  world.second(8);
  world.seconds_of(59, 1);
  EXPECT_EQ(world.state.wanted, 2);
  world.seconds_of(2, 1);
  EXPECT_EQ(world.state.wanted, 1);
}

TEST(Autoscale, SleepsAfterItsIdleTimeAndSaysWhenToLookAgain) {
  World world({.least = 0, .most = 4, .slots = 4, .idle = seconds(30)}, 2);
  world.second(1);
  world.second(0);
  EXPECT_EQ(world.state.look_again, world.now - seconds(1) + seconds(30));
  world.seconds_of(28, 0);
  EXPECT_EQ(world.state.wanted, 2);
  world.second(0);
  EXPECT_EQ(world.state.wanted, 0);
  EXPECT_EQ(world.state.look_again, MonotonicPoint::max());
}

TEST(Autoscale, ARequestThatCameAndWentBetweenReportsKeepsItAwake) {
  World world({.least = 0, .most = 1, .slots = 4, .idle = seconds(30)}, 1);
  world.second(0);
  world.seconds_of(28, 0);
  world.second(0, 0, 1);
  world.seconds_of(29, 0);
  EXPECT_EQ(world.state.wanted, 1);
  world.second(0);
  EXPECT_EQ(world.state.wanted, 0);
}

TEST(Autoscale, ALatencyAboveItsTargetAddsReplicasOneByOneAndABetterOneKeepsThem) {
  World world({.least = 1, .most = 3, .slots = 8, .first_token = milliseconds(200)}, 1);
  world.second(2);
  world.second(2, 0, 0, 500);
  EXPECT_EQ(world.state.wanted, 2);
  world.seconds_of(29, 2, 500);
  EXPECT_EQ(world.state.wanted, 2) << "the new one must be able to show in it";
  world.seconds_of(2, 2, 500);
  EXPECT_EQ(world.state.wanted, 3);
  world.seconds_of(300, 2, 150);
  EXPECT_EQ(world.state.wanted, 3) << "between half the target and the target nothing moves";
  world.seconds_of(61, 2, 50);
  EXPECT_EQ(world.state.wanted, 2);
}

TEST(Autoscale, WithoutAGatewayNothingChangesButTheBounds) {
  World world({.least = 0, .most = 4, .slots = 4, .idle = seconds(1)}, 3);
  for (int i = 0; i < 1000; ++i) {
    world.now += seconds(1);
    world.state = scale(world.rule, world.state, std::nullopt, world.now);
  }
  EXPECT_EQ(world.state.wanted, 3);
  world.rule.most = 2;
  EXPECT_EQ(scale(world.rule, world.state, std::nullopt, world.now).wanted, 2);
}

ScaleRule any_rule(SeededRng& rng) {
  ScaleRule rule;
  rule.most = static_cast<std::int64_t>(rng.next() % 8) + 1;
  rule.least = static_cast<std::int64_t>(rng.next() % (static_cast<std::uint64_t>(rule.most) + 1));
  rule.slots = static_cast<std::int64_t>(rng.next() % 6) + 1;
  rule.idle = seconds(1 + rng.next() % 400);
  rule.window = seconds(1 + rng.next() % 100);
  rule.first_token = milliseconds(rng.next() % 2 == 0 ? 0 : 100);
  return rule;
}

TEST(Autoscale, StaysWithinItsBoundsAndServesWhoWaitsWhateverHappens) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    SeededRng rng(seed);
    const ScaleRule rule = any_rule(rng);
    World world(rule, static_cast<std::int64_t>(rng.next() % 10));
    for (int i = 0; i < 600; ++i) {
      const auto kind = rng.next() % 10;
      const auto running = kind < 5 ? 0 : static_cast<std::int64_t>(rng.next() % 60);
      const auto waiting = kind == 9 ? static_cast<std::int64_t>(rng.next() % 5) : 0;
      world.second(running, waiting, static_cast<std::int64_t>(rng.next() % 2),
                   static_cast<std::int64_t>(rng.next() % 300));
      ASSERT_GE(world.state.wanted, rule.least) << "seed " << seed;
      ASSERT_LE(world.state.wanted, rule.most) << "seed " << seed;
      if (waiting > 0) ASSERT_GE(world.state.wanted, 1) << "seed " << seed;
      const auto need = std::min((running + waiting + rule.slots - 1) / rule.slots, rule.most);
      ASSERT_GE(world.state.wanted, need) << "seed " << seed;
      ASSERT_GT(world.state.look_again, world.now) << "a look in the past would spin";
    }
  }
}

TEST(Autoscale, ConstantLoadNeverMakesItGoBothUpAndDown) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    SeededRng rng(seed);
    const ScaleRule rule = any_rule(rng);
    World world(rule, static_cast<std::int64_t>(rng.next() % 10));
    const auto load = static_cast<std::int64_t>(rng.next() % 40);
    const auto latency = static_cast<std::int64_t>(rng.next() % 300);
    int ups = 0, downs = 0;
    auto before = world.state.wanted;
    for (int i = 0; i < 2000; ++i) {
      world.second(load, 0, load > 0 ? 1 : 0, load > 0 ? latency : 0);
      ups += world.state.wanted > before ? 1 : 0;
      downs += world.state.wanted < before ? 1 : 0;
      before = world.state.wanted;
    }
    ASSERT_FALSE(ups > 0 && downs > 0) << "seed " << seed << ": up " << ups << ", down " << downs;
    if (load == 0) ASSERT_EQ(before, rule.least) << "seed " << seed;
  }
}

}  // namespace
}  // namespace millrace::serving
