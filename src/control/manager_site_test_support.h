// A site whose manager of work may be thrown away at any time, for tests.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/cluster_test_support.h"
#include "control/work_manager.h"
#include "control/work_world_test_support.h"
#include "store/fake/faulty_store.h"
#include "store/memory/memory_store.h"
#include "store/memory/memory_usage.h"

namespace millrace::control {

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
      auto made = WorkManager::create(
          options(),
          {.store = store,
           .usage = usage,
           .runs = runs,
           .owners = [this] { return reads_of_owners.pass([this] { return owners_now(); }); },
           .charge = charge,
           .outlook = outlook,
           .report = [this](const Error& error) { reports.push_back(error.message); }},
          runs.now + clock_offset);
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
      runs.now =
          std::max(runs.now + std::chrono::seconds(1), next.value_or(runs.now + std::chrono::seconds(30)));
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
  Result<std::vector<OwnerQuota>> owners_now() const { return owners; }
  ObservedWork seen(const WantedWork& wanted) const { return manager->find(wanted.id).value(); }

  store::MemoryStore memory;
  store::FaultyStore store{memory};
  store::MemoryUsageTable usage_memory;
  store::FaultyUsageTable usage{usage_memory};
  store::Faults reads_of_owners;
  SimulatedRuns runs;
  std::chrono::seconds clock_offset{0};  // of the manager's clock
  int nodes;
  std::vector<OwnerQuota> owners = {{.tenant = "lab", .project = "", .quota = identity::ComputeQuota()},
                                    {.tenant = "hall", .project = "", .quota = identity::ComputeQuota()}};
  ChargeRun charge = [](const RunUse& use) {
    RunCharge made;
    made.energy_uj = use.cpu_us;
    return made;
  };
  std::function<std::optional<HourOutlook>(TimePoint)> outlook;
  std::vector<std::string> reports;
  std::unique_ptr<WorkManager> manager;
  std::optional<TimePoint> wake;
};

}  // namespace millrace::control
