// SiteConfig: a site.toml as values: what there is, what it draws and costs, whose it is, how it is scheduled.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/result.h"
#include "energy/hourly_series.h"
#include "scheduler/accounts.h"
#include "scheduler/cluster.h"
#include "scheduler/policies.h"
#include "twin/generator.h"

namespace millrace::twin {

/// From `since` on, until the next stage.
struct PowerStage {
  TimePoint since{};
  std::int64_t budget_mw = 0;  // milliwatts
  bool operator==(const PowerStage&) const = default;
};

/// In order of time. Before the first stage, and without any, there is no limit.
using PowerStages = std::vector<PowerStage>;

/// The budget in force; nullopt where there is no limit.
std::optional<std::int64_t> budget_at(const PowerStages& stages, TimePoint time);

/// How often something breaks: exponential times between failures and to repair. A mean of 0 is never.
struct FailureRate {
  std::chrono::seconds between{};
  std::chrono::seconds repair{};
  bool never() const { return between.count() == 0; }
  bool operator==(const FailureRate&) const = default;
};

/// What a site has beyond scheduler::Site; by the same index.
struct SiteInfo {
  PowerStages power;            // at the meter: IT equipment x PUE
  energy::HourlySeries carbon;  // mgCO2e/kWh
  std::string carbon_source;    // file, or "yearly mean 2025 of FR"
  energy::HourlySeries price;   // thousandths of EUR/MWh
  std::string price_source;
  std::int64_t capital_microeur = 0;              // building, power and cooling
  std::int64_t operations_microeur_per_year = 0;  // staff, rent, network, maintenance
  std::int64_t demand_microeur_per_kw_year = 0;   // for the largest budget that it holds, whether used or not
};

/// What a feed or a rack has beyond its scheduler counterpart; by the same index. Of IT equipment, without PUE.
struct FeedInfo {
  PowerStages power;
  FailureRate failures;
};
struct RackInfo {
  std::int64_t budget_mw = 0;  // 0: none of its own
};

struct NodeType {
  std::string name;
  scheduler::Node node;        // as each of them is; name, site, rack, rail and domain are empty
  std::int64_t budget_mw = 0;  // of the whole node; 0: none of its own
  FailureRate failures;
  std::int64_t capital_microeur = 0;  // of one node
};

struct PriorityClassConfig {
  std::string name;
  std::int32_t priority = 0;       // higher goes first
  bool preemptible = true;         // its work may be stopped for work of a higher class, or for a quota
  std::chrono::seconds grace{30};  // between notice and stop
};

/// How decisions are made, beyond scheduler::Policies.
struct PolicyConfig {
  std::string placement = "tightest";  // dotprod, packing, bestfit, fgd, millrace, tightest
  scheduler::Policies scheduler;
  std::chrono::seconds checkpoint{
      3600};  // between checkpoints of a job: the most that a stop loses; 0: everything
  double kind_slowdown_max =
      4.0;  // work that is slower by more than that waits for a better kind; 0: none does
  std::string shift = "history";    // deferrable work: now, history, forecast, oracle
  std::string shift_by = "carbon";  // carbon, price
};

/// A budget that changes with notice; "grid event" whatever its cause (heat, a failed chiller, a market).
struct GridEvent {
  TimePoint at{};  // when the new budget is in force
  scheduler::SiteIndex site = 0;
  std::optional<std::int64_t> budget_mw;  // milliwatts at the meter; nullopt: the site's stages hold again
  std::chrono::seconds notice{};          // it is announced so long before `at`
  bool operator==(const GridEvent&) const = default;
};

struct KindPrice {
  std::int64_t microeur_per_accelerator_hour = 0;
};

/// What is sold and how the investment is counted; energy/economics.h says how.
struct EconomicsConfig {
  double lifetime_years = 5;        // of nodes, straight-line
  double site_lifetime_years = 15;  // of SiteInfo::capital_microeur
  double interest_rate = 0;         // yearly, on half the capital
  std::vector<KindPrice> prices;    // by kind of the cluster
  std::int64_t microeur_per_cpu_core_hour = 0;
  std::int64_t input_microeur_per_mtok = 0,
               output_microeur_per_mtok = 0;   // of services, where requests are known
  std::int64_t deferrable_discount_milli = 0;  // off the price of deferrable work
};

struct SiteConfig {
  std::string name;   // of the whole, for reports
  TimePoint start{};  // of the run
  double days = 7;
  scheduler::Cluster cluster;
  std::vector<std::string> kind_sources;  // by kind: where its figures come from
  std::vector<SiteInfo> sites;            // by site
  std::vector<FeedInfo> feeds;            // by feed
  std::vector<RackInfo> racks;            // by rack
  std::vector<NodeType> node_types;
  std::vector<std::uint16_t> node_type;         // by node: index into node_types
  scheduler::Accounts accounts;                 // "lab", "lab/vision"; without a quota: kUnlimitedQuota
  std::vector<scheduler::AccountIndex> leaves;  // accounts that work may belong to, ascending; at least one
  std::vector<PriorityClassConfig> priority_classes;  // at least one, highest first
  std::uint16_t default_class = 0;
  PolicyConfig policy;
  EconomicsConfig economics;
  std::vector<GridEvent> grid_events;  // in order of `at`
  GeneratorConfig workload;            // used where a run names no trace

  std::int64_t accelerators() const;
  /// What everything draws when nothing runs, at the meter of one site; and when everything runs at its maximum.
  std::int64_t idle_mw(scheduler::SiteIndex site) const;
  std::int64_t max_mw(scheduler::SiteIndex site) const;
};

/// Reads a site.toml; paths in it are relative to its folder. Every key stands in docs/twin.md. Unknown keys, values of
/// the wrong type or out of range, and references to nothing are kInvalidArgument, naming file, line and key.
Result<SiteConfig> load_site(const std::string& path);

/// The same from text. `folder` is where relative paths in it begin.
Result<SiteConfig> parse_site(std::string_view text, const std::string& file, const std::string& folder);

/// Weight of each of `leaves` among all work: its own weight and those above it, as parts of 10^9.
std::vector<std::int64_t> leaf_weights(const SiteConfig& site);

/// Every key that the reader knows ("node_type.kind"), for the test that holds the documentation to them.
std::set<std::string> site_keys();

/// Reads a CSV of grid events: header "time,budget_kw,notice_s" and optionally "site" (its name; without it the first).
/// `time` is when it is announced, RFC 3339 or seconds since `start`; it is in force `notice_s` later. An empty budget ends an
/// event. "budget" stands for "budget_kw" too, and takes a unit ("25 MW").
Result<std::vector<GridEvent>> read_grid_events(std::string_view text, const std::string& file,
                                                const scheduler::Cluster& cluster, TimePoint start);

}  // namespace millrace::twin
