// What cannot be read is not taken for what is not there.
#include <gtest/gtest.h>

#include "control/manager_site_test_support.h"

namespace millrace::control {
namespace {

TEST(WorkManager, AFailedReadRunsNoFinishedWorkAgain) {
  Site site;
  const WantedWork job = site.work(1);
  site.put(job);
  site.finish();
  site.put(job);  // committed again
  site.store.reads.fail_next(1, ErrorCode::kUnavailable);
  site.finish();
  EXPECT_EQ(site.seen(job).state, WorkState::kSucceeded);
  EXPECT_TRUE(site.runs.breaches.empty());
}

TEST(WorkManager, AFailedReadCancelsNothingThatComesAfterOtherWork) {
  Site site;
  const WantedWork first = site.work(1);
  site.put(first);
  site.finish();
  WantedWork next = site.work(2);
  next.after = {first.id};
  site.put(next);
  site.store.reads.fail_next(1, ErrorCode::kUnavailable);
  site.finish();
  EXPECT_EQ(site.seen(next).state, WorkState::kSucceeded);
}

TEST(WorkManager, AJobThatWasForgottenWhileItsRecordWasReadDoesNotRunAgain) {
  Site site;
  const WantedWork job = site.work(1);
  site.put(job);
  site.finish();
  ASSERT_TRUE(site.memory.commit(
      {.expect = {}, .put = {}, .erase = {work_key(kWantedPrefix, job.id), work_key(kEndedPrefix, job.id)}}));
  site.manager->note_change(
      {.expect = {}, .put = {{work_key(kWantedPrefix, job.id), to_json(job)}}, .erase = {}});
  site.settle();
  EXPECT_TRUE(site.manager->live().empty());
  EXPECT_TRUE(site.runs.breaches.empty());
}

TEST(WorkManager, AManagerWhosePassFailedDecidesNothingMore) {
  Site site;
  const WantedWork job = site.work(1);
  site.put(job);
  site.store.writes.fail_next(1, ErrorCode::kUnavailable);
  EXPECT_FALSE(site.manager->pass(site.runs.now));
  EXPECT_FALSE(site.manager->pass(site.runs.now)) << "it counts the job among what was started";
  site.create();
  site.settle();
  EXPECT_EQ(site.seen(job).state, WorkState::kRunning);
}

constexpr const char* kUnreadable = "{\"version\":99}";

TEST(WorkManager, OneRecordThatCannotBeReadIsNamedAndAllOtherWorkRuns) {
  for (const bool is_restart : {false, true}) {
    Site site;
    const std::string key = work_key(kWantedPrefix, workload_id(1));
    site.put(key, kUnreadable);
    const WantedWork job = site.work(2);
    site.put(job);
    if (is_restart) site.create();
    site.finish();
    EXPECT_EQ(site.seen(job).state, WorkState::kSucceeded);
    site.manager->note_resync();
    site.settle();
    EXPECT_EQ(site.reports,
              std::vector{"record " + key +
                          " cannot be read, and is left alone: work record: " + "not written in version 1"})
        << "once";
  }
}

TEST(WorkManager, WorkThatRunsGoesOnWhileOneOfItsRecordsCannotBeReadAndIsSettledOnceItCan) {
  for (const std::string_view prefix : {kWantedPrefix, kLivePrefix}) {
    Site site(1, 1);
    site.runs.lasts = std::chrono::seconds(600);
    WantedWork job = site.work(1);
    job.demand.accelerators = 8;
    site.put(job);
    site.go(0);
    const std::string key = work_key(prefix, job.id);
    const std::string record = site.memory.get(key)->value;
    site.put(key, kUnreadable);
    site.create();
    site.settle();
    WantedWork other = site.work(2);
    other.demand.accelerators = 8;
    if (prefix == kWantedPrefix) site.put(other);
    site.go(300);
    site.go(1000);
    const auto& run = site.runs.runs().at({job.id, 1});
    EXPECT_FALSE(run.told);
    EXPECT_EQ(site.runs.runs().size(), 1U) << "its devices are its own";
    EXPECT_FALSE(run.forgotten);
    site.put(key, record);
    site.create();
    site.settle();
    EXPECT_EQ(site.seen(job).state, WorkState::kSucceeded);
    EXPECT_TRUE(run.forgotten);
    EXPECT_EQ(site.usage_memory.list({}, "", 100)->size(), 1U);
    site.finish();
    EXPECT_TRUE(site.runs.breaches.empty());
  }
}

TEST(WorkManager, ARecordThatCanBeReadAgainCountsAtOnce) {
  Site site;
  const WantedWork job = site.work(1);
  site.put(work_key(kWantedPrefix, job.id), kUnreadable);
  site.settle();
  site.put(job);
  site.finish();
  EXPECT_EQ(site.seen(job).state, WorkState::kSucceeded);
}

TEST(WorkManager, WorkThatComesAfterWhatCannotBeReadWaits) {
  for (const std::string_view prefix : {kWantedPrefix, kEndedPrefix}) {
    Site site;
    site.put(site.work(1));
    if (prefix == kEndedPrefix) site.finish();
    site.put(work_key(prefix, workload_id(1)), kUnreadable);
    site.create();
    WantedWork next = site.work(2);
    next.after = {workload_id(1)};
    site.put(next);
    site.settle();
    EXPECT_EQ(site.seen(next).reason, "waits for 1 to succeed");
    site.create();
    site.settle();
    EXPECT_EQ(site.seen(next).state, WorkState::kQueued);
  }
}

TEST(WorkManager, NothingStartsOnANodeWhoseWishCannotBeRead) {
  Site site(1, 1);
  site.put(std::string(kNodeWishPrefix) + "n0", kUnreadable);
  const WantedWork job = site.work(1);
  site.put(job);
  site.settle();
  EXPECT_EQ(site.seen(job).state, WorkState::kQueued);
  EXPECT_EQ(site.reports.size(), 1U);
}

}  // namespace
}  // namespace millrace::control
