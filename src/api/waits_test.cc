#include "api/waits.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "api/api_test_world.h"

namespace millrace::api {
namespace {

using namespace std::chrono_literals;

TEST(Waits, end_when_it_has_happened) {
  const TestClock clock;
  Waits waits(clock);
  int asked = 0;
  waits.until(10s, [&] { return ++asked == 3; });
  EXPECT_EQ(asked, 3);
  waits.until(0ms, [&] { return ++asked == 100; });
  EXPECT_EQ(asked, 3) << "nothing to wait for";
}

TEST(Waits, end_when_the_time_is_over) {
  TestClock clock;
  Waits waits(clock);
  int asked = 0;
  waits.until(3s, [&] {
    clock.advance(1s);
    return ++asked < 0;
  });
  EXPECT_EQ(asked, 3);
  waits.until(1h, [&] {
    clock.advance(Waits::kLongest);
    return ++asked < 0;
  });
  EXPECT_EQ(asked, 4) << "nobody waits longer than that";
}

TEST(Waits, beyond_the_bound_nobody_waits_and_stop_ends_all) {
  const TestClock clock;  // stands still: only stop() ends a wait
  Waits waits(clock);
  std::vector<std::jthread> threads;
  for (int i = 0; i < Waits::kMost; ++i) {
    threads.emplace_back([&] { waits.until(10s, [] { return false; }); });
  }
  while (waits.waiting() < Waits::kMost) std::this_thread::yield();
  int asked = 0;
  waits.until(10s, [&] { return ++asked < 0; });
  EXPECT_EQ(asked, 1);
  waits.stop();
  threads.clear();
  EXPECT_EQ(waits.waiting(), 0);
  waits.until(10s, [&] { return ++asked < 0; });
  EXPECT_EQ(asked, 2);
}

}  // namespace
}  // namespace millrace::api
