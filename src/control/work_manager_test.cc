#include "control/work_manager.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "control/cluster_test_support.h"
#include "control/work_world_test_support.h"
#include "store/fake/faulty_store.h"
#include "store/memory/memory_store.h"
#include "store/memory/memory_usage.h"

namespace millrace::control {
namespace {

using std::chrono::seconds;

/// Store, executor and manager of one site; the manager may be thrown away at any time.
struct Site {
  explicit Site(std::uint64_t seed = 1, int node_count = 4) : runs(seed), nodes(node_count) {
    runs.now = at(0);
    memory.subscribe([this](store::Revision, const store::Transaction& change) {
      if (manager) manager->note_change(change);
    });
    create();
  }

  WorkOptions options() const {
    WorkOptions made;
    made.cluster = cluster_of(nodes, 8);
    made.budgets = {{.configured_mw = {}, .greatest_mw = nodes * 5'800'000}};
    return made;
  }
  void create() {
    manager.reset();
    // The first start of a server whose executor is away waits for it.
    for (int i = 0; i < 3 && !manager; ++i) {
      auto made =
          WorkManager::create(options(),
                              {.store = store,
                               .usage = usage,
                               .runs = runs,
                               .owners = [this]() -> Result<std::vector<OwnerQuota>> { return owners; },
                               .charge =
                                   [](const RunUse& use) {
                                     RunCharge charge;
                                     charge.energy_uj = use.cpu_us;
                                     return charge;
                                   },
                               .outlook = outlook},
                              runs.now);
      if (made) manager = *std::move(made);
    }
    ASSERT_TRUE(manager);
  }

  /// Passes until nothing more is to be done now; a manager that failed is thrown away, as a server does.
  void settle() {
    for (int i = 0; i < 20; ++i) {
      const auto next = manager->pass(runs.now + clock_offset);
      if (!next) {
        create();
      } else {
        wake = next->wake;
        if (!next->again) return;
      }
    }
  }
  void go(std::int64_t second) {
    runs.now = std::max(runs.now, at(second));
    runs.advance();
    settle();
  }
  /// Until the world stands still.
  void finish() {
    for (int i = 0; i < 20'000; ++i) {
      settle();
      auto next = runs.advance();
      if (!next) {
        if (manager->live().empty()) return;
        next = wake;
      }
      runs.now = std::max(runs.now + seconds(1), next.value_or(runs.now + seconds(30)));
      runs.advance();
    }
  }

  WantedWork work(std::uint64_t number, std::uint32_t index = 0) const {
    WantedWork wanted;
    wanted.id = workload_id(number, index);
    wanted.name = std::to_string(number) + (index > 0 ? "_" + std::to_string(index) : "");
    wanted.tenant = "lab";
    wanted.project = "vision";
    wanted.user = "ann";
    wanted.submitted_at = runs.now;
    wanted.demand = {.cpu_milli = 1000, .memory_mib = 512, .accelerators = 1};
    wanted.program.command = {"true"};
    return wanted;
  }
  void put(const WantedWork& wanted) {
    ASSERT_TRUE(memory.commit(
        {.expect = {}, .put = {{work_key(kWantedPrefix, wanted.id), to_json(wanted)}}, .erase = {}}));
  }
  void put(const std::string& key, const std::string& value) {
    ASSERT_TRUE(memory.commit({.expect = {}, .put = {{key, value}}, .erase = {}}));
  }
  void cancel(WantedWork wanted) {
    wanted.cancelled_at = runs.now;
    put(wanted);
  }
  ObservedWork seen(const WantedWork& wanted) const { return manager->find(wanted.id).value(); }

