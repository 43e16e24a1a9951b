#include "control/work_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/manager_site_test_support.h"

namespace millrace::control {
namespace {

using std::chrono::seconds;
using testing::StartsWith;

TEST(WorkManager, WhatIsWantedRunsAndIsSettledWithItsUsage) {
  Site site;
  const WantedWork job = site.work(1);
  site.put(job);
  site.go(0);
  EXPECT_EQ(site.seen(job).state, WorkState::kRunning);
  ASSERT_EQ(site.seen(job).places.size(), 1u);
  site.finish();
  const ObservedWork seen = site.seen(job);
  EXPECT_EQ(seen.state, WorkState::kSucceeded);
  EXPECT_EQ(seen.exit_code, 0);
  EXPECT_GT(seen.accelerator_ms, 0);
  const auto records = site.usage_memory.list({}, "", 10).value();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].accelerator_ms, seen.accelerator_ms);
  EXPECT_EQ(records[0].energy_uj, 1000);
  EXPECT_EQ(records[0].endpoint, "job/1");
  EXPECT_TRUE(site.store.list(kLivePrefix, {}, 10)->empty());
}

TEST(WorkManager, ARunWhosePriceCannotBeReadIsSettledOnceItCan) {
  Site site;
  int failures = 3;
  site.charge = [&](const RunUse& use) -> Result<RunCharge> {
    if (failures-- > 0) return failure(ErrorCode::kUnavailable, "the price book");
    RunCharge charge;
    charge.cost_microeur = use.accelerator_ms();
    charge.price_version = 4;
    return charge;
  };
  site.create();
  const WantedWork job = site.work(1);
  site.put(job);
  site.finish();
  EXPECT_LT(failures, 0);
  const auto records = site.usage_memory.list({}, "", 10).value();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].price_version, 4);
  EXPECT_GT(records[0].cost_microeur, 0);
  EXPECT_EQ(site.seen(job).cost_microeur, records[0].cost_microeur) << "no attempt was counted twice";
  EXPECT_EQ(site.seen(job).runs.size(), 1u);
}

TEST(WorkManager, ATenantWithoutQuotaWaitsAndIsToldWhyAndGoesOnceItHasOne) {
  Site site;
  site.owners.push_back({.tenant = "new", .project = "", .quota = {}});
  site.put("tenant/new", "{}");
  WantedWork job = site.work(1);
  job.tenant = "new";
  site.put(job);
  site.go(0);
  EXPECT_EQ(site.seen(job).state, WorkState::kQueued);
  EXPECT_EQ(site.seen(job).reason_code, "quota");
  EXPECT_NE(site.seen(job).reason.find("new"), std::string::npos) << site.seen(job).reason;
  site.owners.back().quota = identity::ComputeQuota();
  site.put("compute-quota/tenant/new", "{}");
  site.go(1);
  EXPECT_EQ(site.seen(job).state, WorkState::kRunning);
}

TEST(WorkManager, WorkWaitsForWhatItComesAfterAndIsCancelledWhenThatFails) {
  Site site;
  WantedWork first = site.work(1);
  WantedWork second = site.work(2);
  second.after = {first.id};
  WantedWork third = site.work(3);
  third.after = {second.id};
  for (const auto& each : {first, second, third}) site.put(each);
  site.go(0);
  EXPECT_EQ(site.seen(second).state, WorkState::kQueued);
  EXPECT_EQ(site.seen(second).reason_code, "dependency");
  site.create();
  site.finish();
  EXPECT_EQ(site.seen(third).state, WorkState::kSucceeded);
  site.runs.fail_one_in = 1;
  WantedWork fourth = site.work(4);
  WantedWork fifth = site.work(5);
  fifth.after = {fourth.id};
  WantedWork sixth = site.work(6);
  sixth.after = {fifth.id};
  for (const auto& each : {fourth, fifth, sixth}) site.put(each);
  site.finish();
  EXPECT_EQ(site.seen(fourth).state, WorkState::kFailed);
  EXPECT_EQ(site.seen(sixth).state, WorkState::kCancelled);
  EXPECT_EQ(site.seen(sixth).reason, "work that it comes after did not succeed");
}

/// Work 1 holds half of the only node for ten minutes, and all of it is promised to work 2, of that tenant: what would fit
/// beside work 1 waits.
void promise_the_node(Site& site, const std::string& tenant) {
  site.runs.lasts = seconds(600);
  WantedWork running = site.work(1);
  running.demand.accelerators = 4;
  running.time_limit = seconds(600);
  WantedWork large = site.work(2);
  large.tenant = tenant;
  large.demand.accelerators = 8;
  for (const auto& each : {running, large}) site.put(each);
  site.go(0);
}

