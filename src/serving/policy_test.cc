#include "serving/policy.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>

namespace millrace::serving {
namespace {

using std::chrono::seconds;

const MonotonicPoint kStart{std::chrono::hours(5)};

TEST(Backoff, GrowsFromOneSecondToAMinuteWhileEndsAreFarApart) {
  std::vector<MonotonicPoint> failures;
  MonotonicPoint now = kStart;
  std::vector<std::int64_t> waits;
  for (int i = 0; i < 9; ++i) {
    failures.push_back(now);
    const auto next = next_start(failures);
    ASSERT_TRUE(next) << i;
    waits.push_back(std::chrono::duration_cast<seconds>(*next - now).count());
    now += seconds(45);
  }
  EXPECT_EQ(waits, (std::vector<std::int64_t>{1, 2, 4, 8, 16, 32, 60, 60, 60}));
}

TEST(Backoff, FiveEndsWithinTwoMinutesAreACrashLoop) {
  std::vector<MonotonicPoint> failures;
  for (int i = 0; i < 4; ++i) {
    failures.push_back(kStart + seconds(30 * i));
    EXPECT_TRUE(next_start(failures)) << i;
  }
  failures.push_back(kStart + seconds(120));
  EXPECT_FALSE(next_start(failures));
  failures.back() = kStart + seconds(121);
  EXPECT_TRUE(next_start(failures)) << "the first of the five is outside the window";
}

TEST(Backoff, OldEndsAreForgiven) {
  EXPECT_EQ(next_start({}), MonotonicPoint::min());
  const std::vector<MonotonicPoint> failures = {kStart, kStart + seconds(1), kStart + std::chrono::hours(1)};
  EXPECT_EQ(next_start(failures), failures.back() + seconds(1));
}

RC_GTEST_PROP(AssignCpus, TakesTheLeastUsedAndNeverInventsOne, ()) {
  const auto cores = *rc::gen::inRange(1, 12);
  std::vector<int> available;
  for (int cpu = 0; cpu < cores; ++cpu) available.push_back(cpu * 2);
  std::vector<std::vector<int>> in_use;
  std::vector<int> users(static_cast<std::size_t>(2 * cores), 0);
  for (int i = *rc::gen::inRange(0, 6); i > 0; --i) {
    const auto want = *rc::gen::inRange<std::size_t>(1, 14);
    const auto got = assign_cpus(available, in_use, want);
    RC_ASSERT(got.size() == std::min(want, available.size()));
    RC_ASSERT(std::is_sorted(got.begin(), got.end()));
    RC_ASSERT(std::set<int>(got.begin(), got.end()).size() == got.size());
    for (const int cpu : got) RC_ASSERT(std::count(available.begin(), available.end(), cpu) == 1);
    for (const int cpu : got) ++users[static_cast<std::size_t>(cpu)];
    in_use.push_back(got);
  }
  // Sharing is even when all want the same.
  std::vector<std::vector<int>> even;
  for (int i = 0; i < cores; ++i) even.push_back(assign_cpus(available, even, 1));
  std::set<int> taken;
  for (const auto& cpus : even) taken.insert(cpus.front());
  RC_ASSERT(taken.size() == available.size());
}

TEST(DefaultThreads, OneOnTwoCoresAndDividedOnMore) {
  EXPECT_EQ(default_threads(1, 1), 1u);
  EXPECT_EQ(default_threads(2, 1), 1u);
  EXPECT_EQ(default_threads(2, 5), 1u);
  EXPECT_EQ(default_threads(8, 1), 7u);
  EXPECT_EQ(default_threads(8, 2), 3u);
  EXPECT_EQ(default_threads(8, 100), 1u);
  EXPECT_EQ(default_threads(64, 0), 63u);
}

}  // namespace
}  // namespace millrace::serving
