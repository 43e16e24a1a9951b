// The server process: its parts, and nothing else.
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <mutex>
#include <optional>
#include <thread>

#include "accel/cpu/cpu_accelerators.h"
#include "accel/cpu/rapl.h"
#include "api/feed/policy_feed.h"
#include "api/feed/policy_records.h"
#include "api/server.h"
#include "apps/background.h"
#include "apps/bootstrap.h"
#include "apps/installation.h"
#include "apps/roles.h"
#include "apps/server_work.h"
#include "apps/signals.h"
#include "apps/site_status.h"
#include "apps/version.h"
#include "apps/work_site.h"
#include "control/loop.h"
#include "control/past_use.h"
#include "embed/console_files.h"
#include "energy/carbon.h"
#include "executor/local/local_executor.h"
#include "gateway/gateway.h"
#include "host/limits.h"
#include "host/system_clock.h"
#include "host/system_rng.h"
#include "serving/engine_command.h"
#include "store/sqlite/sqlite_store.h"

namespace millrace::apps {
namespace {

constexpr std::chrono::seconds kStopReplicasWithin{15};
constexpr std::chrono::milliseconds kEnvironmentTick{500};
constexpr std::chrono::minutes kSweepEvery{30};

struct Site {
  energy::LinearPowerModel model;
  double intensity_g_per_kwh = 0;
  std::unique_ptr<accel::Rapl> counter;  // null: modelled
  identity::SitePolicy policy;
};

Result<Site> site_of(const host::Config& config) {
  Site site;
  site.intensity_g_per_kwh = TRY(zone_intensity(config));
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
  for (const auto& device : TRY(accelerators.discover()))
    cpus.insert(cpus.end(), device.cpus.begin(), device.cpus.end());
  return cpus;
}

/// Wakes the policy feed, once there is one; from any thread.
class FeedBell {
 public:
  void ring() {
    const std::scoped_lock lock(mutex_);
    if (feed_ != nullptr) feed_->notify();
  }
  void connect(api::PolicyFeed* feed) {
    const std::scoped_lock lock(mutex_);
    feed_ = feed;
    if (feed_ != nullptr) feed_->notify();  // what changed before was rung for nobody
  }