TEST(WorkManager, WhyAReplicaWaitsNamesNobodysWork) {
  Site site(1, 1);
  promise_the_node(site, site.work(2).tenant);
  WantedWork job = site.work(3);
  job.demand.accelerators = 4;
  WantedWork replica = site.work(4);
  replica.kind = WorkKind::kService;
  replica.demand.accelerators = 4;
  for (const auto& each : {job, replica}) site.put(each);
  site.go(70);
  EXPECT_THAT(site.seen(job).reason, StartsWith("what is free is promised to 2 at "));
  EXPECT_THAT(site.seen(replica).reason, StartsWith("what is free is promised to other work at "));
}

TEST(WorkManager, WhyAJobWaitsNamesOtherTenantsWorkOnlyInItsFullReason) {
  Site site(1, 1);
  promise_the_node(site, "hall");
  WantedWork near = site.work(3);
  near.tenant = "hall";
  WantedWork far = site.work(4);
  for (WantedWork* const each : {&near, &far}) {
    each->demand.accelerators = 4;
    site.put(*each);
  }
  site.go(70);
  EXPECT_THAT(site.seen(near).reason, StartsWith("what is free is promised to 2 at "));
  EXPECT_EQ(site.seen(near).full_reason, "");
  EXPECT_THAT(site.seen(far).reason, StartsWith("what is free is promised to other work at "));
  EXPECT_THAT(site.seen(far).full_reason, StartsWith("what is free is promised to 2 at "));
}

TEST(WorkManager, WhyAJobWaitsIsToldAsItIsNotAsItWasWhenTheJobCame) {
  Site site(1, 1);
  promise_the_node(site, site.work(2).tenant);
  EXPECT_THAT(site.seen(site.work(2)).reason,
              StartsWith("needs 8 accelerators on one node; 4 are free, next at "));
  WantedWork brief = site.work(3);
  brief.demand.accelerators = 2;
  brief.time_limit = seconds(300);
  site.put(brief);
  site.go(70);
  ASSERT_EQ(site.seen(brief).state, WorkState::kRunning) << site.seen(brief).reason;
  const ObservedWork told = site.seen(site.work(2));
  EXPECT_THAT(told.reason, StartsWith("needs 8 accelerators on one node; 2 are free, next at "));
  const std::vector<ObservedWork> listed = site.manager->live();
  const auto same = std::ranges::find(listed, told.id, &ObservedWork::id);
  ASSERT_NE(same, listed.end());
  EXPECT_EQ(same->reason, told.reason);
}

TEST(WorkManager, WhoIsStoppedForAnotherTenantLearnsNeitherItsNameNorThatOfItsWork) {
  Site site(1, 1);
  site.runs.lasts = seconds(600);
  // Each owns half of the node; "lab" has borrowed all of it.
  for (auto& owner : site.owners) owner.quota->accelerators_milli = 4000;
  site.create();
  WantedWork borrows = site.work(1);
  borrows.demand.accelerators = 8;
  site.put(borrows);
  site.go(0);
  ASSERT_EQ(site.seen(borrows).state, WorkState::kRunning) << site.seen(borrows).reason;
  WantedWork owns = site.work(2);
  owns.tenant = "hall";
  owns.demand.accelerators = 4;
  site.put(owns);
  site.go(70);
  const ObservedWork told = site.seen(borrows);
  EXPECT_EQ(told.reason_code, "reclaim");
  EXPECT_EQ(told.reason, "stopped for other work: its owner takes back what was borrowed from it");
  EXPECT_THAT(told.full_reason, StartsWith("stopped for 2: hall"));
  site.go(200);
  ASSERT_EQ(site.seen(borrows).runs.size(), 1U);
  EXPECT_EQ(site.seen(borrows).runs[0].reason, told.reason);
  EXPECT_EQ(site.seen(borrows).runs[0].full_reason, told.full_reason);
}

TEST(WorkManager, ACancelledJobIsCancelledWhereverItIs) {
  Site site(1, 1);
  WantedWork running = site.work(1);
  running.demand.accelerators = 8;
  WantedWork queued = site.work(2);
  site.put(running);
  site.put(queued);
  site.go(0);
  site.cancel(queued);
  site.cancel(running);
  site.go(1);
  EXPECT_EQ(site.seen(queued).state, WorkState::kCancelled);
  site.finish();
  EXPECT_EQ(site.seen(running).state, WorkState::kCancelled);
  EXPECT_EQ(site.seen(running).runs.at(0).outcome, "cancelled");
  EXPECT_EQ(site.seen(running).runs.at(0).reason, "was cancelled");
  EXPECT_EQ(site.usage_memory.list({}, "", 10)->size(), 1u) << "what it used until then is in the ledger";
}

TEST(WorkManager, ACordonedNodeTakesNothingAndADrainedOneIsEmptied) {
  Site site(1, 2);
  WantedWork job = site.work(1);
  site.put(job);
  site.go(0);
  const std::string node = site.seen(job).places[0].node;
  site.put(std::string(kNodeWishPrefix) + node, to_json(NodeWish{.cordoned = true, .drain = true}));
  site.go(1);
  EXPECT_EQ(site.seen(job).state, WorkState::kPausing);
  site.go(120);
  ASSERT_EQ(site.seen(job).places.size(), 1u);
  EXPECT_NE(site.seen(job).places[0].node, node);
  const auto nodes = site.manager->nodes();
  EXPECT_EQ(std::ranges::find(nodes, node, &NodeStatus::name)->health, "draining");
}

