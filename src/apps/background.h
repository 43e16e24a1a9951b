// Background: the two threads of the server that keep the ledger in step: the drain of the journals and the site's
// energy.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "accel/accelerators.h"
#include "api/feed/used_figures.h"
#include "core/clock.h"
#include "energy/power_model.h"
#include "host/log.h"
#include "ledger/drain.h"
#include "ledger/site_energy.h"

namespace millrace::apps {

/// Runs `work` at once and then every `interval`, in a thread of its own, until destroyed.
class Periodic {
 public:
  Periodic(std::chrono::milliseconds interval, std::function<void()> work);
  ~Periodic();

 private:
  void run();

  const std::chrono::milliseconds interval_;
  const std::function<void()> work_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stop_ = false;  // guarded by mutex_
  std::thread thread_;
};

/// Moves settled requests from the journals to the usage table, every 100 ms.
class DrainTask {
 public:
  /// Drains once before it returns. `moved` runs after each drain that moved something, but the last.
  DrainTask(std::string folder, store::UsageTable& usage, api::UsedFigures& used, const Clock& clock,
            host::Logger& log, std::function<void()> moved);
  /// Drains a last time: what a gateway that stopped before used is in the table, and an update finds no journal of the
  /// version before it.
  ~DrainTask();
  DrainTask(const DrainTask&) = delete;
  DrainTask& operator=(const DrainTask&) = delete;

 private:
  void step();
  std::optional<ledger::JournalDrain::Report> drain();

  ledger::JournalDrain drain_;
  api::UsedFigures& used_;
  host::Logger& log_;
  const std::function<void()> moved_;
  std::vector<store::UsageRecord> room_;  // the records of the last step, for their memory
  std::optional<Periodic> periodic_;      // last: its thread uses the rest
};

/// Samples the node's energy every 10 s.
class EnergyTask {
 public:
  /// `counter` may be null: then energy is modelled.
  EnergyTask(store::Store& store, const store::UsageTable& usage, const energy::LinearPowerModel& model,
             accel::EnergyCounter* counter, const Clock& clock, host::Logger& log);

 private:
  void step();

  ledger::SiteEnergy energy_;
  const energy::LinearPowerModel model_;
  accel::EnergyCounter* const counter_;
  const Clock& clock_;
  host::Logger& log_;
  Periodic periodic_;  // last: its thread uses the rest
};

}  // namespace millrace::apps
