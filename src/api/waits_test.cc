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
  std::atomic<int> waiting = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < Waits::kMost; ++i) {
    threads.emplace_back([&] {
      bool first = true;
      waits.until(10s, [&] {
        if (!first) return false;
        first = false;
        ++waiting;
        return false;
      });
    });
  }
  while (waiting < Waits::kMost) std::this_thread::yield();
  int asked = 0;
  // The others may be between their first question and their wait: ask until they are all there.
  do {
    asked = 0;
    waits.until(5ms, [&] { return ++asked < 0; });
  } while (asked > 1);
  EXPECT_EQ(asked, 1);
  waits.stop();
  threads.clear();
  asked = 0;
  waits.until(10s, [&] { return ++asked < 0; });
  EXPECT_EQ(asked, 1);
}

}  // namespace
}  // namespace millrace::api
