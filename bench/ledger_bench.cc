// What the ledger costs: journal calls in the gateway's path (target: well under 1 us each), and the drain into SQLite
// (target: 50,000 records/s on one core).
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/id.h"
#include "host/file.h"
#include "host/json.h"
#include "host/system_clock.h"
#include "host/system_rng.h"
#include "ledger/drain.h"
#include "ledger/journal.h"
#include "store/memory/memory_usage.h"
#include "store/sqlite/sqlite_store.h"

namespace millrace {
namespace {

using ledger::Journal;

struct Folder {
  Folder() {
    const char* base = std::getenv("MILLRACE_BENCH_DIR");
    path = std::string(base != nullptr ? base : "/tmp") + "/millrace-bench-XXXXXX";
    if (mkdtemp(path.data()) == nullptr) std::abort();
  }
  ~Folder() { static_cast<void>(host::remove_tree(path)); }
  std::string path;
};

ledger::OpenRequest open_request(std::string_view id) {
  ledger::OpenRequest request;
  request.request_id = id;
  request.client_request_id = "0b5ad3a4-3d3c-4b0e-a6a9-9a7d2d2b0a11";
  request.tenant = "default";
  request.project = "default";
  request.key_id = "key_01JD8Q6W3M5R8K2T0V9YB4CXEZ";
  request.endpoint = "chat";
  request.model = "smollm2-135m-instruct";
  request.site = "local";
  request.zone = "FR";
  request.energy_model = "cpu-time-linear-v1";
  request.basis = "modelled";
  request.price_version = 1;
  request.input_microeur_per_mtok = 100'000;
  request.output_microeur_per_mtok = 400'000;
  request.started_at = TimePoint{std::chrono::seconds{1'790'000'000}};
  return request;
}

ledger::Figures figures(std::int64_t output) {
  return {.input_tokens = 100, .cached_tokens = 20, .output_tokens = output, .energy_uj = output * 1000};
}

/// Ids as the gateway makes them, in order.
std::vector<std::string> make_ids(std::size_t count) {
  SeededRng rng(1);
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < count; ++i) {
    ids.push_back(make_id(
        "req", TimePoint{std::chrono::seconds{1'790'000'000}} + std::chrono::microseconds(i * 20), rng));
  }
  return ids;
}

/// Open, three updates, finalise, settle; the slots are freed by a drain outside of the measured time.
void journal_request(benchmark::State& state) {
  Folder folder;
  const host::SystemClock clock;
  store::MemoryUsageTable table;
  ledger::JournalDrain drain(folder.path, table, clock);
  auto journal = *Journal::create(folder.path, "bench", {.slots = 16384});
  const auto ids = make_ids(16384);
  std::size_t used = 0;
  for (auto _ : state) {
    if (used == ids.size()) {
      state.PauseTiming();
      if (!drain.drain()) std::abort();
      used = 0;
      state.ResumeTiming();
    }
    const auto request = open_request(ids[used++]);
    const auto slot = journal->open(request);
    if (!slot) std::abort();
    for (int i = 1; i <= 3; ++i) journal->update(*slot, figures(i), request.started_at);
    journal->finalise(*slot, figures(4), request.started_at);
    benchmark::DoNotOptimize(journal->settle(*slot, store::UsageStatus::kCompleted, request.started_at));
  }
  state.SetItemsProcessed(state.iterations());
  state.SetLabel("6 calls");
}
BENCHMARK(journal_request)->Unit(benchmark::kNanosecond);

void journal_update(benchmark::State& state) {
  Folder folder;
  auto journal = *Journal::create(folder.path, "bench", {});
  const auto request = open_request("req_1");
  const auto slot = *journal->open(request);
  std::int64_t output = 0;
  for (auto _ : state) journal->update(slot, figures(++output), request.started_at);
}
BENCHMARK(journal_update)->Unit(benchmark::kNanosecond);

/// Settled slots into SQLite, range(0) at a time. MILLRACE_BENCH_DIR names the disk.
void drain_sqlite(benchmark::State& state) {
  Folder folder;
  const host::SystemClock clock;
  const auto stores = *store::open_sqlite(folder.path + "/usage.db");
  ledger::JournalDrain drain(folder.path + "/journal", *stores.usage, clock);
  auto journal = *Journal::create(folder.path + "/journal", "bench", {.slots = 16384});
  host::SystemRng rng;
  std::int64_t drained = 0;
  for (auto _ : state) {
    state.PauseTiming();
    for (std::int64_t i = 0; i < state.range(0); ++i) {
      const auto id = make_id("req", clock.now(), rng);
      const auto request = open_request(id);
      const auto slot = *journal->open(request);
      journal->finalise(slot, figures(4), request.started_at);
      journal->settle(slot, store::UsageStatus::kCompleted, request.started_at);
    }
    state.ResumeTiming();
    const auto report = drain.drain();
    if (!report) std::abort();
    drained += static_cast<std::int64_t>(report->records.size());
  }
  state.SetItemsProcessed(drained);
}
BENCHMARK(drain_sqlite)
    ->Arg(100)
    ->Arg(2500)
    ->Arg(10000)
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

constexpr std::string_view kChatRequest =
    R"({"model":"smollm2","messages":[{"role":"system","content":"You are a helpful assistant."},)"
    R"({"role":"user","content":"What is the capital of France?"}],"max_tokens":64,"temperature":0.7,"stream":true})";

void parse_chat_request(benchmark::State& state) {
  for (auto _ : state) {
    unsigned char buffer[4096];
    boost::json::monotonic_resource memory(buffer, sizeof buffer);
    benchmark::DoNotOptimize(host::parse_json(kChatRequest, {}, &memory));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kChatRequest.size()));
}
BENCHMARK(parse_chat_request);

void parse_chat_request_boost(benchmark::State& state) {
  for (auto _ : state) {
    unsigned char buffer[4096];
    boost::json::monotonic_resource memory(buffer, sizeof buffer);
    benchmark::DoNotOptimize(boost::json::parse({kChatRequest.data(), kChatRequest.size()}, &memory));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kChatRequest.size()));
}
BENCHMARK(parse_chat_request_boost);

}  // namespace
}  // namespace millrace

BENCHMARK_MAIN();
