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

}  // namespace
}  // namespace millrace::control