  store::MemoryStore memory;
  store::FaultyStore store{memory};
  store::MemoryUsageTable usage_memory;
  store::FaultyUsageTable usage{usage_memory};
  SimulatedRuns runs;
  std::chrono::seconds clock_offset{0};  // of the manager's clock
  int nodes;
  std::vector<OwnerQuota> owners = {{.tenant = "lab", .project = "", .quota = identity::ComputeQuota()},
                                    {.tenant = "hall", .project = "", .quota = identity::ComputeQuota()}};
  std::function<std::optional<HourOutlook>(TimePoint)> outlook;
  std::unique_ptr<WorkManager> manager;
  std::optional<TimePoint> wake;
};

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

TEST(WorkManager, ARunThatNoRecordKnowsIsStopped) {
  Site site;
  WantedWork stray = site.work(77);
  ASSERT_TRUE(
      site.runs.start(stray, StartRun{.id = stray.id, .run = 4, .places = {}, .reason = {}}, {{"n0", 1}}));
  site.create();
  EXPECT_TRUE(site.runs.runs().at({stray.id, 4}).told);
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

// Dirty now, clean from the third hour on: told for each hour as it is looked at.
std::optional<HourOutlook> clean_from_the_third_hour(TimePoint now) {
  const auto value = [](TimePoint hour) { return hour < at(2 * 3600) ? 500.0 : 50.0; };
  HourOutlook outlook;
  outlook.hour = std::chrono::floor<std::chrono::hours>(now);
  outlook.now = value(outlook.hour);
  for (int ahead = 1; ahead <= 24; ++ahead)
    outlook.coming.push_back(value(outlook.hour + std::chrono::hours(ahead)));
  return outlook;
}

TEST(WorkManager, ADeferrableJobWaitsForCleanHoursWithinItsDeadlineAndOthersDoNot) {
  Site site;
  site.outlook = clean_from_the_third_hour;
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

TEST(WorkManager, AStartThatTheExecutorRefusesForNoFaultOfTheWorkIsTriedAgain) {
  Site site;
  site.runs.refuse_one_in = 2;
  for (std::uint64_t i = 1; i <= 20; ++i) site.put(site.work(i));
  site.finish();
  for (std::uint64_t i = 1; i <= 20; ++i) EXPECT_EQ(site.seen(site.work(i)).state, WorkState::kSucceeded);
  EXPECT_TRUE(site.runs.breaches.empty());
}

// Faults of every kind in one site: the same checks as the chaos test on real processes, on many more seeds.
class FaultySite {
 public:
  explicit FaultySite(std::uint64_t seed) : dice_(seed), site_(seed, 1 + static_cast<int>(seed % 4)) {
    site_.runs.refuse_one_in = one_in(2) ? 10 : 0;
    site_.runs.fail_one_in = one_in(2) ? 8 : 0;
  }

  void play() {
    for (int i = 0; i < 60; ++i) {
      disturb();
      site_.go((site_.runs.now - at(0)) / seconds(1) + static_cast<std::int64_t>(dice_.next() % 40));
    }
    site_.runs.refuse_one_in = 0;
    for (int node = 0; node < site_.nodes; ++node)
      site_.put(std::string(kNodeWishPrefix) + "n" + std::to_string(node), to_json(NodeWish{}));
    site_.finish();
  }

  void check() const {
    for (const auto& breach : site_.runs.breaches) ADD_FAILURE() << breach;
    EXPECT_TRUE(site_.manager->live().empty());
    std::map<WorkloadId, std::pair<RunKey, const SimulatedRuns::Run*>> last;
    std::size_t ended = 0;
    for (const auto& [key, run] : site_.runs.runs()) {
      ASSERT_TRUE(run.end) << "a run goes on for ever";
      EXPECT_TRUE(run.forgotten);
      last[key.id] = {key, &run};
      if (run.end->ended_at > run.started) ++ended;
    }
    const auto records = site_.usage_memory.list({}, "", SIZE_MAX).value();
    EXPECT_EQ(records.size(), ended) << "every run is in the ledger, once";
    std::int64_t used = 0, told = 0;
    for (const auto& record : records) used += record.accelerator_ms;
    for (const auto& wanted : submitted_) {
      const ObservedWork seen = site_.seen(wanted);
      told += seen.accelerator_ms;
      const auto run = last.find(wanted.id);
      if (seen.state == WorkState::kSucceeded) {
        ASSERT_NE(run, last.end());
        EXPECT_EQ(run->second.second->end->exit, Exit::kDone);
      } else if (seen.state == WorkState::kTimedOut) {
        EXPECT_EQ(run->second.second->end->exit, Exit::kTimedOut);
      } else if (seen.state == WorkState::kCancelled) {
        EXPECT_TRUE(cancelled_.contains(wanted.id) || !wanted.after.empty() || !wanted.requeue);
      }
    }
    EXPECT_EQ(used, told) << "the ledger and the records of work say the same";
  }

  std::uint64_t last_draw() { return dice_.next(); }

 private:
  bool one_in(unsigned count) { return dice_.next() % count == 0; }

  void submit() {
    WantedWork job = site_.work(++number_);
    job.demand.accelerators = 1 + static_cast<std::int32_t>(dice_.next() % 8);
    if (one_in(4))
      job.demand = {.cpu_milli = 500, .memory_mib = 64, .accelerators = 1, .accelerator_milli = 500};
    job.tasks = one_in(4) && site_.nodes > 1 ? 2 : 1;
    job.tenant = one_in(2) ? "hall" : "lab";
    job.priority_class = one_in(4) ? "high" : "normal";
    job.retries = one_in(3) ? 2 : 0;
    job.requeue = !one_in(5);
    if (one_in(3)) job.time_limit = seconds(100);
    if (one_in(4) && number_ > 1) job.after = {workload_id(1 + dice_.next() % (number_ - 1))};
    job.grace = seconds(10);
    submitted_.push_back(job);
    site_.put(job);
  }

  void disturb() {
    if (number_ < 20 && one_in(2)) submit();
    switch (dice_.next() % 12) {
      case 0:
        site_.create();
        break;
      case 1:  // what was decided is lost on its way to the store, or its answer is
        site_.store.writes.fail_next(1, ErrorCode::kUnavailable, one_in(2));
        break;
      case 2:
        site_.usage.writes.fail_next(1, ErrorCode::kUnavailable, one_in(2));
        break;
      case 3:
        site_.runs.lose_one();
        break;
      case 4:
        if (!submitted_.empty()) {
          const auto& job = submitted_[dice_.next() % submitted_.size()];
          cancelled_.insert(job.id);
          site_.cancel(job);
        }
        break;
      case 5:
        site_.put(std::string(kNodeWishPrefix) + "n" +
                      std::to_string(dice_.next() % static_cast<unsigned>(site_.nodes)),
                  to_json(one_in(2)   ? NodeWish{.cordoned = true}
                          : one_in(2) ? NodeWish{.drain = true}
                                      : NodeWish{}));
        break;
      case 6:
        site_.put(std::string(kSiteEventPrefix) + std::to_string(number_),
                  to_json(SiteEvent{.id = "",
                                    .site = "local",
                                    .from = site_.runs.now + seconds(dice_.next() % 60),
                                    .until = site_.runs.now + seconds(61 + dice_.next() % 300),
                                    .budget_mw = {},
                                    .budget_milli = 300 + static_cast<std::int64_t>(dice_.next() % 600)}));
        break;
      case 7:
        site_.manager->note_resync();
        break;
      case 8:  // the clock is set: what ends meanwhile ends by its own clock
        site_.clock_offset = seconds(static_cast<std::int64_t>(dice_.next() % 600)) - seconds(300);
        break;
      default:
        break;
    }
  }

  SeededRng dice_;
  Site site_;
  std::uint64_t number_ = 0;
  std::vector<WantedWork> submitted_;
  std::set<WorkloadId> cancelled_;
};

TEST(WorkManager, NothingIsLostDoubledOrUnsettledWhateverFailsOnManySeeds) {
  const char* const wanted = std::getenv("MILLRACE_SEED");
  const std::uint64_t from = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 1;
  const std::uint64_t until = wanted != nullptr ? from + 1 : 2001;
  for (std::uint64_t seed = from; seed < until && !HasFailure(); ++seed) {
    SCOPED_TRACE("MILLRACE_SEED=" + std::to_string(seed));
    FaultySite site(seed);
    site.play();
    site.check();
    if (HasFailure()) std::printf("last draw %llu\n", static_cast<unsigned long long>(site.last_draw()));
  }
}

}  // namespace
}  // namespace millrace::control
