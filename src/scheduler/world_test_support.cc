#include "scheduler/world_test_support.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>

namespace millrace::scheduler::testing {
namespace {

Capability kind_of(const char* name, double max_w) {
  Capability kind;
  kind.kind = name;
  kind.memory_bytes = std::int64_t{80} << 30;
  kind.power_idle_w = 100;
  kind.power_max_w = max_w;
  return kind;
}

Amount some_amount(Dice& dice) {
  const std::int64_t devices = 1 + dice.below(12);
  return {devices * 1000, devices * 4000, devices * 4000};
}

}  // namespace

std::uint64_t seeds() {
  const char* given = std::getenv("MILLRACE_SEEDS");
  if (given != nullptr) return std::stoull(given);
  return std::getenv("MILLRACE_LONG") != nullptr ? 60'000 : 2'000;
}

Cluster random_cluster(Dice& dice) {
  Cluster c;
  c.kinds = {kind_of("a", 700), kind_of("b", 400)};
  const int sites = 1 + dice.below(2);
  for (int s = 0; s < sites; ++s) {
    c.sites.push_back(
        {.name = fmt::format("s{}", s), .zone = s == 0 ? "FR" : "DE", .jurisdiction = "EU", .pue = 1.25});
    c.feeds.push_back({.name = fmt::format("f{}", s), .site = static_cast<SiteIndex>(s)});
    for (int r = 0; r < 2; ++r) {
      c.racks.push_back({.name = fmt::format("r{}{}", s, r),
                         .site = static_cast<SiteIndex>(s),
                         .feed = r == 0 ? static_cast<FeedIndex>(s) : kNoFeed});
      c.rails.push_back({.name = fmt::format("l{}{}", s, r), .site = static_cast<SiteIndex>(s)});
      c.domains.push_back({.name = fmt::format("d{}{}", s, r), .site = static_cast<SiteIndex>(s)});
    }
  }
  const int nodes = 2 + dice.below(8);
  const int devices = 1 + dice.below(4);
  for (int i = 0; i < nodes; ++i) {
    Node n;
    n.name = fmt::format("n{}", i);
    n.site = static_cast<SiteIndex>(dice.below(sites));
    const auto rack = static_cast<RackIndex>(n.site * 2 + dice.below(2));
    n.rack = dice.one_in(6) ? kNoIndex : rack;
    n.rail = dice.one_in(6) ? kNoIndex : static_cast<RailIndex>(n.site * 2 + dice.below(2));
    n.domain = dice.one_in(6) ? kNoIndex : static_cast<DomainIndex>(n.site * 2 + dice.below(2));
    n.kind = static_cast<KindIndex>(dice.one_in(4) ? 1 : 0);
    n.accelerators = dice.one_in(8) ? 0 : devices;
    n.cpu_milli = 4000 * (1 + dice.below(4));
    n.memory_mib = 4000 * (1 + dice.below(4));
    n.attested = dice.one_in(2);
    n.idle_mw = 200'000;
    n.cpu_max_mw = 100'000;
    c.nodes.push_back(n);
  }
  return c;
}

Cluster even_cluster(int nodes) {
  Cluster c;
  Capability kind;
  kind.kind = "h100";
  kind.memory_bytes = std::int64_t{80} << 30;
  kind.power_idle_w = 100;
  kind.power_max_w = 700;
  c.kinds.push_back(kind);
  c.sites.push_back({.name = "s", .zone = "FR", .jurisdiction = "FR"});
  for (int i = 0; i < nodes; ++i) {
    Node n;
    n.name = fmt::format("n{}", i);
    n.accelerators = 8;
    n.cpu_milli = 96'000;
    n.memory_mib = 1 << 20;
    n.idle_mw = 1'000'000;
    c.nodes.push_back(n);
  }
  return c;
}

Accounts one_account() {
  Account all;
  all.name = "all";
  all.quota = kUnlimitedQuota;
  return {all};
}

Workload job_of(WorkloadId id, int accelerators, std::optional<std::chrono::seconds> limit, int tasks) {
  Workload w;
  w.id = id;
  w.demand = {.cpu_milli = 1000, .memory_mib = 100, .accelerators = accelerators};
  w.tasks = tasks;
  w.limit = limit;
  w.submitted = kStart + std::chrono::seconds(id);
  return w;
}

Workload quarter(WorkloadId id, TimePoint submitted) {
  Workload w = job_of(id, 2, std::chrono::hours(24));
  w.submitted = submitted;
  w.preemptible = true;
  w.cpu_draw_milli = 0;
  return w;
}

std::vector<WorkloadId> stopped(const Plan& plan) {
  std::vector<WorkloadId> ids;
  for (const Preempt& p : plan.preempts) ids.push_back(p.id);
  std::ranges::sort(ids);
  return ids;
}

Accounts random_accounts(Dice& dice, bool tight) {
  Accounts accounts;
  for (AccountIndex t = 0; t < 2; ++t) {
    Account tenant;
    tenant.name = fmt::format("t{}", t);
    tenant.weight_milli = 500 * (1 + dice.below(3));
    tenant.quota = tight && dice.one_in(2) ? Quota{some_amount(dice), some_amount(dice)} : kUnlimitedQuota;
    accounts.push_back(tenant);
  }
  for (AccountIndex t = 0; t < 2; ++t) {
    for (int p = 1 + dice.below(2); p > 0; --p) {
      Account project;
      project.name = fmt::format("t{}p{}", t, p);
      project.parent = t;
      project.quota = tight ? Quota{some_amount(dice), some_amount(dice)} : kUnlimitedQuota;
      project.reclaim = static_cast<Reclaim>(dice.below(3));
      accounts.push_back(project);
    }
  }
  return accounts;
}

Workload random_workload(Dice& dice, WorkloadId id, TimePoint now, std::size_t accounts) {
  Workload w;
  w.id = id;
  w.account = static_cast<AccountIndex>(2 + dice.below(static_cast<int>(accounts) - 2));
  w.priority = dice.one_in(3) ? dice.below(3) : 0;
  w.nice = dice.below(3);
  w.submitted = now;
  w.demand.cpu_milli = 1000 * dice.below(4);
  w.demand.memory_mib = 1000 * dice.below(4);
  w.demand.accelerators = dice.one_in(8) ? 0 : 1 + dice.below(3);
  if (w.demand.accelerators == 0) w.demand.cpu_milli += 1000;
  if (w.demand.accelerators == 1 && dice.one_in(3)) w.demand.accelerator_milli = 250 * (1 + dice.below(3));
  w.tasks = dice.one_in(2) ? 1 : 1 + dice.below(5);
  w.tasks_per_node = dice.one_in(3) ? 1 + dice.below(2) : 0;
  if (dice.one_in(3)) {
    w.kinds = {static_cast<KindIndex>(dice.below(2))};
  } else if (dice.one_in(4) && w.demand.accelerators > 0) {
    w.kinds = {1, 0};
    w.earlier_kinds_first = true;
  }
  w.together = static_cast<Together>(dice.one_in(2) ? 0 : dice.below(3));
  if (dice.one_in(5))
    w.spread = dice.one_in(3) ? Spread::kNode : dice.one_in(2) ? Spread::kRack : Spread::kRail;
  if (w.spread != Spread::kNone && dice.one_in(2)) w.siblings = dice.one_in(2) ? "chat" : "code";
  if (dice.one_in(8)) w.zones = {"DE"};
  w.attested = dice.one_in(8);
  if (!dice.one_in(6)) w.limit = std::chrono::seconds(60 * (1 + dice.below(90)));
  if (dice.one_in(10)) w.not_before = now + std::chrono::minutes(dice.below(60));
  if (w.limit && dice.one_in(4)) w.deadline = now + *w.limit + std::chrono::minutes(dice.below(1440));
  w.service = !w.limit && dice.one_in(2);
  w.preemptible = dice.one_in(2);
  w.grace = std::chrono::seconds(dice.below(120));
  if (dice.one_in(2)) w.checkpoint_every = std::chrono::seconds(60 * dice.below(20));
  w.accelerator_draw_milli = 500 + dice.below(501);
  return w;
}

}  // namespace millrace::scheduler::testing
