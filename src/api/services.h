// Services: what the handlers work on, borrowed; and the ports that others fill for them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "api/live.h"
#include "api/waits.h"
#include "control/replica_status.h"
#include "core/clock.h"
#include "core/result.h"
#include "host/log.h"
#include "identity/directory.h"
#include "ledger/prices.h"
#include "ledger/site_energy.h"
#include "platform/endpoints.h"
#include "platform/environments.h"
#include "platform/jobs.h"
#include "platform/models.h"
#include "platform/site_wishes.h"

namespace millrace::api {

/// Which gateways have taken over a change.
struct AckReport {
  std::vector<std::string> acknowledged;  // ids
  std::vector<std::string> dropped;       // did not answer in time; disconnected
};

/// Filled by PolicyFeed. Safe from any thread but the feed's loop.
class PolicyPublisher {
 public:
  virtual ~PolicyPublisher() = default;
  /// Sends what has changed to every connected gateway and returns once each has acknowledged it, or was dropped
  /// because it had not by `timeout`. An error means that nothing could be sent.
  virtual Result<AckReport> publish_and_wait(std::chrono::milliseconds timeout) = 0;
};

struct ProcessStatus {
  std::string role;  // "up", "server", "gateway", "supervise", "engine"
  std::int64_t pid = 0;
  std::string state;  // "running", or what a replica is in
  std::string name;   // which of several; empty if there is one
};

struct SiteStatus {
  std::string home, site, zone;
  std::vector<ProcessStatus> processes;
  std::map<std::string, std::string> urls;         // "api", "console"
  std::map<std::string, std::int64_t> limits;      // "open_files"
  std::string default_model, default_embed_model;  // endpoints; empty: none
};

struct Power {
  std::optional<double> watts, co2e_g_per_h;
  std::string basis = "unknown";
};

/// Everything outlives the server, and is safe from any thread.
struct Services {
  const Clock& clock;
  identity::Directory& directory;
  platform::Models& models;
  platform::Endpoints& endpoints;
  platform::Environments& environments;
  control::ReplicaView& replicas;
  platform::Jobs& jobs;
  platform::WorkArchives& archives;
  platform::SiteWishes& wishes;
  identity::Secrets& secrets;
  ledger::PriceBook& prices;
  const store::UsageTable& usage;
  const ledger::SiteEnergy& energy;  // an instance for api alone: it serves one thread at a time
  double intensity_g_per_kwh = 0;    // of the site's zone
  PolicyPublisher& publisher;
  Live& live;
  std::function<SiteStatus()> status;
  std::function<bool()> is_ready;  // none: always
  host::Logger* log = nullptr;     // may be null
  std::string version;             // of the program
  std::string openapi = {};        // written by the dispatcher
  std::mutex energy_mutex = {};    // guards `energy`
  Waits waits{clock};
};

}  // namespace millrace::api
