// A call that fails once, at each place of a look in turn: what becomes of work is as if none had failed.
#include <gtest/gtest.h>

#include <tuple>

#include "control/manager_site_test_support.h"

namespace millrace::control {
namespace {

using std::chrono::seconds;

struct Scenario {
  const char* name;
  void (*before)(Site&);
  void (*then)(Site&);  // what the look is to find
};

void submit(Site& site, std::uint64_t number, const std::function<void(WantedWork&)>& with = {}) {
  WantedWork work = site.work(number);
  if (with) with(work);
  site.put(work);
}
void nothing(Site&) {}
void run_one(Site& site) { submit(site, 1); }
void cancel(Site& site, std::uint32_t index) {
  const auto record = site.memory.get(work_key(kWantedPrefix, workload_id(1, index)));
  site.cancel(parse_wanted(record->value).value());
}
void cancel_one(Site& site) { cancel(site, 0); }
void finish_one(Site& site) {
  submit(site, 1);
  site.finish();
}
void fail_one(Site& site) {
  site.runs.fail_one_in = 1;
  finish_one(site);
  site.runs.fail_one_in = 0;
}
void wait_for_one(Site& site) {
  submit(site, 2, [](WantedWork& work) { work.after = {workload_id(1)}; });
}
void run_array(Site& site) {
  for (std::uint32_t index = 0; index < 3; ++index) {
    WantedWork element = site.work(1, index);
    element.demand.accelerators = 5;  // one at a time on each of the two nodes
    site.put(element);
  }
}
void drain_node(Site& site) {
  site.put(std::string(kNodeWishPrefix) + "n0", to_json(NodeWish{.drain = true}));
}
void cut_power(Site& site) {
  SiteEvent event;
  event.site = "local";
  event.from = site.runs.now;
  event.until = site.runs.now + seconds(500);
  event.budget_milli = 200;
  site.put(std::string(kSiteEventPrefix) + "1", to_json(event));
}
void lose_node(Site& site) {
  run_array(site);
  site.settle();
  site.nodes = 1;
  site.create();
}
void environment(WantedWork& work) { work.kind = WorkKind::kEnvironment; }
void replica(WantedWork& work) { work.kind = WorkKind::kService; }

const Scenario kScenarios[] = {
    {"a job runs", run_one, nothing},
    {"a job has ended", run_one, [](Site& site) { site.runs.now += seconds(3600), site.runs.advance(); }},
    {"a job is over", finish_one, nothing},
    {"a job is submitted", nothing, run_one},
    {"a job comes late", [](Site& site) { submit(site, 2); }, run_one},
    {"a job is cancelled", run_one, cancel_one},
    {"a job comes after one that runs", run_one, wait_for_one},
    {"a job comes after one that succeeded", finish_one, wait_for_one},
    {"a job comes after one that failed", fail_one, wait_for_one},
    {"an array runs", run_array, nothing},
    {"an element is cancelled", run_array, [](Site& site) { cancel(site, 1); }},
    {"a node is drained", run_one, drain_node},
    {"the power budget falls", run_one, cut_power},
    {"a node has left", lose_node, nothing},
    {"an environment runs", [](Site& site) { submit(site, 1, environment); }, nothing},
    {"an environment is stopped", [](Site& site) { submit(site, 1, environment); }, cancel_one},
    {"a replica runs", [](Site& site) { submit(site, 1, replica); }, nothing},
    {"a replica is withdrawn", [](Site& site) { submit(site, 1, replica); }, cancel_one},
};

struct Outcome {
  std::vector<std::string> ends;  // the records of what is over
  std::vector<store::UsageRecord> ledger;
  std::vector<std::tuple<RunKey, TimePoint, std::optional<TimePoint>, std::optional<RunEnd>>> runs;
  std::vector<std::string> breaches;
  bool operator==(const Outcome&) const = default;
};

struct Fault {
  const char* name;
  store::Faults& (*of)(Site&);
  bool after_effect = false;
};

const Fault kFaults[] = {
    {"a read of the store", [](Site& site) -> store::Faults& { return site.store.reads; }},
    {"a read of the executor", [](Site& site) -> store::Faults& { return site.runs.reads; }},
    {"a read of the owners", [](Site& site) -> store::Faults& { return site.reads_of_owners; }},
    {"a commit", [](Site& site) -> store::Faults& { return site.store.writes; }},
    {"the answer to a commit", [](Site& site) -> store::Faults& { return site.store.writes; }, true},
    {"an entry of the ledger", [](Site& site) -> store::Faults& { return site.usage.writes; }},
    {"the answer to an entry of the ledger", [](Site& site) -> store::Faults& { return site.usage.writes; },
     true},
};

/// `good`: calls before the one that fails; none: no fault. nullopt: there are not so many.
std::optional<Outcome> play(const Scenario& scenario, bool is_restart, const Fault& fault,
                            std::optional<int> good) {
  Site site(1, 2);
  site.runs.lasts = seconds(100);
  scenario.before(site);
  site.settle();
  scenario.then(site);
  store::Faults& faults = fault.of(site);
  if (good) faults.fail_once_after(*good, ErrorCode::kUnavailable, fault.after_effect);
  if (is_restart) site.create();
  site.manager->note_resync();
  site.settle();
  if (good && faults.failed() == 0) return std::nullopt;
  site.finish();
  Outcome outcome;
  for (const auto& record : site.memory.list(kEndedPrefix, {}, SIZE_MAX).value())
    outcome.ends.push_back(record.value);
  outcome.ledger = site.usage_memory.list({}, "", SIZE_MAX).value();
  for (const auto& [key, run] : site.runs.runs())
    outcome.runs.emplace_back(key, run.started, run.told, run.end);
  outcome.breaches = site.runs.breaches;
  return outcome;
}

TEST(WorkManager, OneCallThatFailsChangesNothingOfWhatBecomesOfWorkWhereverALookMakesIt) {
  for (const Scenario& scenario : kScenarios) {
    for (const bool is_restart : {false, true}) {
      for (const Fault& fault : kFaults) {
        const auto wanted = play(scenario, is_restart, fault, std::nullopt);
        ASSERT_FALSE(wanted->ends.empty());
        EXPECT_TRUE(wanted->breaches.empty());
        for (int good = 0;; ++good) {
          const auto found = play(scenario, is_restart, fault, good);
          if (!found) break;
          EXPECT_EQ(found->ends, wanted->ends);
          EXPECT_EQ(found->breaches, wanted->breaches);
          EXPECT_TRUE(*found == *wanted)
              << scenario.name << (is_restart ? "; a manager begins; " : "; all is looked at; ") << fault.name
              << " fails after " << good;
        }
      }
    }
  }
}

}  // namespace
}  // namespace millrace::control
