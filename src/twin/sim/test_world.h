// Test world: small sites and workloads in memory, by hand or drawn from a seed.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/cluster_test_support.h"
#include "core/rng.h"
#include "twin/run.h"
#include "twin/sim/draws.h"
#include "twin/site_config.h"
#include "twin/trace.h"

namespace millrace::twin {

using std::chrono::seconds;

inline TimePoint world_start() { return TimePoint(seconds(1'767'225'600)); }  // 2026-01-01

inline energy::HourlySeries flat_series(std::int64_t thousandths) {
  return energy::HourlySeries::create(world_start(), {thousandths}, energy::Outside::kWraps).value();
}

/// Accelerators of 100 W idle and 700 W at most, 8 to a node of 1.6 kW idle; one account, one class; no budget, no failure.
/// `racks` of them on one feed; one domain for each rack.
inline SiteConfig small_site(std::uint32_t nodes, std::uint32_t racks = 1) {
  SiteConfig config;
  config.name = "test";
  config.start = world_start();
  scheduler::Cluster& cluster = config.cluster;
  cluster.kinds.push_back(control::test_accelerator());
  cluster.sites.push_back({.name = "site", .zone = "FR", .jurisdiction = "FR", .pue = 1.2});
  config.sites.push_back({.power = {},
                          .carbon = flat_series(50'000),
                          .carbon_source = {},
                          .price = flat_series(80'000),
                          .price_source = {}});
  cluster.feeds.push_back({.name = "feed", .site = 0});
  config.feeds.push_back({});
  NodeType type;
  type.name = "eight";
  type.node.accelerators = 8;
  type.node.cpu_milli = 128'000;
  type.node.memory_mib = 1'024 * 1'024;
  type.node.idle_mw = 1'600'000;
  type.node.cpu_max_mw = 400'000;
  type.capital_microeur = 250'000'000'000;
  config.node_types.push_back(type);
  for (std::uint32_t rack = 0; rack < racks; ++rack) {
    cluster.racks.push_back({.name = "r" + std::to_string(rack), .site = 0, .feed = 0});
    cluster.domains.push_back({.name = "d" + std::to_string(rack), .site = 0});
    config.racks.push_back({});
  }
  for (std::uint32_t i = 0; i < nodes; ++i) {
    scheduler::Node node = type.node;
    node.name = "n" + std::to_string(i);
    node.rack = i * racks / nodes;
    node.domain = node.rack;
    cluster.nodes.push_back(node);
    config.node_type.push_back(0);
  }
  config.accounts.resize(1);
  config.accounts[0].name = "lab";
  config.accounts[0].quota = scheduler::kUnlimitedQuota;
  config.leaves = {0};
  config.priority_classes.push_back({.name = "normal", .priority = 0});
  config.economics.prices.push_back({.microeur_per_accelerator_hour = 2'000'000});
  return config;
}

/// Two nodes, the second with its rack and domain at a second site, which is else as the first.
inline SiteConfig small_sites(scheduler::Site second) {
  SiteConfig config = small_site(2, 2);
  config.cluster.sites.push_back(std::move(second));
  config.sites.push_back(config.sites[0]);
  config.cluster.racks[1] = {.name = "r1", .site = 1, .feed = scheduler::kNoFeed};
  config.cluster.domains[1].site = config.cluster.nodes[1].site = 1;
  return config;
}

inline TraceJob job_of(std::int64_t arrival_s, std::int64_t work_s, std::int32_t accelerators,
                       std::int32_t tasks = 1) {
  TraceJob job;
  job.arrival = seconds(arrival_s);
  job.work = seconds(work_s);
  job.demand = {
      .cpu_milli = 1'000 * accelerators, .memory_mib = 4'096 * accelerators, .accelerators = accelerators};
  job.tasks = tasks;
  return job;
}

inline std::unique_ptr<JobSource> source_of(std::vector<TraceJob> jobs) {
  Trace trace;
  trace.facts.origin = "test";
  trace.facts.jobs = static_cast<std::int64_t>(jobs.size());
  trace.jobs = std::move(jobs);
  return play(std::move(trace));
}

inline Result<RunResult> play_world(const SiteConfig& config, std::vector<TraceJob> jobs,
                                    const RunOptions& options = {}) {
  const std::unique_ptr<JobSource> source = source_of(std::move(jobs));
  return run_twin(config, *source, options);
}

/// A metric that must be there.
inline double value(const RunResult& result, std::string_view name) {
  const auto found = find_value(result, name);
  EXPECT_TRUE(found) << name;
  return found.value_or(-1.0);
}

/// Random grid events: every `between_s` in the mean, to between `least` and `most` milliwatts, with a notice of 0 to 900 s;
/// some end the event before.
inline void add_grid_events(SiteConfig& config, SeededRng& rng, double between_s, double hours,
                            std::int64_t least_mw, std::int64_t most_mw) {
  const std::int64_t notices[] = {0, 0, 30, 300, 900};
  for (double at = draw_exponential(rng, between_s); at < hours * 3'600.0;
       at += draw_exponential(rng, between_s) + 1.0) {
    GridEvent event;
    event.notice = seconds(notices[draw_below(rng, 5)]);
    event.at = config.start + seconds(static_cast<std::int64_t>(at)) + event.notice;
    event.site = static_cast<scheduler::SiteIndex>(draw_below(rng, config.sites.size()));
    if (draw_below(rng, 4) != 0) {
      event.budget_mw = least_mw + static_cast<std::int64_t>(
                                       draw_below(rng, static_cast<std::uint64_t>(most_mw - least_mw + 1)));
    }
    config.grid_events.push_back(event);
  }
  std::ranges::sort(config.grid_events, {}, &GridEvent::at);
}

}  // namespace millrace::twin
