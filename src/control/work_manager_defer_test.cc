// Deferrable work: it waits for clean hours before it starts, and is paused for them where it can be.
#include <gtest/gtest.h>

#include "control/manager_site_test_support.h"

namespace millrace::control {
namespace {

using std::chrono::seconds;

// Values of the hours from the first on, told for each hour as it is looked at; after them the last goes on.
std::function<std::optional<HourOutlook>(TimePoint)> hours_of(std::vector<double> values) {
  return [values = std::move(values)](TimePoint now) {
    const auto value = [&](TimePoint hour) {
      const auto index = static_cast<std::size_t>((hour - at(0)) / std::chrono::hours(1));
      return values[std::min(index, values.size() - 1)];
    };
    HourOutlook outlook;
    outlook.hour = std::chrono::floor<std::chrono::hours>(now);
    outlook.now = value(outlook.hour);
    for (int ahead = 1; ahead <= 24; ++ahead)
      outlook.coming.push_back(value(outlook.hour + std::chrono::hours(ahead)));
    return outlook;
  };
}

TEST(WorkManager, ADeferrableJobWaitsForCleanHoursWithinItsDeadlineAndOthersDoNot) {
  Site site;
  site.outlook = hours_of({500, 500, 50});
  site.create();
  WantedWork patient = site.work(1);
  patient.deferrable = true;
  patient.time_limit = seconds(3600);
  patient.deadline = at(12 * 3600);
  WantedWork pressed = patient;
  pressed.id = workload_id(2);
  pressed.name = "2";
  pressed.deadline = at(3600);
  WantedWork other = site.work(3);
  for (const auto& each : {patient, pressed, other}) site.put(each);
  site.go(0);
  EXPECT_EQ(site.seen(patient).state, WorkState::kQueued);
  EXPECT_EQ(site.seen(patient).reason_code, "not_before");
  EXPECT_EQ(site.seen(patient).reason, "waits for cleaner hours, until 2026-01-01 11:00 at the latest");
  EXPECT_EQ(site.seen(patient).expected_start, at(2 * 3600));
  EXPECT_EQ(site.seen(pressed).state, WorkState::kRunning);
  EXPECT_EQ(site.seen(other).state, WorkState::kRunning);
  ASSERT_TRUE(site.wake) << "it is asked about again without anything happening";
  for (std::int64_t second = 600; second < 2 * 3600; second += 600) {
    site.go(second);
    EXPECT_EQ(site.seen(patient).state, WorkState::kQueued) << second;
  }
  site.go(2 * 3600);
  EXPECT_EQ(site.seen(patient).state, WorkState::kRunning);
}

constexpr std::int64_t kHour = 3600;

/// How many run of three jobs of three hours each of which takes all machines; each hour is cleaner than the one before.
int running_at(std::int64_t second, std::int64_t deadline_h) {
  Site site(1, 1);
  std::vector<double> values;
  for (int hour = 0; hour < 48; ++hour) values.push_back(500 - 10 * hour);
  site.outlook = hours_of(values);
  site.runs.lasts = seconds(3 * kHour);
  site.create();
  int running = 0;
  std::vector<WantedWork> jobs;
  for (std::uint64_t id = 1; id <= 3; ++id) {
    WantedWork job = site.work(id);
    job.demand.accelerators = 8;
    job.deferrable = true;
    job.time_limit = seconds(3 * kHour);
    job.deadline = at(deadline_h * kHour);
    site.put(job);
    jobs.push_back(job);
  }
  for (std::int64_t at = 60; at <= second; at += 600) site.go(at);
  for (const WantedWork& job : jobs) running += site.seen(job).state == WorkState::kRunning ? 1 : 0;
  return running;
}

TEST(WorkManager, DeferrableJobsThatNeedTheSameMachinesDoNotAllWaitForTheLastHour) {
  EXPECT_EQ(running_at(2 * kHour, 10), 1) << "two more must follow it";
  EXPECT_EQ(running_at(2 * kHour, 23), 0) << "there is time enough";
}

/// Clean, and expected to stay so: a job of two hours starts at once. Then two hours are dirty, and later ones clean.
struct DirtyAfterAnHour {
  explicit DirtyAfterAnHour(std::vector<double> values = {50, 500, 500, 50}) {
    site.outlook = [first = hours_of({50}), later = hours_of(std::move(values))](TimePoint now) {
      return now < at(kHour) ? first(now) : later(now);
    };
    site.runs.lasts = seconds(2 * kHour);
    site.create();
    job = site.work(1);
    job.deferrable = true;
    job.time_limit = seconds(2 * kHour);
    job.deadline = at(12 * kHour);
    job.checkpoint_signal = 10;
    job.grace = seconds(45);
  }
  /// Its state just after the second hour has begun.
  WorkState in_the_dirty_hour() {
    site.put(job);
    site.go(60);
    EXPECT_EQ(site.seen(job).state, WorkState::kRunning);
    site.go(kHour);
    return site.seen(job).state;
  }
  Site site;
  WantedWork job;
};

TEST(WorkManager, ARunningJobThatCanBeInterruptedIsPausedForCleanerHours) {
  DirtyAfterAnHour world;
  Site& site = world.site;
  EXPECT_EQ(world.in_the_dirty_hour(), WorkState::kPausing);
  EXPECT_EQ(site.seen(world.job).reason, "is paused for cleaner hours");
  EXPECT_EQ(site.runs.runs().at({world.job.id, 1}).ends, at(kHour + 45)) << "it has the grace it asked for";
  for (std::int64_t second = kHour + 60; second < 3 * kHour; second += 300) {
    site.go(second);
    ASSERT_EQ(site.seen(world.job).state, WorkState::kQueued) << second;
  }
  site.runs.lasts = seconds(kHour);
  site.go(3 * kHour);
  EXPECT_EQ(site.seen(world.job).state, WorkState::kRunning);
  site.finish();
  const ObservedWork seen = site.seen(world.job);
  EXPECT_EQ(seen.state, WorkState::kSucceeded);
  ASSERT_EQ(seen.runs.size(), 2u) << "it is paused once";
  EXPECT_EQ(seen.runs[0].outcome, "paused");
  EXPECT_EQ(seen.runs[0].reason, "is paused for cleaner hours");
  EXPECT_TRUE(site.runs.breaches.empty());
}

TEST(WorkManager, ARestartInAPauseForCleanerHoursKeepsIt) {
  DirtyAfterAnHour world;
  Site& site = world.site;
  ASSERT_EQ(world.in_the_dirty_hour(), WorkState::kPausing);
  site.create();
  site.go(kHour + 60);
  EXPECT_EQ(site.seen(world.job).state, WorkState::kQueued);
  site.create();
  site.go(kHour + 120);
  EXPECT_EQ(site.seen(world.job).state, WorkState::kQueued);
  site.go(2 * kHour);
  site.go(3 * kHour);
  EXPECT_EQ(site.seen(world.job).state, WorkState::kRunning);
}

TEST(WorkManager, ARunningJobIsAskedAboutCleanerHoursAfterARestartToo) {
  DirtyAfterAnHour world;
  Site& site = world.site;
  site.put(world.job);
  site.go(60);
  site.create();
  site.go(kHour);
  EXPECT_EQ(site.seen(world.job).state, WorkState::kPausing);
}

TEST(WorkManager, AJobThatCannotBeInterruptedOrPutOffGoesOnInADirtyHour) {
  const auto goes_on = [](auto change) {
    DirtyAfterAnHour world;
    change(world.job);
    return world.in_the_dirty_hour() == WorkState::kRunning;
  };
  EXPECT_TRUE(goes_on([](WantedWork& job) { job.requeue = false; }));
  EXPECT_TRUE(goes_on([](WantedWork& job) { job.preemptible = false; }));
  EXPECT_TRUE(goes_on([](WantedWork& job) { job.deferrable = false; }));
  EXPECT_TRUE(goes_on([](WantedWork& job) { job.deadline = at(3 * kHour); }))
      << "were its state lost, it would be late";
  EXPECT_FALSE(goes_on([](WantedWork&) {}));
}

TEST(WorkManager, AJobIsNotPausedForALittleOrForADoubtfulSaving) {
  DirtyAfterAnHour little({50, 54, 54, 50});
  EXPECT_EQ(little.in_the_dirty_hour(), WorkState::kRunning);
  DirtyAfterAnHour costly({50, 70, 70, 50});
  costly.job.grace = seconds(1200);
  EXPECT_EQ(costly.in_the_dirty_hour(), WorkState::kRunning)
      << "25 minutes lost, to save 20 of 70 for an hour";
}

TEST(WorkManager, AJobIsPausedAtMostOnceAnHourAndEndsInTimeHoweverTheHoursChange) {
  std::size_t pauses = 0;
  for (const std::uint64_t seed : {1, 2, 3, 4, 5, 6, 7, 8}) {
    SeededRng rng(seed);
    std::vector<double> values;
    values.reserve(48);
    for (int hour = 0; hour < 48; ++hour) values.push_back(static_cast<double>(rng.next() % 500));
    DirtyAfterAnHour world(values);
    Site& site = world.site;
    world.job.time_limit = seconds(4 * kHour);
    world.job.deadline = at(20 * kHour);
    site.runs.lasts = seconds(4 * kHour - 60);
    site.put(world.job);
    for (std::int64_t second = 0; second <= 20 * kHour; second += 60) {
      site.go(second);
      if (rng.next() % 80 == 0) site.create();
    }
    const ObservedWork seen = site.seen(world.job);
    EXPECT_EQ(seen.state, WorkState::kSucceeded) << seed << ": it never saved anything, and is in time";
    std::optional<TimePoint> before;
    for (const EndedRun& run : seen.runs) {
      if (run.outcome != "paused") continue;
      ++pauses;
      if (before) EXPECT_GE(run.ended_at - *before, std::chrono::minutes(59)) << seed;
      before = run.ended_at;
    }
  }
  EXPECT_GT(pauses, 4u);
}

}  // namespace
}  // namespace millrace::control
