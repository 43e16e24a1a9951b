#include "twin/site_config.h"
#include "twin/hourly_csv.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>

#include "host/file.h"
#include "twin/hourly_csv.h"

namespace millrace::twin {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

const std::string kSource = MILLRACE_SOURCE;

SiteConfig example(const std::string& name) {
  auto site = load_site(kSource + "/examples/" + name + ".toml");
  EXPECT_TRUE(site) << site.error().message;
  return site ? std::move(*site) : SiteConfig{};
}

constexpr std::string_view kSmall = R"([[site]]
name = "s"
zone = "FR"
[[node_type]]
name = "t"
kind = "nvidia-h100-sxm"
accelerators = 8
cpu_cores = 100
memory_gib = 1000
idle_w = 2000
cpu_max_w = 1000
[[nodes]]
count = 10
)";

/// What the reader says of kSmall with `more` after it; empty if it takes it.
std::string fault_of(std::string_view more) {
  const auto site = parse_site(std::string(kSmall) + std::string(more), "site.toml", ".");
  return site ? "" : site.error().message;
}

TEST(SiteConfig, EveryExampleLoads) {
  for (const auto& name : {"one-server", "32-nodes", "18000", "three-sites", "h20", "mixed"}) {
    SCOPED_TRACE(name);
    const auto site = example(name);
    EXPECT_GT(site.accelerators(), 0);
    EXPECT_EQ(site.node_type.size(), site.cluster.nodes.size());
    EXPECT_EQ(site.racks.size(), site.cluster.racks.size());
    EXPECT_EQ(site.kind_sources.size(), site.cluster.kinds.size());
    EXPECT_FALSE(site.leaves.empty());
    const auto jobs = generate_jobs(site, 1, std::chrono::days(1));
    ASSERT_TRUE(jobs) << jobs.error().message;
    EXPECT_TRUE((*jobs)->next());
  }
}

