#include "apps/server_work.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "apps/work_site.h"
#include "executor/images.h"
#include "executor/sandbox.h"
#include "host/file.h"
#include "host/paths.h"
#include "platform/retention.h"

namespace millrace::apps {
namespace {

constexpr std::chrono::milliseconds kPauseWorkWithin{12'000}, kKillBefore{2'000};

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

Result<void> check_image(const std::string& image) {
  TRY_VOID(image_root(image));
  return {};
}

/// Removes what was written longer ago than `keep`.
void sweep_logs(const std::string& folder, std::chrono::days keep) {
  namespace fs = std::filesystem;
  std::error_code failed;
  const auto oldest = fs::file_time_type::clock::now() - keep;
  for (const auto& entry : fs::directory_iterator(folder, failed)) {
    const auto written = entry.last_write_time(failed);
    if (!failed && written < oldest) fs::remove_all(entry.path(), failed);
  }
}

}  // namespace

Result<std::unique_ptr<ServerWork>> ServerWork::open(ServerWorkPorts ports) {
  auto work = std::make_unique<ServerWork>(std::move(ports));
  TRY_VOID(work->open_runs());
  TRY_VOID(work->start_loop());
  TRY_VOID(work->open_services());
  return work;
}

/// Jobs and environments have an executor of their own, so that a stop of the platform's replicas does not touch them.
Result<void> ServerWork::open_runs() {
  const Installation& installation = ports_.installation;
  store::Store& store = *ports_.stores.store;
  secrets_.emplace(store);
  numbers_.emplace(store, ports_.clock);
  TRY_VOID(host::make_dirs(installation.sockets + "/w", 0700));
  TRY_VOID(host::make_dirs(installation.path("work"), 0711));
  TRY_VOID(host::make_dirs(installation.path("work-logs"), 0700));
  executor_ = TRY(executor::LocalExecutor::create({.folder = installation.path("runs"),
                                                   .runtime_dir = installation.sockets + "/w",
                                                   .supervise_argv = {ports_.program, "supervise"}}));
  control::ExecutorRunsOptions options;
  options.work_folder = installation.path("work");
  options.log_folder = installation.path("work-logs");
  options.fence = ports_.fence;
  options.gateway = installation.gateway_socket();
  options.image_root = image_root;
  options.secret = [this](const std::string& project, const std::string& name) {
    return secrets_->text(project, name);
  };
  options.make_folder = [](const std::string& folder) { return executor::make_sandbox_folder(folder); };
  programs_ = std::make_unique<control::ExecutorRuns>(std::move(options), *executor_);
  replica_work_ = TRY(control::ReplicaWork::create(
      {.take_number = [this] { return numbers_->take(); },
       .demand = replica_demand,
       .changed =
           [this] {
             const std::scoped_lock lock(mutex_);
             if (replicas_ != nullptr) replicas_->wake();
           },
       .wake = [this] { programs_->wake(); },
       .set_cpu = [this](const std::string& replica,
                         std::int64_t cpu_milli) { return ports_.replicas.set_cpu(replica, cpu_milli); }},
      store, ports_.clock));
  runs_ = std::make_unique<control::SplitRuns>(*programs_, *replica_work_);
  return {};
}

Result<void> ServerWork::start_loop() {
  const host::Config& config = ports_.config;
  control::WorkLoopOptions options;
  options.work = work_options(config, this_machine(), ports_.model);
  control::WorkPorts ports{
      .store = *ports_.stores.store,
      .usage = *ports_.stores.usage,
      .runs = *runs_,
      .owners = [&directory = ports_.directory]() -> Result<std::vector<control::OwnerQuota>> {
        std::vector<control::OwnerQuota> owners;
        // The platform's own work: replicas of endpoints.
        owners.push_back({.tenant = std::string(control::kServicesTenant),
                          .project = {},
                          .quota = identity::ComputeQuota()});
        for (auto& account : TRY(directory.compute_quotas()))
          owners.push_back({account.tenant, account.project, account.quota});
        return owners;
      },
      .charge = run_charge(options.work.cluster, ports_.model, TRY(mean_intensity(config)), ports_.prices),
      .outlook = TRY(intensity_outlook(config.site.intensity, config.site.zone))};
  loop_ = TRY(
      control::WorkLoop::start(std::move(options), std::move(ports), ports_.clock,
                               [&log = ports_.log](const Error& error) { log.error("work_loop", error); }));
  replica_work_->set_view(loop_.get());
  return {};
}

Result<void> ServerWork::open_services() {
  const Installation& installation = ports_.installation;
  const host::Config& config = ports_.config;
  store::Store& store = *ports_.stores.store;
  archives_.emplace(platform::WorkArchivesOptions{.folder = installation.path("archives")}, ports_.clock);
  platform::JobsOptions options{.work_folder = installation.path("work"), .check_image = check_image};
  options.mounts = TRY(platform::parse_mounts(config.jobs.mounts));
  jobs_.emplace(std::move(options), platform::JobsPorts{store, ports_.clock, ports_.directory, *secrets_,
                                                        *loop_, *archives_, *numbers_});
  wishes_.emplace(store, ports_.clock, ports_.rng, *loop_);
  environments_.emplace(
      platform::EnvironmentOptions{
          .volumes = installation.path("volumes"),
          .sockets = installation.sockets,
          .work_folder = installation.path("work"),
          .domain = config.environments.domain,
          .idle = std::chrono::seconds{config.environments.idle_s},
          .make_folder = [](const std::string& folder) { return executor::make_sandbox_folder(folder); },
          .check_image = check_image},
      platform::EnvironmentPorts{store, ports_.clock, ports_.directory, *loop_, *numbers_, ports_.rng});
  return {};
}

void ServerWork::connect(control::Loop* replicas) {
  const std::scoped_lock lock(mutex_);
  replicas_ = replicas;
  if (replicas_ != nullptr) replicas_->wake();
}

void ServerWork::tick() {
  if (const auto done = environments_->tick(); !done) ports_.log.error("environments", done.error());
}

/// Forgets what is long over.
void ServerWork::sweep() {
  const platform::RetentionPolicy policy{.keep = std::chrono::days(ports_.config.jobs.keep_days),
                                         .most = static_cast<std::size_t>(ports_.config.jobs.keep_most)};
  const auto swept = platform::sweep_jobs(*ports_.stores.store, *loop_, *archives_,
                                          ports_.installation.path("work"), policy, ports_.clock);
  if (!swept) ports_.log.error("sweep_failed", swept.error());
  sweep_logs(ports_.installation.path("work-logs"), std::chrono::days(ports_.config.jobs.keep_days));
  if (const auto events = wishes_->sweep(); !events) ports_.log.error("sweep_failed", events.error());
}

void ServerWork::stop(bool with_work) {
  replica_work_->set_view(nullptr);
  loop_->stop();
  if (with_work) pause_work();
  connect(nullptr);
}

void ServerWork::pause_work() {
  const auto deadline = ports_.clock.monotonic() + kPauseWorkWithin;
  const auto is_there = [](const executor::WorkloadStatus& status) {
    return status.state != executor::WorkloadState::kExited && status.state != executor::WorkloadState::kLost;
  };
  for (;;) {
    const auto all = executor_->list();
    if (!all || std::ranges::none_of(*all, is_there)) return;
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - ports_.clock.monotonic());
    for (const auto& status : *all) {
      if (is_there(status))
        (void)executor_->stop(status.id, std::max(left - kKillBefore, std::chrono::milliseconds(0)));
    }
    if (left <= std::chrono::milliseconds(0)) {
      ports_.log.error("work_left", Error{ErrorCode::kTimeout, "some work did not stop in time"});
      return;
    }
    executor_->wait_event(std::chrono::milliseconds(200));
  }
}

}  // namespace millrace::apps
