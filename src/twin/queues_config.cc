#include <fmt/format.h>

#include <set>
#include <string>

#include "host/file.h"
#include "host/toml.h"
#include "twin/queues.h"

namespace millrace::twin {
namespace {

constexpr std::int64_t kCountMax = 1'000'000;
constexpr std::int64_t kUnitsMax = 1'000'000'000;
constexpr std::int64_t kMillisecondsMax = 365LL * 24 * 3600 * 1000;

scheduler::Reclaim read_reclaim(host::TomlTable& table) {
  const std::string text = table.text("reclaim", "any");
  if (text == "never") return scheduler::Reclaim::kNever;
  if (text == "lower-priority") return scheduler::Reclaim::kLowerPriority;
  if (text != "any")
    table.fail("reclaim", fmt::format("found \"{}\", want never, lower-priority or any", text));
  return scheduler::Reclaim::kAny;
}

QueueClass read_class(host::TomlTable table, const QueueSet& queue) {
  QueueClass read;
  read.name = table.text("class");
  read.count = table.integer("count", 1, kCountMax);
  read.first = std::chrono::milliseconds(table.integer("first_ms", 0, kMillisecondsMax, 0));
  read.every = std::chrono::milliseconds(table.integer("every_ms", 0, kMillisecondsMax));
  read.runtime = std::chrono::milliseconds(table.integer("runtime_ms", 1, kMillisecondsMax));
  read.units = table.integer("units", 1, kUnitsMax);
  read.priority = static_cast<std::int32_t>(table.integer("priority", INT32_MIN, INT32_MAX));
  const std::int64_t most = queue.nominal_units + queue.borrow_units;
  if (read.units > most) {
    table.fail("units",
               fmt::format("found {}, want at most {}: the queue may never use more", read.units, most));
  }
  return read;
}

QueueSet read_queue(host::TomlTable table) {
  QueueSet read;
  read.name = table.text("name");
  read.count = table.integer("count", 1, kCountMax, 1);
  read.nominal_units = table.integer("nominal_quota", 0, kUnitsMax);
  read.borrow_units = table.integer("borrowing_limit", 0, kUnitsMax, 0);
  read.reclaim = read_reclaim(table);
  for (auto& workload : table.tables("workload")) read.classes.push_back(read_class(workload, read));
  return read;
}

CohortSet read_cohort(host::TomlTable table) {
  CohortSet read;
  read.name = table.text("name");
  read.count = table.integer("count", 1, kCountMax, 1);
  auto queues = table.tables("queue");
  for (auto& queue : queues) read.queues.push_back(read_queue(queue));
  if (queues.empty()) table.fail("queue", "a cohort needs at least one [[cohort.queue]]");
  __int128 all = 0;
  for (const QueueSet& queue : read.queues) all += static_cast<__int128>(queue.count) * queue.nominal_units;
  std::set<std::string> names;
  for (std::size_t i = 0; i < queues.size(); ++i) {
    if (!names.insert(read.queues[i].name).second)
      queues[i].fail("name", fmt::format("\"{}\" stands before in this cohort", read.queues[i].name));
    auto workloads = queues[i].tables("workload");
    for (std::size_t w = 0; w < workloads.size(); ++w) {
      const std::int64_t units = read.queues[i].classes[w].units;
      if (units <= all) continue;
      workloads[w].fail("units", fmt::format("found {}, want at most {}: all quotas of the cohort together",
                                             units, static_cast<std::int64_t>(all)));
    }
  }
  return read;
}

/// Work must be there, and no more than memory holds.
void check_size(host::TomlTable& root, const QueuesConfig& config) {
  constexpr std::int64_t kWorkloadsMax = 10'000'000;
  std::int64_t sum = 0;
  for (const auto& cohort : config.cohorts) {
    for (const auto& queue : cohort.queues) {
      for (const auto& one : queue.classes) {
        const auto add = static_cast<__int128>(cohort.count) * queue.count * one.count;
        sum = add > kWorkloadsMax ? kWorkloadsMax + 1
                                  : std::min(sum + static_cast<std::int64_t>(add), kWorkloadsMax + 1);
      }
    }
  }
  if (sum == 0) root.fail("cohort", "holds no workload: give at least one [[cohort.queue.workload]]");
  if (sum > kWorkloadsMax) root.fail("cohort", fmt::format("holds more than {} workloads", kWorkloadsMax));
}

}  // namespace

Result<QueuesConfig> parse_queues_config(std::string_view text, const std::string& file) {
  const auto document = TRY(host::TomlDocument::parse(text, file));
  auto root = document->root();
  QueuesConfig config;
  config.name = root.text("name", file);
  config.preempt = root.truth("preempt", true);
  for (auto& cohort : root.tables("cohort")) config.cohorts.push_back(read_cohort(cohort));
  check_size(root, config);
  TRY_VOID(document->finish());
  return config;
}

Result<QueuesConfig> read_queues_config(const std::string& path) {
  return parse_queues_config(TRY(host::read_file(path)), path);
}

}  // namespace millrace::twin