TEST(SiteConfig, EighteenThousandAcceleratorsBindAtFortyMegawatts) {
  const auto site = example("18000");
  EXPECT_EQ(site.cluster.nodes.size(), 2250u);
  EXPECT_EQ(site.accelerators(), 18'000);
  EXPECT_EQ(site.cluster.racks.size(), 563u);
  EXPECT_EQ(site.cluster.domains.size(), 71u);
  const auto now = budget_at(site.sites[0].power, site.start);
  const auto later = budget_at(site.sites[0].power, *parse_rfc3339("2027-07-01"));
  EXPECT_EQ(now, 40'000'000'000);
  EXPECT_EQ(later, 100'000'000'000);
  EXPECT_GT(site.max_mw(0), *now);
  EXPECT_LT(site.max_mw(0), *now * 11 / 10);
  EXPECT_LT(site.idle_mw(0), *now / 3);
}

TEST(SiteConfig, ThreeSitesDifferInZoneLawAndCarbon) {
  const auto site = example("three-sites");
  ASSERT_EQ(site.cluster.sites.size(), 3u);
  EXPECT_EQ(site.cluster.sites[1].zone, "SE-SE3");
  EXPECT_EQ(site.cluster.sites[1].jurisdiction, "SE");
  const auto mean = [&](std::size_t i) {
    const auto values = site.sites[i].carbon.values();
    EXPECT_EQ(values.size(), 8760u) << "hourly";
    return std::accumulate(values.begin(), values.end(), std::int64_t{0}) / std::ssize(values);
  };
  EXPECT_GT(mean(2), 3 * mean(0));
  EXPECT_GT(mean(0), 2 * mean(1));
  EXPECT_EQ(site.policy.shift, "forecast");
}

TEST(SiteConfig, TenantsOwnLendAndTakeBack) {
  const auto site = example("32-nodes");
  const auto find = [&](std::string_view name) {
    return *std::ranges::find(site.accounts, name, &scheduler::Account::name);
  };
  EXPECT_EQ(find("physics").quota.nominal.accelerators_milli, 128'000);
  EXPECT_EQ(find("physics").quota.borrow.accelerators_milli, 64'000);
  EXPECT_EQ(find("physics").quota.nominal.cpu_milli, scheduler::kUnlimited);
  EXPECT_EQ(find("medicine").quota.borrow.accelerators_milli, scheduler::kUnlimited);
  EXPECT_EQ(find("language").reclaim, scheduler::Reclaim::kLowerPriority);
  EXPECT_EQ(find("physics/lattice").quota.nominal, scheduler::kUnlimitedAmount);
  EXPECT_EQ(site.leaves.size(), 5u);
  EXPECT_EQ(leaf_weights(site),
            (std::vector<std::int64_t>{375'000'000, 125'000'000, 125'000'000, 125'000'000, 250'000'000}));
  EXPECT_EQ(site.priority_classes[site.default_class].name, "normal");
  EXPECT_EQ(site.grid_events.size(), 2u);
  EXPECT_EQ(site.grid_events[0].notice, seconds(1800));
  EXPECT_FALSE(site.grid_events[1].budget_mw);
}

TEST(SiteConfig, RacksFeedsRailsAndDomainsFollowFromCounts) {
  const auto site = parse_site(R"(
[[site]]
name = "s"
zone = "FR"
  [[site.feed]]
  name = "A"
  [[site.feed]]
  name = "B"
[[node_type]]
name = "t"
cpu_cores = 1
memory_gib = 1
idle_w = 10
cpu_max_w = 10
[[nodes]]
count = 10
name = "n{08}"
per_rack = 4
per_rail = 3
rail = "leaf{01}"
per_domain = 5
feeds = ["A", "B"]
)",
                               "site.toml", ".");
  ASSERT_TRUE(site) << site.error().message;
  const auto& cluster = site->cluster;
  EXPECT_EQ(cluster.nodes[0].name, "n08");
  EXPECT_EQ(cluster.nodes[9].name, "n17");
  ASSERT_EQ(cluster.racks.size(), 3u);
  EXPECT_EQ(cluster.racks[1].feed, 1);
  EXPECT_EQ(cluster.racks[2].feed, 0);
  EXPECT_EQ(cluster.racks[2].name, "s-r003");
  EXPECT_EQ(cluster.nodes[9].rack, 2u);
  ASSERT_EQ(cluster.rails.size(), 4u);
  EXPECT_EQ(cluster.rails[3].name, "leaf04");
  EXPECT_EQ(cluster.nodes[8].rail, 2u);
  EXPECT_EQ(cluster.nodes[9].rail, 3u);
  EXPECT_EQ(cluster.nodes[4].domain, 0u);
  EXPECT_EQ(cluster.nodes[5].domain, 1u);
}

TEST(SiteConfig, FaultsNameFileLineAndKey) {
  EXPECT_EQ(fault_of(""), "");
  EXPECT_EQ(fault_of("tpye = \"t\"\n"),
            "site.toml:14: nodes.tpye: there is no such key; did you mean 'type'?");
  EXPECT_EQ(fault_of("type = \"x\"\n"), "site.toml:14: nodes.type: there is no 'x'; there is t");
  EXPECT_EQ(fault_of("per_rack = -1\n"), "site.toml:14: nodes.per_rack: -1 is not in 0 to 200000");
  EXPECT_EQ(fault_of("per_rack = \"4\"\n"), "site.toml:14: nodes.per_rack: want an integer");
  EXPECT_EQ(fault_of("[scheduler]\nplacement = \"worst\"\n"),
            "site.toml:15: scheduler.placement: 'worst' is none of dotprod, packing, "
            "bestfit, fgd, millrace, tightest");
  EXPECT_EQ(fault_of("[[kind]]\nname = \"k\"\nlike = \"nvidia-x\"\n").substr(0, 52),
            "site.toml:16: kind.like: accelerator kind \"nvidia-x\"");
  EXPECT_EQ(fault_of("[workload]\nload = 1\njobs_per_day = 2\n"),
            "site.toml:15: workload.load: stands beside jobs_per_day: give one of the two");
  EXPECT_EQ(fault_of("[grid]\nevents_csv = \"absent.csv\"\n").substr(0, 33),
            "site.toml:15: grid.events_csv: op");
  EXPECT_EQ(fault_of("[[tenant]]\nname = \"a\"\nquota = 4\nceiling = 2\n"),
            "site.toml:17: tenant.ceiling: is below the quota");
}

TEST(SiteConfig, ANamePatternNumbersWhatThereAreSeveralOf) {
  const auto names_of = [](std::string_view nodes) {
    auto text = std::string(kSmall);
    text.replace(text.find("count = 10\n"), 11, nodes);
    std::vector<std::string> names;
    for (const auto& node : parse_site(text, "site.toml", ".").value().cluster.nodes)
      names.push_back(node.name);
    return names;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names_of("count = 1\nname = \"server\"\n"), Names{"server"});
  EXPECT_EQ(names_of("count = 1\nname = \"n{07}\"\n"), Names{"n07"});
  EXPECT_EQ(names_of("count = 2\nname = \"server\"\n"), (Names{"server-1", "server-2"}));
}

TEST(SiteConfig, AFirstNumberThatIsNoneIsRefused) {
  for (const char* key : {"name", "rack", "rail", "domain"}) {
    for (const std::string& digits : {std::string("12345678901234567890"), std::string(2'000'000, '0'),
                                      std::string("x"), std::string()}) {
      const auto fault = fault_of(fmt::format("{} = \"n{{{}}}\"\n", key, digits));
      EXPECT_TRUE(fault.starts_with(fmt::format("site.toml:14: nodes.{}: ", key))) << fault.substr(0, 200);
      EXPECT_NE(fault.find("want the first number, of 1 to 9 digits, between the braces"), std::string::npos)
          << fault.substr(0, 200);
      EXPECT_LT(fault.size(), 300u);
    }
  }
}

TEST(SiteConfig, APatternThatMakesNamesWithoutEndIsRefused) {
  EXPECT_EQ(fault_of("name = \"" + std::string(1'000'000, 'n') + "\"\n"),
            "site.toml:14: nodes.name: has 1000000 bytes, want at most 200");
}

TEST(SiteConfig, ANameThatAWorkloadFileCannotHoldIsRefused) {
  EXPECT_EQ(
      fault_of("[[tenant]]\nname = \"a\\nb\"\n"),
      "site.toml:15: tenant.name: a name is not empty and holds no line end or other control character");
  EXPECT_EQ(fault_of("[[tenant]]\nname = \"\"\n").substr(0, 28), "site.toml:15: tenant.name: a");
  EXPECT_EQ(fault_of("[[tenant]]\nname = \"a\"\n[[tenant.project]]\nname = \"\\t\"\n").substr(0, 36),
            "site.toml:17: tenant.project.name: a");
  EXPECT_EQ(fault_of("[[priority_class]]\nname = \"\\r\"\npriority = 1\n").substr(0, 36),
            "site.toml:15: priority_class.name: a");
  const std::string in_list =
      ": a name that stands in lists is not empty and holds no '|', line end or other control "
      "character";
  EXPECT_EQ(fault_of("[[kind]]\nname = \"a|b\"\n"), "site.toml:15: kind.name" + in_list);
  EXPECT_EQ(fault_of("[[site]]\nname = \"z\"\nzone = \"FR|DE\"\n"), "site.toml:16: site.zone" + in_list);
  EXPECT_EQ(fault_of("[[site]]\nname = \"z\"\nzone = \"FR\"\njurisdiction = \"a|b\"\n"),
            "site.toml:17: site.jurisdiction" + in_list);
}

TEST(SiteConfig, TenantsWithOneNameAreRefused) {
  EXPECT_EQ(fault_of("[[tenant]]\nname = \"a\"\n[[tenant]]\nname = \"b\"\n[[tenant]]\nname = \"a\"\n"),
            "site.toml:19: tenant.name: 'a' stands here twice");
}

TEST(SiteConfig, ABudgetBelowIdleIsRefused) {
  auto text = std::string(kSmall);
  text.insert(text.find("zone"), "budget_kw = 19\n");
  const auto site = parse_site(text, "site.toml", ".");
  ASSERT_FALSE(site);
  EXPECT_NE(site.error().message.find("budget_kw of 's' is 19.0, but its idle nodes draw 20.0 kW"),
            std::string::npos)
      << site.error().message;
}

TEST(SiteConfig, UnknownPowerIsRefusedAndUnknownIdleIsAssumedAndTold) {
  auto text = std::string(kSmall);
  text.replace(text.find("nvidia-h100-sxm"), 15, "nvidia-h20");
  EXPECT_NE(parse_site(text, "site.toml", ".").error().message.find("the power of 'nvidia-h20' is not known"),
            std::string::npos);
  const auto site = example("h20");
  const auto h20 = std::ranges::find(site.cluster.kinds, "h20", &Capability::kind);
  ASSERT_NE(h20, site.cluster.kinds.end());
  EXPECT_EQ(h20->power_max_w, 400);
  EXPECT_EQ(h20->memory_bandwidth_gb_per_s, 4020);
  const auto h100 = std::ranges::find(site.cluster.kinds, "nvidia-h100-sxm", &Capability::kind);
  EXPECT_EQ(h100->power_idle_w, 105);
  EXPECT_NE(
      site.kind_sources[static_cast<std::size_t>(h100 - site.cluster.kinds.begin())].find("assumed, 15 %"),
      std::string::npos);
}

TEST(SiteConfig, EveryKeyStandsInTheDocumentation) {
  const auto document = host::read_file(kSource + "/docs/twin.md");
  ASSERT_TRUE(document) << document.error().message;
  const auto keys = site_keys();
  EXPECT_GT(keys.size(), 120u);
  // Sections themselves stand in headings.
  const std::set<std::string> sections = {"run",       "site",   "kind",           "node_type",
                                          "nodes",     "tenant", "priority_class", "scheduler",
                                          "economics", "grid",   "workload"};
  for (const auto& key : keys) {
    if (!sections.contains(key)) EXPECT_NE(document->find("`" + key + "`"), std::string::npos) << key;
  }
}

TEST(GridEvents, TakesTimesUnitsAndSites) {
  scheduler::Cluster cluster;
  cluster.sites.resize(2);
  cluster.sites[0].name = "a";
  cluster.sites[1].name = "b";
  const TimePoint start = *parse_rfc3339("2026-01-01");
  const auto events = read_grid_events(
      "time,budget,notice_s,site\n7200,25 MW,600,b\n2026-01-01T01:00Z,500.5,0,\n10800,,0,b\n", "g.csv",
      cluster, start);
  ASSERT_TRUE(events) << events.error().message;
  EXPECT_EQ(*events,
            (std::vector<GridEvent>{
                {.at = start + hours(1), .site = 0, .budget_mw = 500'500'000, .notice = seconds(0)},
                {.at = start + hours(2) + seconds(600),
                 .site = 1,
                 .budget_mw = 25'000'000'000,
                 .notice = seconds(600)},
                {.at = start + hours(3), .site = 1, .budget_mw = std::nullopt, .notice = seconds(0)}}));
  const auto fault = [&](std::string_view text) {
    return read_grid_events(text, "g.csv", cluster, start).error().message;
  };
  EXPECT_EQ(fault("time,notice_s\n"), "g.csv:1: has no column 'budget'; its columns are time, notice_s");
  EXPECT_EQ(fault("time,budget_kw,notice_s\n0,-1,0\n"),
            "g.csv:2: column 2 (budget_kw): want a power as 25000, 25000 kW or 25 MW, found '-1'");
  EXPECT_EQ(fault("time,budget_kw,notice_s\n0,1,x\n"),
            "g.csv:2: column 3 (notice_s): want an integer in 0 to 31622400, found 'x'");
  EXPECT_EQ(fault("time,budget_kw,notice_s,site\n0,1,0,c\n"),
            "g.csv:2: column 4 (site): there is no such site");
}

TEST(SiteConfig, ACarbonIntensityBelowZeroIsRefused) {
  std::string folder = "/tmp/millrace-carbon-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  ASSERT_TRUE(
      host::write_file_atomic(folder + "/c.csv", "t,FR\n2022-01-01T00:00Z,50\n2022-01-01T01:00Z,-3\n"));
  std::string text(kSmall);
  text.insert(text.find("zone"), "carbon_csv = \"c.csv\"\n");
  const auto site = parse_site(text, "site.toml", folder);
  ASSERT_FALSE(site);
  EXPECT_NE(site.error().message.find("c.csv: column FR holds a carbon intensity below 0"), std::string::npos)
      << site.error().message;
  EXPECT_TRUE(host::remove_tree(folder));
}

TEST(HourlyCsv, ReadsAZoneAndRefusesGaps) {
  const auto series = read_hourly_csv(
      "utc_hour,DE,FR\n2022-01-01T00:00Z,200.5,50\n2022-01-01T01:00Z,210,-1.25\n", "c.csv", "FR");
  ASSERT_TRUE(series) << series.error().message;
  EXPECT_EQ(series->start(), *parse_rfc3339("2022-01-01"));
  EXPECT_TRUE(std::ranges::equal(series->values(), std::vector<std::int64_t>{50'000, -1'250}));
  const auto fault = [](std::string_view text) {
    return read_hourly_csv(text, "c.csv", "FR").error().message;
  };
  EXPECT_EQ(fault("t,DE\n"), "c.csv:1: has no column 'FR'; its columns are t, DE");
  EXPECT_EQ(fault("t,FR\n2022-01-01T00:00Z,1\n2022-01-01T02:00Z,1\n"),
            "c.csv:3: column 1 (t): want every hour once and in order: 2022-01-01T01:00:00.000000Z");
  EXPECT_EQ(fault("t,FR\n"), "c.csv:1: holds no hours");
}

}  // namespace
}  // namespace millrace::twin
