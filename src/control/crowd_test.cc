// Deferrable work that has to share machines does not wait for its last hour all at once.
#include "control/crowd.h"

#include <gtest/gtest.h>

namespace millrace::control {
namespace {

using std::chrono::hours;

const TimePoint kNow{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
constexpr scheduler::Amount kEight{.accelerators_milli = 8'000, .cpu_milli = 64'000};

CrowdMember due(int accelerators, int work_h, int deadline_h, bool runs = false) {
  return {.request = {.accelerators_milli = accelerators * 1'000, .cpu_milli = 1'000},
          .runs = runs,
          .left = hours(work_h),
          .deadline = kNow + hours(deadline_h)};
}

bool goes(const std::vector<CrowdMember>& members, const CrowdMember& of,
          const scheduler::Amount& used = {}) {
  Crowd crowd;
  crowd.set(kNow, members, used, kEight);
  return crowd.must_go(of.request, of.deadline);
}

TEST(Crowd, OneAloneMayWaitAsLongAsItLikes) {
  EXPECT_FALSE(goes({due(8, 10, 11)}, due(8, 10, 11)));
  EXPECT_FALSE(goes({}, due(8, 10, 11)));
}

TEST(Crowd, WorkGoesWhenAllThatIsDueWouldNotFitAfterAnotherHour) {
  EXPECT_FALSE(goes({due(8, 10, 22), due(8, 10, 22)}, due(8, 10, 22)));
  EXPECT_TRUE(goes({due(8, 10, 21), due(8, 10, 21)}, due(8, 10, 21)));
  EXPECT_FALSE(goes({due(4, 10, 21), due(4, 10, 21)}, due(4, 10, 21))) << "side by side";
  EXPECT_TRUE(goes({due(5, 10, 21), due(5, 10, 21)}, due(5, 10, 21))) << "not side by side";
}

TEST(Crowd, OnlyWhatIsDueByThenGoes) {
  const std::vector<CrowdMember> members{due(8, 10, 21), due(8, 10, 21), due(1, 1, 100)};
  EXPECT_FALSE(goes(members, due(1, 1, 100)));
  EXPECT_TRUE(goes(members, due(1, 1, 20)));
}

TEST(Crowd, WhatOtherWorkTakesIsNotThereAndWhatTheCrowdTakesIs) {
  const std::vector<CrowdMember> members{due(2, 10, 21), due(2, 10, 21)};
  EXPECT_FALSE(goes(members, due(2, 10, 21)));
  EXPECT_TRUE(goes(members, due(2, 10, 21), {.accelerators_milli = 6'000}));
  std::vector<CrowdMember> running = members;
  running[0].runs = true;
  EXPECT_FALSE(goes(running, due(2, 10, 21), {.accelerators_milli = 6'000}));
}

TEST(Crowd, AcceleratorsAndCoresAreCountedApart) {
  CrowdMember on_cores = due(0, 10, 21);
  on_cores.request.cpu_milli = 64'000;
  const std::vector<CrowdMember> members{on_cores, on_cores, due(1, 1, 21)};
  EXPECT_TRUE(goes(members, on_cores));
  EXPECT_FALSE(goes(members, due(1, 1, 21)));
}

}  // namespace
}  // namespace millrace::control
