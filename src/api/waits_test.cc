#include "api/waits.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace millrace::api {
namespace {

using namespace std::chrono_literals;

TEST(Waits, end_when_it_has_happened) {
  Waits waits;
  int asked = 0;
  waits.until(10s, [&] { return ++asked == 3; });
  EXPECT_EQ(asked, 3);
  waits.until(0ms, [&] { return ++asked == 100; });
  EXPECT_EQ(asked, 3) << "nothing to wait for";
}

TEST(Waits, end_when_the_time_is_over) {
  Waits waits;
  int asked = 0;
  waits.until(1ms, [&] { return ++asked < 0; });
  EXPECT_GE(asked, 1);
}

TEST(Waits, beyond_the_bound_nobody_waits_and_stop_ends_all) {
  Waits waits;
  std::atomic<bool> over = false;
  std::vector<std::jthread> threads;
  for (int i = 0; i < Waits::kMost; ++i) {
    // Again and again: one may find the question below in its place, or its time over on a slow machine.
    threads.emplace_back([&] {
      while (!over) waits.until(10s, [] { return false; });
    });
  }
  int asked = 0;
  do {
    asked = 0;
    waits.until(5ms, [&] { return ++asked < 0; });
  } while (asked > 1);
  EXPECT_EQ(asked, 1);
  over = true;
  waits.stop();
  threads.clear();
  asked = 0;
  waits.until(10s, [&] { return ++asked < 0; });
  EXPECT_EQ(asked, 1);
}

}  // namespace
}  // namespace millrace::api