 private:
  std::mutex mutex_;
  api::PolicyFeed* feed_ = nullptr;  // guarded by mutex_
};

/// What the server keeps: the database and the services on it. Members are in order of dependence.
struct State {
  const Clock& clock;
  host::Logger& log;
  const Installation& installation;
  const host::Config& config;
  host::OpenFiles files{};
  host::SystemRng rng{};
  Site site{};
  std::string program{};
  store::SqliteStores stores{};
  std::int64_t fence = 0;
  std::optional<identity::Pepper> pepper{};
  std::optional<identity::Directory> directory{};
  std::optional<ledger::PriceBook> prices{};
  std::unique_ptr<platform::Models> models{};
  std::optional<platform::Endpoints> endpoints{};
  std::unique_ptr<executor::LocalExecutor> executor{};
  std::unique_ptr<ServerWork> work{};
  FeedBell bell{};
};

/// What gateways know does not change with work: a job's records are no reason to put the policy together anew.
bool may_change_policy(const store::Transaction& change) {
  constexpr std::string_view kOfWork[] = {control::kWantedPrefix, control::kLivePrefix,
                                          control::kEndedPrefix,  control::kPastUsePrefix,
                                          platform::kJobPrefix,   platform::kWorkSequenceKey};
  const auto is_of_work = [&](std::string_view key) {
    return std::ranges::any_of(kOfWork, [&](std::string_view prefix) { return key.starts_with(prefix); });
  };
  return !std::ranges::all_of(change.put, [&](const auto& put) { return is_of_work(put.key); }) ||
         !std::ranges::all_of(change.erase, is_of_work);
}

Result<void> open_state(State& state) {
  state.files = TRY(host::raise_open_files());
  state.program = TRY(own_program());
  state.site = TRY(site_of(state.config));
  state.stores = TRY(store::open_sqlite(state.installation.path("data/millrace.db")));
  state.fence = TRY(state.stores.store->take_fence());
  state.pepper = TRY(identity::load_or_create_pepper(state.installation.secret("pepper"), state.rng));
  state.directory.emplace(*state.stores.store, state.clock, state.rng, *state.pepper);
  TRY_VOID(bootstrap(state.installation, *state.directory));
  state.prices.emplace(*state.stores.store);
  state.models = TRY(platform::Models::create({.folder = state.installation.path("models")},
                                              *state.stores.store, state.clock));
  state.endpoints.emplace(*state.stores.store, state.clock, *state.models);
  state.executor = TRY(executor::LocalExecutor::create({.folder = state.installation.path("replicas"),
                                                        .runtime_dir = state.installation.sockets,
                                                        .supervise_argv = {state.program, "supervise"}}));
  state.work = TRY(ServerWork::open({.clock = state.clock,
                                     .log = state.log,
                                     .installation = state.installation,
                                     .config = state.config,
                                     .stores = state.stores,
                                     .directory = *state.directory,
                                     .prices = *state.prices,
                                     .rng = state.rng,
                                     .replicas = *state.executor,
                                     .fence = state.fence,
                                     .program = state.program,
                                     .model = state.site.model}));
  return {};
}

Result<std::unique_ptr<control::Loop>> start_control(State& state, serving::Prober& prober) {
  control::LoopOptions options;
  if (auto engine = serving::find_engine(state.config.engine.root, state.config.engine.path)) {
    options.engine = std::move(*engine);
  } else {
    state.log.error("no_engine", engine.error());
  }
  options.cpus = TRY(engine_cpus());
  options.fence = state.fence;
  options.admission = &state.work->admission();
  options.has_room = serving::has_room;
  state.log.info("control_starts", {{"engine_root", options.engine.root}});
  return control::Loop::start(std::move(options), *state.stores.store, *state.executor, prober, state.clock,
                              [&state](const auto& /*replicas*/) { state.bell.ring(); });
}

/// Serves until a signal; true if the replicas are to end as well.
Result<bool> serve_on(net::Loop& loop, State& state, control::Loop& control) {
  store::Store& store = *state.stores.store;
  store::UsageTable& usage = *state.stores.usage;
  bool with_replicas = false;
  const auto signals = TRY(Signals::create(loop, [&](int number) {
    if (number == SIGHUP) return;
    state.log.info("stopping", {{"signal", number}});
    with_replicas = number == SIGINT;
    loop.stop();
  }));
  api::UsedFigures used(usage, state.clock);
  api::ServicePolicy policy(*state.directory, *state.endpoints, control, *state.prices, used,
                            state.site.policy, state.work->environments());
  api::Live live(state.clock);
  live.on_loads([&](std::optional<control::EndpointLoads> loads) { control.set_load(std::move(loads)); });
  // Before the feed: the first policy then holds what dead gateways left.
  DrainTask drain(state.installation.journal_folder(), usage, used, state.clock, state.log,
                  [&] { state.bell.ring(); });
  const auto feed = TRY(api::PolicyFeed::start(
      loop, {.path = state.installation.feed_socket(), .environments = &state.work->environments()}, policy,
      live, state.clock, &state.log));
  const EnergyTask energy(store, usage, state.site.model, state.site.counter.get(), state.clock, state.log);
  const Periodic environments(kEnvironmentTick, [&] { state.work->tick(); });
  const ledger::SiteEnergy energy_view(store, usage);
  const Periodic sweeper(kSweepEvery, [&] { state.work->sweep(); });
  api::Services services{.clock = state.clock,
                         .directory = *state.directory,
                         .models = *state.models,
                         .endpoints = *state.endpoints,
                         .environments = state.work->environments(),
                         .replicas = control,
                         .jobs = state.work->jobs(),
                         .archives = state.work->archives(),
                         .wishes = state.work->wishes(),
                         .secrets = state.work->secrets(),
                         .prices = *state.prices,
                         .usage = usage,
                         .energy = energy_view,
                         .intensity_g_per_kwh = state.site.intensity_g_per_kwh,
                         .publisher = *feed,
                         .live = live,
                         .status =
                             [&] {
                               return site_status(state.installation, state.config, state.files, control,
                                                  *state.endpoints);
                             },
                         .is_ready = nullptr,
                         .log = &state.log,
                         .version = kVersion};
  const auto api = TRY(api::ApiServer::start(loop,
                                             {.socket = state.installation.api_socket(),
                                              .inference_openapi = gateway::openapi_fragment(),
                                              .console = console_files()},
                                             services, state.rng));
  state.bell.connect(feed.get());
  state.log.info("serving", {{"socket", state.installation.api_socket()}, {"open_files", state.files.soft}});
  loop.run();
  state.bell.connect(nullptr);
  return with_replicas;
}

Result<void> serve(const Installation& installation, const host::Config& config, host::Logger& log,
                   const Clock& clock) {
  const auto mark = TRY(RoleMark::take(installation, "server"));
  // Before any thread: they inherit the blocked signals.
  const auto loop = TRY(net::Loop::create(clock));
  block_signals();
  State state{.clock = clock, .log = log, .installation = installation, .config = config};
  TRY_VOID(open_state(state));
  state.stores.store->subscribe([&](store::Revision, const store::Transaction& change) {
    if (may_change_policy(change)) state.bell.ring();
  });
  serving::SocketProber prober;
  const auto control = TRY(start_control(state, prober));
  state.work->connect(control.get());
  const bool with_replicas = TRY(serve_on(*loop, state, *control));
  if (with_replicas) {
    if (const auto stopped = control->stop_with_replicas(kStopReplicasWithin); !stopped) {
      log.error("replicas_left", stopped.error());
    }
  }
  state.work->stop(with_replicas);
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
