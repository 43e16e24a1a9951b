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

}  // namespace
}  // namespace millrace::control
