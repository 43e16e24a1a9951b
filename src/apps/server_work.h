// ServerWork: the server's part for work: executor, loop and scheduler, and the services of platform on them.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "apps/installation.h"
#include "control/executor_runs.h"
#include "control/loop.h"
#include "control/replica_work.h"
#include "control/split_runs.h"
#include "control/work_loop.h"
#include "energy/power_model.h"
#include "executor/local/local_executor.h"
#include "host/log.h"
#include "identity/secrets.h"
#include "ledger/prices.h"
#include "platform/environments.h"
#include "platform/jobs.h"
#include "platform/site_wishes.h"
#include "store/sqlite/sqlite_store.h"

namespace millrace::apps {

/// Borrowed; all outlives the parts.
struct ServerWorkPorts {
  const Clock& clock;
  host::Logger& log;
  const Installation& installation;
  const host::Config& config;
  store::SqliteStores& stores;
  identity::Directory& directory;
  const ledger::PriceBook& prices;
  Rng& rng;
  executor::Executor& replicas;  // where engines run
  std::int64_t fence = 0;
  std::string program;
  energy::LinearPowerModel model;
};

/// Members are in order of dependence.
class ServerWork {
 public:
  /// Takes over what runs, and decides; to be called before the loop of replicas starts, since it knows which may go on.
  static Result<std::unique_ptr<ServerWork>> open(ServerWorkPorts ports);
  explicit ServerWork(ServerWorkPorts ports) : ports_(std::move(ports)) {}

  control::ReplicaAdmission& admission() { return *replica_work_; }
  platform::Jobs& jobs() { return *jobs_; }
  platform::WorkArchives& archives() { return *archives_; }
  platform::SiteWishes& wishes() { return *wishes_; }
  platform::Environments& environments() { return *environments_; }
  identity::Secrets& secrets() { return *secrets_; }

  /// The loop of replicas, woken when its admission answers otherwise; null: none any more.
  void connect(control::Loop* replicas);
  /// What has to happen twice a second, and twice an hour.
  void tick();
  void sweep();
  /// Ends the loop. `with_work`: what runs is told to stop, with its signal to save its state; the next server finds it
  /// stopped as it was told, and runs again what may run again.
  void stop(bool with_work);

 private:
  Result<void> open_runs();
  Result<void> start_loop();
  Result<void> open_services();
  void pause_work();

  const ServerWorkPorts ports_;
  std::unique_ptr<executor::LocalExecutor> executor_;
  std::optional<identity::Secrets> secrets_;
  std::optional<platform::WorkNumbers> numbers_;
  std::unique_ptr<control::ExecutorRuns> programs_;
  std::unique_ptr<control::ReplicaWork> replica_work_;
  std::unique_ptr<control::SplitRuns> runs_;
  std::unique_ptr<control::WorkLoop> loop_;
  std::optional<platform::WorkArchives> archives_;
  std::optional<platform::Jobs> jobs_;
  std::optional<platform::SiteWishes> wishes_;
  std::optional<platform::Environments> environments_;
  std::mutex mutex_;
  control::Loop* replicas_ = nullptr;  // guarded by mutex_
};

}  // namespace millrace::apps
