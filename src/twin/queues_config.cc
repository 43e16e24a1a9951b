#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>

#include "host/file.h"
#include "host/toml.h"
#include "twin/queues.h"

namespace millrace::twin {
namespace {

constexpr std::int64_t kCountMax = 1'000'000;
constexpr std::int64_t kUnitsMax = 1'000'000'000;
constexpr std::int64_t kYearMs = 365LL * 24 * 3600 * 1000;
constexpr std::int64_t kMillisecondsMax = kYearMs;
/// Virtual time is counted in microseconds, which reach 290,000 years.
constexpr std::int64_t kArrivalYearsMax = 1'000, kWorkYearsMax = 100'000;
/// Of a whole configuration: no more than memory holds, and than the one node may have.
constexpr std::int64_t kWorkloadsMax = 10'000'000, kAccountsMax = 1'000'000;

/// What was read so far adds up to.
struct Totals {
  __int128 workloads = 0, accounts = 0, units = 0;
  __int128 work_ms = 0;      // of one of the present cohorts
  std::int64_t cohorts = 1;  // that are as the present one
};

/// How much each of `count` alike may have, so that they stay within `most` with what there is before.
std::int64_t even_part(__int128 most, __int128 before, __int128 count) {
  return static_cast<std::int64_t>(std::max<__int128>(most - before, 0) / std::max<__int128>(count, 1));
}

scheduler::Reclaim read_reclaim(host::TomlTable& table) {
  const std::string text = table.text("reclaim", "any");
  if (text == "never") return scheduler::Reclaim::kNever;
  if (text == "lower-priority") return scheduler::Reclaim::kLowerPriority;
  if (text != "any")
    table.fail("reclaim", fmt::format("found \"{}\", want never, lower-priority or any", text));
  return scheduler::Reclaim::kAny;
}

/// `why`: what comes after the figures.
void check_at_most(host::TomlTable& table, const char* key, std::int64_t found, std::int64_t most,
                   const std::string& why) {
  if (found > most) table.fail(key, fmt::format("found {}, want at most {}{}", found, most, why));
}

void check_times(host::TomlTable& table, const QueueClass& read, const QueueSet& queue, Totals& totals) {
  const std::int64_t every_ms =
      even_part(kArrivalYearsMax * kYearMs, read.first.count(), std::max<std::int64_t>(read.count - 1, 1));
  if (read.count > 1) {
    check_at_most(table, "every_ms", read.every.count(), every_ms,
                  fmt::format(": the last of {} workloads comes {} years after the beginning at the latest",
                              read.count, kArrivalYearsMax));
  }
  const __int128 count = static_cast<__int128>(queue.count) * read.count;
  const std::int64_t runtime_ms =
      even_part(static_cast<__int128>(kWorkYearsMax) * kYearMs, totals.work_ms, count);
  check_at_most(
      table, "runtime_ms", read.runtime.count(), runtime_ms,
      fmt::format(": the work of a cohort, one after the other, takes {} years at most", kWorkYearsMax));
  totals.work_ms += count * read.runtime.count();
}

void check_count(host::TomlTable& table, const QueueClass& read, const QueueSet& queue, Totals& totals) {
  const __int128 queues = static_cast<__int128>(totals.cohorts) * queue.count;
  const std::int64_t most = even_part(kWorkloadsMax, totals.workloads, queues);
  totals.workloads += queues * read.count;
  check_at_most(table, "count", read.count, most,
                fmt::format(" in each such queue: all are {} workloads at most", kWorkloadsMax));
}

QueueClass read_class(host::TomlTable table, const QueueSet& queue, Totals& totals) {
  QueueClass read;
  read.name = table.text("class");
  read.count = table.integer("count", 1, kCountMax);
  read.first = std::chrono::milliseconds(table.integer("first_ms", 0, kMillisecondsMax, 0));
  read.every = std::chrono::milliseconds(table.integer("every_ms", 0, kMillisecondsMax));
  read.runtime = std::chrono::milliseconds(table.integer("runtime_ms", 1, kMillisecondsMax));
  read.units = table.integer("units", 1, kUnitsMax);
  read.priority = static_cast<std::int32_t>(table.integer("priority", INT32_MIN, INT32_MAX));
  const std::int64_t most = queue.nominal_units + queue.borrow_units;
  check_at_most(table, "units", read.units, most, ": the queue may never use more");
  check_count(table, read, queue, totals);
  check_times(table, read, queue, totals);
  return read;
}

/// Cohorts, or queues of so many cohorts each.
void check_accounts(host::TomlTable& table, std::int64_t count, std::int64_t times, Totals& totals) {
  const std::int64_t most = even_part(kAccountsMax, totals.accounts, times);
  totals.accounts += static_cast<__int128>(count) * times;
  check_at_most(table, "count", count, most,
                fmt::format(": cohorts and queues together are {} at most", kAccountsMax));
}

QueueSet read_queue(host::TomlTable table, Totals& totals) {
  QueueSet read;
  read.name = table.text("name");
  read.count = table.integer("count", 1, kCountMax, 1);
  read.nominal_units = table.integer("nominal_quota", 0, kUnitsMax);
  read.borrow_units = table.integer("borrowing_limit", 0, kUnitsMax, 0);
  read.reclaim = read_reclaim(table);
  check_accounts(table, read.count, totals.cohorts, totals);
  const __int128 queues = static_cast<__int128>(totals.cohorts) * read.count;
  const std::int64_t most = even_part(kUnitsMax, totals.units, queues);
  totals.units += queues * read.nominal_units;
  check_at_most(table, "nominal_quota", read.nominal_units, most,
                fmt::format(": all quotas together are {} units at most", kUnitsMax));
  for (auto& workload : table.tables("workload")) read.classes.push_back(read_class(workload, read, totals));
  return read;
}

CohortSet read_cohort(host::TomlTable table, Totals& totals) {
  CohortSet read;
  read.name = table.text("name");
  read.count = table.integer("count", 1, kCountMax, 1);
  check_accounts(table, read.count, 1, totals);
  totals.cohorts = read.count;
  totals.work_ms = 0;
  auto queues = table.tables("queue");
  for (auto& queue : queues) read.queues.push_back(read_queue(queue, totals));
  if (queues.empty()) table.fail("queue", "a cohort needs at least one [[cohort.queue]]");
  __int128 all = 0;
  for (const QueueSet& queue : read.queues) all += static_cast<__int128>(queue.count) * queue.nominal_units;
  std::set<std::string> names;
  for (std::size_t i = 0; i < queues.size(); ++i) {
    if (!names.insert(read.queues[i].name).second)
      queues[i].fail("name", fmt::format("\"{}\" stands before in this cohort", read.queues[i].name));
    auto workloads = queues[i].tables("workload");
    for (std::size_t w = 0; w < workloads.size(); ++w) {
      check_at_most(workloads[w], "units", read.queues[i].classes[w].units, static_cast<std::int64_t>(all),
                    ": all quotas of the cohort together");
    }
  }
  return read;
}

}  // namespace

Result<QueuesConfig> parse_queues_config(std::string_view text, const std::string& file) {
  const auto document = TRY(host::TomlDocument::parse(text, file));
  auto root = document->root();
  QueuesConfig config;
  config.name = root.text("name", file);
  config.preempt = root.truth("preempt", true);
  Totals totals;
  for (auto& cohort : root.tables("cohort")) config.cohorts.push_back(read_cohort(cohort, totals));
  if (totals.workloads == 0)
    root.fail("cohort", "holds no workload: give at least one [[cohort.queue.workload]]");
  TRY_VOID(document->finish());
  return config;
}

Result<QueuesConfig> read_queues_config(const std::string& path) {
  return parse_queues_config(TRY(host::read_file(path)), path);
}

}  // namespace millrace::twin
