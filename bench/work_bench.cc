// Throughput of the whole path of work but for the processes: submissions through platform, the store on disk, the real
// loop, scheduler and settlement, and an executor in memory. Prints a Markdown row.
//   work_bench [SECONDS=20] [NODES=2250] [PENDING=10000] [RUN_MS=2000]
#include <fmt/format.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "control/executor_runs.h"
#include "control/work_loop.h"
#include "executor/fake/fake_executor.h"
#include "host/file.h"
#include "host/system_clock.h"
#include "host/system_rng.h"
#include "platform/jobs.h"
#include "store/sqlite/sqlite_store.h"

namespace millrace {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kClients = 32;

struct Settings {
  int seconds = 20, nodes = 2250, pending = 10'000, run_ms = 2000;
};

scheduler::Cluster cluster_of(int nodes) {
  scheduler::Cluster cluster;
  Capability kind;
  kind.kind = "fake";
  kind.power_idle_w = 100;
  kind.power_max_w = 700;
  cluster.kinds.push_back(kind);
  cluster.sites.push_back({.name = "local", .zone = "FR", .jurisdiction = "FR"});
  for (int i = 0; i < nodes; ++i) {
    scheduler::Node node;
    node.name = fmt::format("n{}", i);
    node.accelerators = 8;
    node.cpu_milli = 64'000;
    node.memory_mib = 512 * 1024;
    node.idle_mw = 1'000'000;
    cluster.nodes.push_back(node);
  }
  return cluster;
}

template <typename T>
T must(Result<T> result) {
  if (result) return *std::move(result);
  fmt::print(stderr, "{}\n", result.error().message);
  std::exit(1);
}

double rss_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) / 1024;
  }
  return 0;
}

/// The platform on an executor that ends each run after `run_ms`.
class World {
 public:
  World(const Settings& settings, const std::string& folder)
      : stores_(must(store::open_sqlite(folder + "/bench.db"))),
        directory_(*stores_.store, clock_, rng_, pepper_),
        secrets_(*stores_.store),
        numbers_(*stores_.store, clock_),
        archives_({.folder = folder + "/archives"}, clock_),
        executor_(clock_),
        runs_({.work_folder = folder + "/work",
               .log_folder = {},
               .fence = must(stores_.store->take_fence()),
               .image_root = [](const std::string&) -> Result<std::string> { return "/"; },
               .secret = nullptr,
               .make_folder = nullptr},
              executor_) {
    must(directory_.create_tenant("t"));
    must(directory_.create_project("p", "t"));
    if (!directory_.set_tenant_compute_quota("t", identity::ComputeQuota{})) std::exit(1);
    executor_.set_script([run_ms = settings.run_ms](const executor::WorkloadSpec&) {
      return executor::FakeRun{.time = milliseconds(run_ms)};
    });
    control::WorkLoopOptions options;
    options.work.cluster = cluster_of(settings.nodes);
    loop_ = must(control::WorkLoop::start(
        std::move(options),
        {.store = *stores_.store,
         .usage = *stores_.usage,
         .runs = runs_,
         .owners = [this]() -> Result<std::vector<control::OwnerQuota>> {
           std::vector<control::OwnerQuota> owners;
           for (auto& each : TRY(directory_.compute_quotas()))
             owners.push_back({each.tenant, each.project, each.quota});
           return owners;
         },
         .charge = [](const control::RunUse&) { return control::RunCharge(); }},
        clock_, [](const Error& error) { fmt::print(stderr, "loop: {}\n", error.message); }));
    jobs_.emplace(
        platform::JobsOptions{.work_folder = folder + "/work", .mounts = {}, .pending_per_project = 100'000},
        platform::JobsPorts{*stores_.store, clock_, directory_, secrets_, *loop_, archives_, numbers_});
    ticker_ = std::thread([this] {
      while (!ending_) {
        executor_.clock_moved();
        std::this_thread::sleep_for(milliseconds(5));
      }
    });
  }
  ~World() {
    ending_ = true;
    ticker_.join();
    loop_->stop();
  }

  void submit(std::size_t array) {
    platform::JobRequest request;
    request.spec.command = {"true"};
    request.spec.accelerators = 8;
    for (std::uint32_t i = 0; array > 1 && i < array; ++i) request.spec.array.push_back(i);
    request.tenant = "t";
    request.project = "p";
    request.user = "u";
    must(jobs_->submit(request));
    submitted_ += static_cast<std::int64_t>(array);
  }
  std::int64_t submitted() const { return submitted_; }
  std::int64_t settled() const { return submitted_ - static_cast<std::int64_t>(loop_->live().size()); }

 private:
  host::SystemClock clock_;
  host::SystemRng rng_;
  identity::Pepper pepper_ = *identity::Pepper::create(std::array<std::uint8_t, 32>{1, 2, 3});
  store::SqliteStores stores_;
  identity::Directory directory_;
  identity::Secrets secrets_;
  platform::WorkNumbers numbers_;
  platform::WorkArchives archives_;
  executor::FakeExecutor executor_;
  control::ExecutorRuns runs_;
  std::unique_ptr<control::WorkLoop> loop_;
  std::optional<platform::Jobs> jobs_;
  std::atomic<bool> ending_ = false;
  std::atomic<std::int64_t> submitted_ = 0;
  std::thread ticker_;
};

int number_of(std::string_view text) {
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

void run(const Settings& settings) {
  std::string folder = "/tmp/millrace-bench-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) std::exit(1);
  {
    World world(settings, folder);
    for (int left = settings.pending + settings.nodes; left > 0; left -= 1000)
      world.submit(static_cast<std::size_t>(std::min(left, 1000)));
    std::atomic<bool> ending = false;
    std::vector<std::thread> clients;
    const std::int64_t target = settings.pending + settings.nodes;
    const auto begin = steady_clock::now();
    const std::int64_t settled_before = world.settled(), submitted_before = world.submitted();
    // To look at all that waits is work of its own: one looks for all clients.
    std::atomic<std::int64_t> settled = settled_before;
    for (int i = 0; i < kClients; ++i) {
      clients.emplace_back([&] {
        while (!ending) {
          if (world.submitted() - settled >= target + 200) {
            std::this_thread::sleep_for(milliseconds(2));
          } else {
            for (int job = 0; job < 20; ++job) world.submit(1);
          }
        }
      });
    }
    while (steady_clock::now() - begin < std::chrono::seconds(settings.seconds)) {
      std::this_thread::sleep_for(milliseconds(20));
      settled = world.settled();
    }
    ending = true;
    for (auto& client : clients) client.join();
    const double took = std::chrono::duration<double>(steady_clock::now() - begin).count();
    fmt::print("| {} nodes x 8, {} pending | {:.0f} accepted/s | {:.0f} settled/s | {:.0f} MB |\n",
               settings.nodes, settings.pending,
               static_cast<double>(world.submitted() - submitted_before) / took,
               static_cast<double>(world.settled() - settled_before) / took, rss_mb());
  }
  (void)host::remove_tree(folder);
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  millrace::Settings settings;
  const auto number = [&](int at, int fallback) {
    return argc > at ? millrace::number_of(argv[at]) : fallback;
  };
  settings.seconds = number(1, settings.seconds);
  settings.nodes = number(2, settings.nodes);
  settings.pending = number(3, settings.pending);
  settings.run_ms = number(4, settings.run_ms);
  millrace::run(settings);
  return 0;
}
