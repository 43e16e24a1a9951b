// The server process: its parts, and nothing else.
#include <fmt/format.h>

#include <csignal>
#include <thread>

#include "accel/cpu/cpu_accelerators.h"
#include "accel/cpu/rapl.h"
#include "api/policy_feed.h"
#include "api/policy_records.h"
#include "api/server.h"
#include "apps/background.h"
#include "apps/bootstrap.h"
#include "apps/installation.h"
#include "apps/roles.h"
#include "apps/signals.h"
#include "apps/site_status.h"
#include "apps/version.h"
#include "control/loop.h"
#include "embed/console_files.h"
#include "energy/carbon.h"
#include "executor/local/local_executor.h"
#include "gateway/gateway.h"
#include "host/limits.h"
#include "host/system_clock.h"
#include "host/system_rng.h"
#include "store/sqlite/sqlite_store.h"

namespace millrace::apps {
namespace {

constexpr std::chrono::seconds kStopReplicasWithin{15};

struct Site {
  energy::LinearPowerModel model;
  double intensity_g_per_kwh = 0;
  std::unique_ptr<accel::Rapl> counter;  // null: modelled
  identity::SitePolicy policy;
};

Result<Site> site_of(const host::Config& config) {
  Site site;
  const auto intensity = energy::yearly_intensity(config.site.zone);
  if (!intensity) {
    return failure(ErrorCode::kInvalidArgument,
                   fmt::format("config.toml: site.zone: no carbon intensity is known for zone '{}'; use a code of "
                               "Electricity Maps such as FR, DE or SE-SE3",
                               config.site.zone));
  }
  site.intensity_g_per_kwh = *intensity;
  const auto cores = static_cast<std::int32_t>(std::thread::hardware_concurrency());
  site.model = energy::default_power_model(cores, config.site.pue);
  if (config.node.idle_w > 0) site.model.idle_w = config.node.idle_w;
  if (config.node.max_w > 0) site.model.max_w = config.node.max_w;
  if (auto counter = accel::Rapl::open()) site.counter = std::move(*counter);
  site.policy.site = config.site.name;
  site.policy.zone = config.site.zone;
  // A request's share is modelled from CPU time even where the node's own energy is measured.
  site.policy.energy_model = energy::kLinearPowerModelName;
  site.policy.basis = "modelled";
  site.policy.pue = config.site.pue;
  site.policy.intensity_g_per_kwh = site.intensity_g_per_kwh;
  site.policy.node_idle_w = site.model.idle_w;
  site.policy.node_max_w = site.model.max_w;
  site.policy.cores = cores;
  return site;
}

Result<std::vector<int>> engine_cpus() {
  std::vector<int> cpus;
  accel::CpuAccelerators accelerators;
  for (const auto& device : TRY(accelerators.discover())) cpus.insert(cpus.end(), device.cpus.begin(), device.cpus.end());
  return cpus;
}

Result<std::unique_ptr<control::Loop>> start_control(const Installation& installation, const host::Config& config,
                                                     store::Store& store, std::int64_t fence,
                                                     executor::Executor& executor, serving::Prober& prober,
                                                     const Clock& clock, host::Logger& log,
                                                     control::Loop::Listener listener) {
  control::LoopOptions options;
  if (auto engine = serving::find_engine(config.engine.root, config.engine.path)) {
    options.engine = std::move(*engine);
  } else {
    log.error("no_engine", engine.error());
  }
  options.cpus = TRY(engine_cpus());
  options.fence = fence;
  log.info("control_starts", {{"home", installation.home}, {"engine_root", options.engine.root}});
  return control::Loop::start(std::move(options), store, executor, prober, clock, std::move(listener));
}

Result<void> serve(const Installation& installation, const host::Config& config, host::Logger& log,
                   const Clock& clock) {
  const auto mark = TRY(RoleMark::take(installation, "server"));
  const auto files = TRY(host::raise_open_files());
  host::SystemRng rng;
  auto loop = TRY(net::Loop::create(clock));
  bool with_replicas = false;
  const auto signals = TRY(Signals::create(*loop, [&](int number) {
    if (number == SIGHUP) return;
    log.info("stopping", {{"signal", number}});
    with_replicas = number == SIGINT;
    loop->stop();
  }));

  auto site = TRY(site_of(config));
  const auto stores = TRY(store::open_sqlite(installation.path("data/millrace.db")));
  const auto fence = TRY(stores.store->take_fence());
  const auto pepper = TRY(identity::load_or_create_pepper(installation.secret("pepper"), rng));
  identity::Directory directory(*stores.store, clock, rng, pepper);
  TRY_VOID(bootstrap(installation, directory));
  ledger::PriceBook prices(*stores.store);
  const auto models = TRY(platform::Models::create({.folder = installation.path("models")}, *stores.store, clock));
  platform::Endpoints endpoints(*stores.store, clock, *models);

  api::PolicyFeed* feed_to_notify = nullptr;
  std::mutex notify_mutex;
  const auto notify = [&] {
    const std::scoped_lock lock(notify_mutex);
    if (feed_to_notify != nullptr) feed_to_notify->notify();
  };
  const auto program = TRY(own_program());
  const auto executor = TRY(executor::LocalExecutor::create({.folder = installation.path("replicas"),
                                                             .runtime_dir = installation.sockets,
                                                             .supervise_argv = {program, "supervise"}}));
  serving::SocketProber prober;
  const auto control = TRY(start_control(installation, config, *stores.store, fence, *executor, prober, clock, log,
                                         [&](const auto& /*replicas*/) { notify(); }));

  api::UsedFigures used(*stores.usage, clock);
  api::ServicePolicy policy(directory, endpoints, *control, prices, used, site.policy);
  api::Live live(clock);
  // Before the feed: the first policy then holds what dead gateways left.
  DrainTask drain(installation.journal_folder(), *stores.usage, used, clock, log, notify);
  const auto feed =
      TRY(api::PolicyFeed::start(*loop, {.path = installation.feed_socket()}, policy, live, clock, &log));
  stores.store->subscribe([&](store::Revision, const store::Transaction&) { notify(); });
  const EnergyTask energy(*stores.store, *stores.usage, site.model, site.counter.get(), clock, log);
  const ledger::SiteEnergy energy_view(*stores.store, *stores.usage);

  api::Services services{.clock = clock,
                         .directory = directory,
                         .models = *models,
                         .endpoints = endpoints,
                         .replicas = *control,
                         .prices = prices,
                         .usage = *stores.usage,
                         .energy = energy_view,
                         .intensity_g_per_kwh = site.intensity_g_per_kwh,
                         .publisher = *feed,
                         .live = live,
                         .status = [&] { return site_status(installation, config, files, *control, endpoints); },
                         .is_ready = nullptr,
                         .log = &log,
                         .version = kVersion};
  const auto api = TRY(api::ApiServer::start(*loop,
                                             {.socket = installation.api_socket(),
                                              .inference_openapi = gateway::openapi_fragment(),
                                              .console = console_files()},
                                             services, rng));
  {
    const std::scoped_lock lock(notify_mutex);
    feed_to_notify = feed.get();
  }
  log.info("serving", {{"socket", installation.api_socket()}, {"open_files", files.soft}});
  loop->run();
  {
    const std::scoped_lock lock(notify_mutex);
    feed_to_notify = nullptr;
  }
  if (with_replicas) {
    if (const auto stopped = control->stop_with_replicas(kStopReplicasWithin); !stopped) {
      log.error("replicas_left", stopped.error());
    }
  }
  control->stop();
  log.info("stopped");
  return {};
}

}  // namespace

int run_server(const std::string& home) {
  const host::SystemClock clock;
  const auto fail = [](const Error& error) {
    fmt::print(stderr, "millrace server: {}\n", error.message);
    return error.code == ErrorCode::kInvalidArgument ? cli::kUsage : cli::kFailed;
  };
  const auto installation = open_installation(home);
  if (!installation) return fail(installation.error());
  const auto config = load_settings(*installation);
  if (!config) return fail(config.error());
  const auto level = host::parse_log_level(config->log.level).value_or(host::LogLevel::kInfo);
  const auto log = host::Logger::create(installation->path("logs/server.log"), level, "server", clock);
  if (!log) return fail(log.error());
  if (const auto served = serve(*installation, *config, **log, clock); !served) {
    (*log)->error("failed", served.error());
    return fail(served.error());
  }
  return cli::kOk;
}

}  // namespace millrace::apps