TEST(WorkManager, EveryRunIsKeptWithItsNodesAndWhyItEnded) {
  Site site(1, 2);
  WantedWork job = site.work(1);
  job.retries = 1;
  site.put(job);
  site.go(0);
  const std::string first = site.seen(job).places[0].node;
  EXPECT_TRUE(site.seen(job).runs.empty()) << "the present run is told by the job itself";
  site.put(std::string(kNodeWishPrefix) + first, to_json(NodeWish{.cordoned = true, .drain = true}));
  site.go(1);
  EXPECT_EQ(site.seen(job).reason_code, "drain");
  site.runs.fail_one_in = 1;
  site.go(61);
  site.create();
  ASSERT_EQ(site.seen(job).runs.size(), 1u) << "and outlives the server";
  site.finish();
  const ObservedWork seen = site.seen(job);
  ASSERT_EQ(seen.runs.size(), 3u);
  const std::string other = first == "n0" ? "n1" : "n0";
  EXPECT_EQ(seen.runs[0].number, 1u);
  EXPECT_EQ(seen.runs[0].nodes, std::vector{first});
  EXPECT_EQ(seen.runs[0].outcome, "paused");
  EXPECT_EQ(seen.runs[0].reason, "node " + first + " is being drained");
  EXPECT_EQ(seen.runs[0].started_at, at(0));
  EXPECT_EQ(seen.runs[0].ended_at, site.runs.runs().at({job.id, 1}).end->ended_at);
  EXPECT_EQ(seen.runs[1].nodes, std::vector{other});
  for (const std::size_t failed : {1, 2}) {
    EXPECT_EQ(seen.runs[failed].outcome, "failed");
    EXPECT_EQ(seen.runs[failed].reason, "exited with 1");
  }
}

TEST(WorkManager, WhatIsKeptOfRunsIsBounded) {
  Site site;
  WantedWork job = site.work(1);
  job.retries = 40;
  site.runs.fail_one_in = 1;
  site.put(job);
  site.finish();
  const ObservedWork seen = site.seen(job);
  ASSERT_EQ(seen.runs.size(), kRunsKept);
  EXPECT_EQ(seen.runs.front().number, 41 - kRunsKept + 1);
  EXPECT_EQ(seen.runs.back().number, 41u);
  ObservedWork wide;
  wide.places.assign(100, {.node = "n", .devices = 0});
  for (std::size_t i = 0; i < wide.places.size(); ++i) wide.places[i].node += std::to_string(i / 2 * 2);
  EXPECT_EQ(ended_run(job, wide, 1, {}).nodes.size(), 50u) << "each node once";
  wide.places.assign(1000, {.node = "n", .devices = 0});
  for (std::size_t i = 0; i < wide.places.size(); ++i) wide.places[i].node += std::to_string(i);
  EXPECT_EQ(ended_run(job, wide, 1, {}).nodes.size(), kRunNodesKept);
}

TEST(WorkManager, ASiteEventIsKeptAndOverByItself) {
  Site site(1, 2);
  std::vector<WantedWork> jobs;
  for (std::uint64_t i = 1; i <= 16; ++i) {
    jobs.push_back(site.work(i));
    jobs.back().time_limit = seconds(7200);
    site.put(jobs.back());
  }
  site.go(0);
  const auto before = site.manager->power()[0].draw_mw;
  SiteEvent event{.id = "e",
                  .site = "local",
                  .from = site.runs.now + seconds(60),
                  .until = site.runs.now + seconds(400),
                  .budget_mw = before * 6 / 10,
                  .budget_milli = {}};
  site.put(std::string(kSiteEventPrefix) + "e", to_json(event));
  for (int second = 1; second < 400; second += 7) {
    site.go(second);
    if (site.runs.now >= event.from) EXPECT_LE(site.manager->power()[0].draw_mw, *event.budget_mw) << second;
  }
  site.go(401);
  EXPECT_EQ(site.manager->power()[0].budget_mw, std::nullopt);
  site.finish();
  for (const auto& job : jobs) EXPECT_EQ(site.seen(job).state, WorkState::kSucceeded);
}

TEST(WorkManager, AStartThatTheExecutorRefusesForNoFaultOfTheWorkIsTriedAgain) {
  Site site;
  site.runs.refuse_one_in = 2;
  for (std::uint64_t i = 1; i <= 20; ++i) site.put(site.work(i));
  site.finish();
  for (std::uint64_t i = 1; i <= 20; ++i) EXPECT_EQ(site.seen(site.work(i)).state, WorkState::kSucceeded);
  EXPECT_TRUE(site.runs.breaches.empty());
}

}  // namespace
}  // namespace millrace::control
