// Random sites, workloads, failures and grid events, thousands of them: what must hold in each.
#include <gtest/gtest.h>

#include <cstdlib>

#include "twin/sim/test_world.h"

namespace millrace::twin {
namespace {

struct Scenario {
  SiteConfig config;
  std::vector<TraceJob> jobs;
  std::uint64_t last_draw = 0;
};

/// A number of [from, to].
std::int64_t draw_range(SeededRng& rng, std::int64_t from, std::int64_t to) {
  return from + static_cast<std::int64_t>(draw_below(rng, static_cast<std::uint64_t>(to - from + 1)));
}

bool draw_chance(SeededRng& rng, std::uint64_t one_in) { return draw_below(rng, one_in) == 0; }

void draw_power(SiteConfig& config, SeededRng& rng) {
  const std::int64_t idle = config.idle_mw(0);
  const std::int64_t most = config.max_mw(0);
  if (draw_chance(rng, 2))
    config.sites[0].power.push_back(
        {.since = config.start, .budget_mw = draw_range(rng, idle + (most - idle) / 4, most)});
  if (draw_chance(rng, 2)) add_grid_events(config, rng, 6 * 3'600.0, 48.0, idle * 9 / 10, most);
  if (draw_chance(rng, 4))
    config.feeds[0].power.push_back({.since = config.start, .budget_mw = draw_range(rng, idle, most)});
  if (draw_chance(rng, 4)) {
    for (RackInfo& rack : config.racks)
      rack.budget_mw = draw_range(rng, most / 4, most / 2) / static_cast<std::int64_t>(config.racks.size());
  }
  if (draw_chance(rng, 8)) config.node_types[0].budget_mw = draw_range(rng, 2'000'000, 7'000'000);
}

void draw_failures(SiteConfig& config, SeededRng& rng) {
  if (draw_chance(rng, 2))
    config.node_types[0].failures = {.between = seconds(draw_range(rng, 20'000, 400'000)),
                                     .repair = seconds(draw_range(rng, 60, 20'000))};
  if (draw_chance(rng, 4))
    config.feeds[0].failures = {.between = seconds(draw_range(rng, 100'000, 800'000)),
                                .repair = seconds(draw_range(rng, 60, 5'000))};
}

void draw_accounts(SiteConfig& config, SeededRng& rng) {
  const auto capacity = config.accelerators() * 1'000;
  config.accounts.clear();
  config.leaves.clear();
  for (std::int64_t i = draw_range(rng, 1, 3); i > 0; --i) {
    scheduler::Account account;
    account.name = "a" + std::to_string(i);
    account.weight_milli = static_cast<std::int32_t>(draw_range(rng, 1, 3)) * 1'000;
    account.quota = scheduler::kUnlimitedQuota;
    if (draw_chance(rng, 2)) {
      account.quota.nominal.accelerators_milli = draw_range(rng, 0, capacity);
      account.quota.borrow.accelerators_milli = draw_range(rng, 0, capacity);
    }
    config.leaves.push_back(static_cast<scheduler::AccountIndex>(config.accounts.size()));
    config.accounts.push_back(account);
  }
  config.priority_classes = {
      {.name = "high",
       .priority = 10,
       .preemptible = draw_chance(rng, 2),
       .grace = seconds(draw_range(rng, 0, 120))},
      {.name = "low", .priority = 0, .preemptible = true, .grace = seconds(draw_range(rng, 0, 120))}};
}

TraceJob draw_job(const SiteConfig& config, SeededRng& rng) {
  TraceJob job = job_of(draw_range(rng, 0, 40'000), draw_range(rng, 1, 20'000),
                        static_cast<std::int32_t>(draw_range(rng, 0, 8)));
  if (job.demand.accelerators == 1 && draw_chance(rng, 2))
    job.demand.accelerator_milli = static_cast<std::int32_t>(draw_range(rng, 1, 999));
  if (job.demand.accelerators == 0) job.demand.cpu_milli = draw_range(rng, 100, 20'000);
  if (draw_chance(rng, 4)) job.tasks = static_cast<std::int32_t>(draw_range(rng, 1, 4));
  job.one_domain = draw_chance(rng, 4);
  job.utilisation_milli = static_cast<std::int32_t>(draw_range(rng, 100, 1'000));
  job.account = static_cast<std::uint16_t>(config.leaves[draw_below(rng, config.leaves.size())]);
  job.priority_class = static_cast<std::uint16_t>(draw_below(rng, config.priority_classes.size()));
  job.preemptible = !draw_chance(rng, 4);
  job.interruptible = draw_chance(rng, 4);
  job.kind = draw_chance(rng, 6) ? TraceJobKind::kService : TraceJobKind::kJob;
  if (job.kind == TraceJobKind::kJob && draw_chance(rng, 4)) {
    job.deferrable = true;
    job.deadline = job.arrival + job.work + seconds(draw_range(rng, 0, 86'400));
  }
  return job;
}

Scenario draw_scenario(std::uint64_t seed) {
  SeededRng rng(seed);
  Scenario scenario;
  scenario.config = small_site(static_cast<std::uint32_t>(draw_range(rng, 1, 8)),
                               static_cast<std::uint32_t>(draw_range(rng, 1, 2)));
  SiteConfig& config = scenario.config;
  // Learning from eight weeks of hours takes longer than all the rest of so small a run.
  const bool learns = std::getenv("MILLRACE_LONG") != nullptr || seed % 20 == 0;
  config.policy.shift = learns ? "history" : "oracle";
  config.policy.checkpoint = seconds(draw_range(rng, 0, 2) * 900);
  config.policy.scheduler.cap_floor_milli = static_cast<std::int32_t>(draw_range(rng, 200, 1'000));
  draw_power(config, rng);
  draw_failures(config, rng);
  draw_accounts(config, rng);
  std::vector<std::int64_t> intensities;
  for (int hour = 0; hour < 48; ++hour) intensities.push_back(draw_range(rng, 10'000, 500'000));
  config.sites[0].carbon =
      energy::HourlySeries::create(world_start(), intensities, energy::Outside::kWraps).value();
  for (std::int64_t i = draw_range(rng, 1, 40); i > 0; --i) scenario.jobs.push_back(draw_job(config, rng));
  std::ranges::sort(scenario.jobs, {}, &TraceJob::arrival);
  scenario.last_draw = rng.next();
  return scenario;
}

// MILLRACE_SEED=n plays one of them, MILLRACE_DECISIONS=path writes its decisions, MILLRACE_LONG=1 lets all of them learn
// when to run what may wait, not one in twenty. Conservation of energy, no over-allocation, whole gangs and no work on nodes
// that are down are checked by the engine in every run, which fails if one of them breaks.
TEST(Scenarios, TwoThousandSeedsKeepEveryPromise) {
  const char* from = std::getenv("MILLRACE_SEED");
  const std::uint64_t first = from != nullptr ? std::strtoull(from, nullptr, 10) : 1;
  const std::uint64_t count = from != nullptr ? 1 : 2'000;
  std::int64_t started = 0;
  std::int64_t stopped = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const Scenario scenario = draw_scenario(seed);
    RunOptions options;
    options.seed = seed;
    if (const char* path = std::getenv("MILLRACE_DECISIONS")) options.decisions_path = path;
    const auto result = play_world(scenario.config, scenario.jobs, options);
    ASSERT_TRUE(result) << "seed " << seed << ": " << result.error().message;
    ASSERT_EQ(result->jobs_done + result->jobs_unplaceable + result->jobs_refused,
              static_cast<std::int64_t>(scenario.jobs.size()))
        << "seed " << seed;
    ASSERT_EQ(result->jobs_running + result->jobs_waiting, 0) << "seed " << seed;
    ASSERT_EQ(result->budget_exceeded, 0)
        << "seed " << seed << ": " << find_value(*result, "budget_exceeded_s").value_or(0) << " s";
    const std::uint64_t last = scenario.last_draw ^ result->last_draw;
    std::printf("seed %llu last draw %016llx decisions %.16s\n", static_cast<unsigned long long>(seed),
                static_cast<unsigned long long>(last), result->decisions_sha256.c_str());
    std::fflush(stdout);
    if (seed % 20 == 0) {
      const auto again = play_world(scenario.config, scenario.jobs, options);
      ASSERT_TRUE(again);
      ASSERT_EQ(again->decisions_sha256, result->decisions_sha256) << "seed " << seed;
    }
    started += static_cast<std::int64_t>(find_value(*result, "starts").value_or(0));
    stopped += static_cast<std::int64_t>(find_value(*result, "power_stops").value_or(0) +
                                         find_value(*result, "preemptions").value_or(0) +
                                         find_value(*result, "runs_lost").value_or(0));
  }
  if (count > 1) {
    EXPECT_GT(started, 20'000) << "scenarios that start little protect little";
    EXPECT_GT(stopped, 1'000);
  }
}

struct GridRun {
  SiteConfig config;
  std::vector<TraceJob> jobs;
};

/// 16 nodes, a job every `between_s`, less power than all nodes would draw; nodes and feeds fail.
GridRun draw_busy_site(SeededRng& rng, double hours, double between_s) {
  GridRun run{.config = small_site(16, 4), .jobs = {}};
  SiteConfig& config = run.config;
  config.node_types[0].failures = {.between = seconds(30 * 86'400), .repair = seconds(4 * 3'600)};
  config.feeds[0].failures = {.between = seconds(60 * 86'400), .repair = seconds(1'800)};
  config.sites[0].power = {
      {.since = config.start, .budget_mw = (config.idle_mw(0) + 3 * config.max_mw(0)) / 4}};
  for (double at = 0.0; at < hours * 3'600.0; at += draw_exponential(rng, between_s)) {
    run.jobs.push_back(job_of(static_cast<std::int64_t>(at), draw_range(rng, 600, 30'000),
                              static_cast<std::int32_t>(draw_range(rng, 1, 8))));
    run.jobs.back().utilisation_milli = static_cast<std::int32_t>(draw_range(rng, 500, 1'000));
  }
  return run;
}

/// More work than can be done under random budgets, some of them below what idle equipment draws.
GridRun draw_grid_run(SeededRng& rng, double hours) {
  GridRun run = draw_busy_site(rng, hours, 600.0);
  SiteConfig& config = run.config;
  const std::int64_t idle = config.idle_mw(0);
  add_grid_events(config, rng, 3 * 3'600.0, hours, idle * 9 / 10, config.max_mw(0));
  // Once for certain.
  config.grid_events.push_back({.at = config.start + seconds(100 * 3'600),
                                .site = 0,
                                .budget_mw = idle * 9 / 10,
                                .notice = seconds(300)});
  std::ranges::sort(config.grid_events, {}, &GridEvent::at);
  return run;
}

/// Every evening four hours of less power, down to a third of what there is for work, known a day before.
GridRun draw_evenings(SeededRng& rng, double hours) {
  GridRun run = draw_busy_site(rng, hours, 400.0);
  SiteConfig& config = run.config;
  const std::int64_t idle = config.idle_mw(0);
  const std::int64_t for_work = config.sites[0].power[0].budget_mw - idle;
  for (std::int64_t day = 0; static_cast<double>(day) * 24.0 + 24.0 < hours; ++day) {
    const auto evening = config.start + seconds((day * 24 + 18) * 3'600);
    const auto notice = seconds(18 * 3'600);
    config.grid_events.push_back({.at = evening,
                                  .site = 0,
                                  .budget_mw = idle + for_work * draw_range(rng, 33, 90) / 100,
                                  .notice = notice});
    config.grid_events.push_back(
        {.at = evening + seconds(4 * 3'600), .site = 0, .budget_mw = std::nullopt, .notice = notice});
  }
  return run;
}

// Never above the budget, and nearly all of it used while work waits for power. 200 hours; with MILLRACE_LONG=1 ten times
// 1,000. MILLRACE_SEED=n plays one of them.
void use_the_budget(GridRun (*draw)(SeededRng&, double), bool infeasible) {
  const bool all = std::getenv("MILLRACE_LONG") != nullptr;
  const char* from = std::getenv("MILLRACE_SEED");
  const double hours = all ? 1'000.0 : 200.0;
  const std::uint64_t first = from != nullptr ? std::strtoull(from, nullptr, 10) : 7;
  const std::uint64_t count = all && from == nullptr ? 10 : 1;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    SeededRng rng(seed);
    const GridRun run = draw(rng, hours);
    RunOptions options;
    options.days = hours / 24.0;
    const auto result = play_world(run.config, run.jobs, options);
    ASSERT_TRUE(result) << "seed " << seed << ": " << result.error().message;
    const double used_pct = find_value(*result, "power_used_backlog_pct").value_or(0);
    EXPECT_EQ(result->budget_exceeded, 0) << "seed " << seed;
    EXPECT_GT(find_value(*result, "backlog_hours").value_or(0), hours / 8.0) << "seed " << seed;
    EXPECT_GE(used_pct, 97.0) << "seed " << seed;
    EXPECT_EQ(result->budget_infeasible > 0, infeasible) << "seed " << seed;
    std::printf("seed %llu: %.2f %% of the budget used under backlog, %.0f stopped, last draw %016llx\n",
                static_cast<unsigned long long>(seed), used_pct,
                find_value(*result, "power_stops").value_or(0),
                static_cast<unsigned long long>(rng.next() ^ result->last_draw));
  }
}

TEST(Scenarios, RandomGridEventsNeverExceedABudgetAndLeaveLittleOfItUnused) {
  use_the_budget(draw_grid_run, true);
}

TEST(Scenarios, FallsThatAreKnownADayBeforeLeaveLittleUnusedUntilThen) {
  use_the_budget(draw_evenings, false);
}

}  // namespace
}  // namespace millrace::twin
