// What a manager that takes over knows.
#include <gtest/gtest.h>

#include "control/manager_site_test_support.h"
#include "control/past_use.h"

namespace millrace::control {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

TEST(WorkManager, ARestartAdoptsWhatRunsAndSettlesWhatEndedMeanwhile) {
  Site site;
  const WantedWork job = site.work(1);
  const WantedWork other = site.work(2);
  site.put(job);
  site.put(other);
  site.go(0);
  site.manager.reset();
  while (site.runs.advance()) site.runs.now += seconds(5);
  site.runs.now += seconds(100);
  site.create();
  site.settle();
  EXPECT_EQ(site.seen(job).state, WorkState::kSucceeded);
  EXPECT_EQ(site.seen(job).ended_at, site.runs.runs().at({job.id, 1}).end->ended_at)
      << "its own time, not ours";
  EXPECT_EQ(site.runs.runs().size(), 2u) << "nothing was started twice";
  EXPECT_TRUE(site.runs.breaches.empty());
}

TEST(WorkManager, AClockThatIsSetBackKeepsNothingWaitingForTheOldTime) {
  Site site;
  site.runs.lasts = seconds(60);
  site.clock_offset = hours(24);
  const WantedWork job = site.work(1);
  site.put(job);
  site.settle();
  site.runs.refuse_one_in = 1;
  WantedWork refused = site.work(2);
  site.put(refused);
  site.settle();
  site.runs.refuse_one_in = 0;
  ASSERT_EQ(site.seen(refused).state, WorkState::kQueued) << "tried again a little later, a day ahead";
  EXPECT_TRUE(site.seen(refused).reason.ends_with(" to be tried again")) << site.seen(refused).reason;
  site.clock_offset = seconds(0);
  site.go(20);
  EXPECT_EQ(site.seen(refused).state, WorkState::kRunning);
  EXPECT_EQ(site.seen(job).run, 1U) << "what ran goes on";
  site.finish();
  EXPECT_EQ(site.seen(job).state, WorkState::kSucceeded);
  EXPECT_TRUE(site.runs.breaches.empty());
}

TEST(WorkManager, ASmallStepBackIsWaitedForAndNothingIsReadAnew) {
  Site site;
  site.clock_offset = seconds(1);
  site.settle();
  EXPECT_TRUE(site.manager->pass(site.runs.now));
}

TEST(WorkManager, WhatRunsSinceATimeThatIsYetToComeCanStillBePreempted) {
  Site site(1, 1);
  site.runs.lasts = seconds(600);
  site.clock_offset = hours(24);
  WantedWork low = site.work(1);
  low.demand.accelerators = 8;
  low.preemptible = low.requeue = true;
  low.priority_class = "low";
  site.put(low);
  site.settle();
  ASSERT_EQ(site.seen(low).state, WorkState::kRunning);
  site.clock_offset = seconds(0);
  site.go(10);
  WantedWork high = site.work(2);
  high.demand.accelerators = 8;
  high.priority_class = "high";
  site.put(high);
  site.go(20);
  EXPECT_EQ(site.seen(low).state, WorkState::kPausing);
}

TEST(WorkManager, WhoeverUsedMuchBeforeARestartStillComesAfterWhoDidNot) {
  Site site(1, 1);
  site.owners.push_back({.tenant = "third", .project = "", .quota = identity::ComputeQuota()});
  site.create();
  const auto whole_node = [&](std::uint64_t number, const std::string& tenant) {
    WantedWork job = site.work(number);
    job.tenant = tenant;
    job.demand.accelerators = 8;
    site.put(job);
    return job;
  };
  for (std::uint64_t number = 1; number <= 4; ++number) whole_node(number, "lab");
  site.finish();
  const WantedWork blocker = whole_node(5, "third");
  site.settle();
  ASSERT_EQ(site.seen(blocker).state, WorkState::kRunning);
  site.create();
  const WantedWork greedy = whole_node(6, "lab");
  const WantedWork modest = whole_node(7, "hall");
  site.settle();
  site.create();
  while (site.seen(blocker).state == WorkState::kRunning) {
    site.runs.now += seconds(10);
    site.runs.advance();
    site.settle();
  }
  EXPECT_EQ(site.seen(modest).state, WorkState::kRunning);
  EXPECT_EQ(site.seen(greedy).state, WorkState::kQueued) << "submitted before the other";
}

TEST(WorkManager, PastUseIsForgottenWhenNothingOfItCountsAnyMore) {
  Site site;
  site.put(site.work(1));
  site.finish();
  EXPECT_EQ(site.store.list(kPastUsePrefix, {}, 10)->size(), 3u) << "the tenant, its project and its user";
  site.runs.now += std::chrono::weeks(30);
  site.create();
  EXPECT_TRUE(site.store.list(kPastUsePrefix, {}, 10)->empty());
}

TEST(WorkManager, ACancelThatNoManagerHasSeenBeforeItWasThrownAwayIsCarriedOut) {
  for (const bool is_pass_that_failed : {false, true}) {
    Site site;
    site.runs.lasts = seconds(100'000);
    const WantedWork job = site.work(1);
    site.put(job);
    site.go(0);
    ASSERT_EQ(site.seen(job).state, WorkState::kRunning);
    if (is_pass_that_failed) {
      site.cancel(job);
      site.runs.set_down(true);
      EXPECT_FALSE(site.manager->pass(site.runs.now));
      site.runs.set_down(false);
    } else {
      site.manager.reset();
      site.cancel(job);
    }
    site.create();
    site.settle();
    EXPECT_TRUE(site.runs.runs().at({job.id, 1}).told);
    site.go(60);
    EXPECT_EQ(site.seen(job).state, WorkState::kCancelled);
  }
}

/// Two jobs of a node each; then the node of the second leaves the configuration, and the manager begins anew.
struct NodeThatLeft : Site {
  NodeThatLeft() : Site(1, 2) {
    runs.lasts = hours(4);
    stays.demand.accelerators = moves.demand.accelerators = 8;
    put(stays);
    put(moves);
    go(0);
    EXPECT_EQ(seen(moves).places.front().node, "n1");
    go(7200);
    nodes = 1;
    create();
    settle();
  }
  std::vector<store::UsageRecord> ledger() const { return usage_memory.list({}, "", 100).value(); }
  WantedWork stays = work(1), moves = work(2);
};

TEST(WorkManager, ARunWhoseNodeLeftTheConfigurationIsStoppedAndChargedBeforeItsWorkWaitsAgain) {
  NodeThatLeft site;
  EXPECT_EQ(site.seen(site.moves).state, WorkState::kPausing);
  EXPECT_EQ(site.seen(site.moves).reason_code, "unplaced");
  EXPECT_TRUE(site.ledger().empty());
  site.create();  // twice
  site.go(7200 + 60);
  const auto seen = site.seen(site.moves);
  EXPECT_EQ(seen.state, WorkState::kQueued);
  ASSERT_EQ(seen.runs.size(), 1U);
  EXPECT_EQ(seen.runs.front().nodes, std::vector<std::string>{"n1"});
  EXPECT_EQ(seen.runs.front().outcome, "paused");
  EXPECT_EQ(seen.runs.front().reason, "the nodes of its run are not there any more as they were");
  ASSERT_EQ(site.ledger().size(), 1U);
  EXPECT_EQ(site.ledger().front().accelerator_ms, seen.accelerator_ms);
  EXPECT_GE(seen.accelerator_ms, 8 * 7'200'000);
  EXPECT_EQ(site.ledger().front().site, "local");
  EXPECT_EQ(site.ledger().front().model, "compute/unknown") << "what is not known is not made up";
  site.finish();
  EXPECT_EQ(site.seen(site.moves).state, WorkState::kSucceeded);
  EXPECT_EQ(site.ledger().size(), 3U);
  EXPECT_TRUE(site.runs.breaches.empty());
}

TEST(WorkManager, WorkWhoseNodeLeftTheConfigurationCanBeCancelled) {
  NodeThatLeft site;
  site.cancel(site.moves);
  site.settle();
  site.go(7200 + 60);
  EXPECT_EQ(site.seen(site.moves).state, WorkState::kCancelled);
  EXPECT_EQ(site.ledger().size(), 1U);
}

TEST(WorkManager, WhereAGangThatLostANodeStillRunsNothingElseStarts) {
  Site site(1, 2);
  site.runs.lasts = hours(4);
  WantedWork gang = site.work(1), next = site.work(2);
  gang.tasks = 2;
  gang.demand.accelerators = next.demand.accelerators = 8;
  site.put(gang);
  site.put(next);
  site.go(0);
  site.nodes = 1;
  site.create();
  site.settle();
  EXPECT_EQ(site.seen(next).state, WorkState::kQueued);
  site.go(60);
  EXPECT_EQ(site.seen(gang).state, WorkState::kQueued);
  EXPECT_EQ(site.seen(next).state, WorkState::kRunning);
  EXPECT_TRUE(site.runs.breaches.empty());
}

TEST(WorkManager, ACapThatDidNotGetThroughIsToldAgain) {
  for (const bool is_restart : {false, true}) {
    Site site(1, 1);
    site.runs.lasts = hours(1);
    const WantedWork job = site.work(1);
    site.put(job);
    site.go(0);
    SiteEvent event;
    event.site = "local";
    event.from = site.runs.now;
    event.until = site.runs.now + hours(2);
    event.budget_milli = 250;
    site.put(std::string(kSiteEventPrefix) + "1", to_json(event));
    site.runs.refuse_one_in = 1;
    site.settle();
    site.runs.refuse_one_in = 0;
    const auto& run = site.runs.runs().at({job.id, 1});
    const auto cap_milli = site.seen(job).cap_milli;
    ASSERT_LT(cap_milli, 1000);
    EXPECT_EQ(run.cap_milli, 1000);
    if (is_restart) {
      site.create();
    } else {
      site.manager->note_resync();
      site.settle();
    }
    EXPECT_EQ(run.cap_milli, cap_milli);
  }
}

TEST(WorkManager, ARunThatNoRecordKnowsIsStopped) {
  Site site;
  WantedWork stray = site.work(77);
  ASSERT_TRUE(
      site.runs.start(stray, StartRun{.id = stray.id, .run = 4, .places = {}, .reason = {}}, {{"n0", 1}}));
  site.runs.refuse_one_in = 1;
  site.create();
  site.runs.refuse_one_in = 0;
  EXPECT_FALSE(site.runs.runs().at({stray.id, 4}).told);
  site.manager->note_resync();
  site.settle();
  EXPECT_TRUE(site.runs.runs().at({stray.id, 4}).told) << "again, if it did not hear";
}

}  // namespace
}  // namespace millrace::control
