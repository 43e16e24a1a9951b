// The server process: its parts, and nothing else.
#include <fmt/format.h>

#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <mutex>
#include <optional>
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
#include "apps/work_site.h"
#include "control/executor_runs.h"
#include "control/loop.h"
#include "control/replica_work.h"
#include "control/split_runs.h"
#include "control/work_loop.h"
#include "core/id.h"
#include "embed/console_files.h"
#include "energy/carbon.h"
#include "executor/images.h"
#include "executor/local/local_executor.h"
#include "executor/sandbox.h"
#include "gateway/gateway.h"
#include "host/file.h"
#include "host/limits.h"
#include "host/paths.h"
#include "host/system_clock.h"
#include "host/system_rng.h"
#include "identity/secrets.h"
#include "platform/work_numbers.h"
#include "store/sqlite/sqlite_store.h"

namespace millrace::apps {
namespace {

constexpr std::chrono::seconds kStopReplicasWithin{15};
constexpr std::chrono::milliseconds kPauseWorkWithin{12'000}, kKillBefore{2'000};
constexpr std::chrono::milliseconds kEnvironmentTick{500};

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
    return failure(
        ErrorCode::kInvalidArgument,
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

/// Wakes the replicas' loop, once there is one; from any thread.
class LoopBell {
 public:
  void ring() {
    const std::scoped_lock lock(mutex_);
    if (loop_ != nullptr) loop_->wake();
  }
  void connect(control::Loop* loop) {
    const std::scoped_lock lock(mutex_);
    loop_ = loop;
    if (loop_ != nullptr) loop_->wake();
  }

 private:
  std::mutex mutex_;
  control::Loop* loop_ = nullptr;  // guarded by mutex_
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
  std::unique_ptr<executor::LocalExecutor> executor{}, work_executor{};
  std::optional<identity::Secrets> secrets{};
  std::optional<platform::WorkNumbers> numbers{};
  std::optional<platform::Environments> environments{};
  std::unique_ptr<control::ExecutorRuns> programs{};
  std::unique_ptr<control::ReplicaWork> replica_work{};
  std::unique_ptr<control::SplitRuns> runs{};
  LoopBell replica_bell{};
  FeedBell bell{};
};

/// What a replica is promised of its node: half a core for each thread, since engines wait for requests most of the time,
/// and its model with room for what it works on.
scheduler::Demand replica_demand(const serving::ReplicaSpec& spec) {
  constexpr std::int64_t kMilliPerThread = 500, kWorkMib = 512, kMiB = 1 << 20;
  struct stat info{};
  const std::int64_t model_mib = ::stat(spec.model_file.c_str(), &info) == 0 ? info.st_size / kMiB : 0;
  return {.cpu_milli = std::max<std::int64_t>(spec.threads, 1) * kMilliPerThread,
          .memory_mib = model_mib + kWorkMib};
}

/// Where an image lies; "host" is this machine's own programs.
Result<std::string> image_root(const std::string& image) {
  if (image == "host") return "/";
  const auto cache = TRY(host::cache_dir());
  return TRY(executor::find_image(executor::images_folder(cache), image)).path;
}

/// Jobs and environments: an executor of their own, so that a stop of the platform's replicas does not touch them.
Result<void> open_runs(State& state) {
  state.secrets.emplace(*state.stores.store);
  state.numbers.emplace(*state.stores.store, state.clock);
  state.work_executor =
      TRY(executor::LocalExecutor::create({.folder = state.installation.path("runs"),
                                           .runtime_dir = state.installation.sockets + "/w",
                                           .supervise_argv = {state.program, "supervise"}}));
  TRY_VOID(host::make_dirs(state.installation.sockets + "/w", 0700));
  TRY_VOID(host::make_dirs(state.installation.path("work"), 0711));
  TRY_VOID(host::make_dirs(state.installation.path("work-logs"), 0700));
  control::ExecutorRunsOptions options;
  options.work_folder = state.installation.path("work");
  options.log_folder = state.installation.path("work-logs");
  options.fence = state.fence;
  options.gateway = [&installation = state.installation] { return gateway_address(installation); };
  options.image_root = image_root;
  options.secret = [&secrets = *state.secrets](const std::string& project, const std::string& name) {
    return secrets.text(project, name);
  };
  options.make_folder = [](const std::string& folder) { return executor::make_sandbox_folder(folder); };
  state.programs = std::make_unique<control::ExecutorRuns>(std::move(options), *state.work_executor);
  state.replica_work = TRY(control::ReplicaWork::create(
      {.take_number = [&numbers = *state.numbers] { return numbers.take(); },
       .demand = replica_demand,
       .changed = [&bell = state.replica_bell] { bell.ring(); },
       .wake = [&programs = *state.programs] { programs.wake(); },
       .set_cpu = [&executor = *state.executor](
                      const std::string& replica,
                      std::int64_t cpu_milli) { return executor.set_cpu(replica, cpu_milli); }},
      *state.stores.store, state.clock));
  state.runs = std::make_unique<control::SplitRuns>(*state.programs, *state.replica_work);
  return {};
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
  return open_runs(state);
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
  options.admission = state.replica_work.get();
  state.log.info("control_starts", {{"engine_root", options.engine.root}});
  return control::Loop::start(std::move(options), *state.stores.store, *state.executor, prober, state.clock,
                              [&state](const auto& /*replicas*/) { state.bell.ring(); });
}

Result<std::unique_ptr<control::WorkLoop>> start_work(State& state) {
  control::WorkLoopOptions options;
  options.work = work_options(state.config, this_machine(), state.site.model);
  control::WorkPorts ports{
      .store = *state.stores.store,
      .usage = *state.stores.usage,
      .runs = *state.runs,
      .owners = [&directory = *state.directory]() -> Result<std::vector<control::OwnerQuota>> {
        std::vector<control::OwnerQuota> owners;
        // The platform's own work: replicas of endpoints.
        owners.push_back({.tenant = std::string(control::kServicesTenant),
                          .project = {},
                          .quota = identity::ComputeQuota()});
        for (auto& account : TRY(directory.compute_quotas()))
          owners.push_back({account.tenant, account.project, account.quota});
        return owners;
      },
      .charge = run_charge(options.work.cluster, state.site.model, state.site.intensity_g_per_kwh,
                           {.accelerator_eur = state.config.price.accelerator_hour_eur,
                            .cpu_eur = state.config.price.cpu_hour_eur}),
      .outlook = TRY(intensity_outlook(state.config.site.intensity, state.config.site.zone))};
  return control::WorkLoop::start(std::move(options), std::move(ports), state.clock,
                                  [&log = state.log](const Error& error) { log.error("work_loop", error); });
}

void open_environments(State& state, control::WorkView& view) {
  state.environments.emplace(
      platform::EnvironmentOptions{
          .volumes = state.installation.path("volumes"),
          .sockets = state.installation.sockets,
          .work_folder = state.installation.path("work"),
          .domain = state.config.environments.domain,
          .idle = std::chrono::seconds{state.config.environments.idle_s},
          .make_folder = [](const std::string& folder) { return executor::make_sandbox_folder(folder); },
          .check_image = [](const std::string& image) -> Result<void> {
            TRY_VOID(image_root(image));
            return {};
          }},
      platform::EnvironmentPorts{*state.stores.store, state.clock, *state.directory, view, *state.numbers,
                                 state.rng});
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
                            state.site.policy, *state.environments);
  api::Live live(state.clock);
  // Before the feed: the first policy then holds what dead gateways left.
  DrainTask drain(state.installation.journal_folder(), usage, used, state.clock, state.log,
                  [&] { state.bell.ring(); });
  const auto feed = TRY(api::PolicyFeed::start(
      loop, {.path = state.installation.feed_socket(), .environments = &*state.environments}, policy, live,
      state.clock, &state.log));
  const EnergyTask energy(store, usage, state.site.model, state.site.counter.get(), state.clock, state.log);
  const Periodic environments(kEnvironmentTick, [&] {
    if (const auto done = state.environments->tick(); !done) state.log.error("environments", done.error());
  });
  const ledger::SiteEnergy energy_view(store, usage);
  api::Services services{.clock = state.clock,
                         .directory = *state.directory,
                         .models = *state.models,
                         .endpoints = *state.endpoints,
                         .environments = *state.environments,
                         .replicas = control,
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

/// What runs is told to stop, with a signal to save its state where it asked for one. The next server finds it stopped as
/// it was told, and runs again what may run again.
void pause_work(executor::Executor& executor, host::Logger& log, const Clock& clock) {
  const auto deadline = clock.monotonic() + kPauseWorkWithin;
  const auto is_there = [](const executor::WorkloadStatus& status) {
    return status.state != executor::WorkloadState::kExited && status.state != executor::WorkloadState::kLost;
  };
  for (;;) {
    const auto all = executor.list();
    if (!all || std::ranges::none_of(*all, is_there)) return;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - clock.monotonic());
    for (const auto& status : *all) {
      if (is_there(status))
        (void)executor.stop(status.id, std::max(left - kKillBefore, std::chrono::milliseconds(0)));
    }
    if (left <= std::chrono::milliseconds(0)) {
      log.error("work_left", Error{ErrorCode::kTimeout, "some work did not stop in time"});
      return;
    }
    executor.wait_event(std::chrono::milliseconds(200));
  }
}

Result<void> serve(const Installation& installation, const host::Config& config, host::Logger& log,
                   const Clock& clock) {
  const auto mark = TRY(RoleMark::take(installation, "server"));
  // Before any thread: they inherit the blocked signals.
  const auto loop = TRY(net::Loop::create(clock));
  block_signals();
  State state{.clock = clock, .log = log, .installation = installation, .config = config};
  TRY_VOID(open_state(state));
  state.stores.store->subscribe([&](store::Revision, const store::Transaction&) { state.bell.ring(); });
  serving::SocketProber prober;
  // Work first: it knows which of the replicas that run may go on.
  const auto work = TRY(start_work(state));
  state.replica_work->set_view(work.get());
  open_environments(state, *work);
  const auto control = TRY(start_control(state, prober));
  state.replica_bell.connect(control.get());
  const bool with_replicas = TRY(serve_on(*loop, state, *control));
  if (with_replicas) {
    if (const auto stopped = control->stop_with_replicas(kStopReplicasWithin); !stopped) {
      log.error("replicas_left", stopped.error());
    }
  }
  state.replica_work->set_view(nullptr);
  work->stop();
  if (with_replicas) pause_work(*state.work_executor, log, clock);
  state.replica_bell.connect(nullptr);
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
