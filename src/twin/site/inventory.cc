#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "energy/carbon.h"
#include "twin/hourly_csv.h"
#include "twin/site/kinds.h"
#include "twin/site/reader.h"

namespace millrace::twin {
namespace {

using host::TomlTable;

constexpr double kEuroMax = 1e12;
constexpr std::int64_t kNodesMax = 200'000;
constexpr std::size_t kKindsMax = 64;  // TraceJob::kinds is a mask of so many

energy::HourlySeries constant_series(TimePoint start, std::int64_t thousandths) {
  // One hour that wraps stands for all; a value within the limits cannot be refused.
  return *energy::HourlySeries::create(start, {thousandths}, energy::Outside::kWraps);
}

energy::HourlySeries series_of_file(SiteReader& reader, TomlTable& table, std::string_view key,
                                    const std::string& path, std::string_view column) {
  const auto text = read_named_file(reader, table, key, path);
  if (!reader.document.failed()) {
    auto series = read_hourly_csv(text, path, column);
    if (series) return std::move(*series);
    table.fail(key, series.error().message);
  }
  return constant_series(reader.config.start, 0);
}

void read_carbon(SiteReader& reader, TomlTable& table, const scheduler::Site& site, SiteInfo& info) {
  const auto path = table.text("carbon_csv", "");
  const auto flat = table.maybe_number("carbon_g_per_kwh", 0, 1e5);
  if (!path.empty()) {
    if (flat) table.fail("carbon_g_per_kwh", "stands beside carbon_csv: give one of the two");
    info.carbon = series_of_file(reader, table, "carbon_csv", path, site.zone);
    if (std::ranges::any_of(info.carbon.values(), [](std::int64_t value) { return value < 0; }))
      table.fail("carbon_csv",
                 fmt::format("{}: column {} holds a carbon intensity below 0", path, site.zone));
    info.carbon_source = path;
    return;
  }
  if (flat) {
    info.carbon = constant_series(reader.config.start, to_milli(*flat));
    info.carbon_source = "site file";
    return;
  }
  const auto yearly = energy::yearly_intensity(site.zone);
  if (!yearly) {
    table.fail("zone",
               fmt::format("the bundled yearly means do not hold '{}': give carbon_g_per_kwh or carbon_csv",
                           site.zone));
    return;
  }
  info.carbon = constant_series(reader.config.start, to_milli(*yearly));
  info.carbon_source = "yearly mean of 2025, " + site.zone;
}

void read_price(SiteReader& reader, TomlTable& table, const scheduler::Site& site, SiteInfo& info) {
  const auto path = table.text("price_csv", "");
  const auto flat = table.maybe_number("energy_eur_per_mwh", -1000, 1e5);
  if (path.empty()) {
    // Order of the wholesale price plus network charges of large consumers in the EU; docs/twin.md.
    constexpr double kDefaultEurPerMwh = 100;
    info.price = constant_series(reader.config.start, to_milli(flat.value_or(kDefaultEurPerMwh)));
    info.price_source = flat ? "site file" : "default of 100 EUR/MWh";
    return;
  }
  if (flat) table.fail("energy_eur_per_mwh", "stands beside price_csv: give one of the two");
  info.price = series_of_file(reader, table, "price_csv", path, site.zone);
  info.price_source = path;
}

void read_feeds(SiteReader& reader, TomlTable& table, scheduler::SiteIndex site) {
  auto& cluster = reader.config.cluster;
  for (auto& feed : table.tables("feed")) {
    if (cluster.feeds.size() >= scheduler::kNoFeed) return feed.fail("name", "too many feeds");
    const auto name = feed.text("name");
    for (const auto& other : cluster.feeds) {
      if (other.site == site && other.name == name) feed.fail("name", "the site has this feed already");
    }
    cluster.feeds.push_back({.name = name, .site = site});
    auto power = read_power(feed);
    reader.config.feeds.push_back({.power = std::move(power), .failures = read_failures(feed)});
  }
}

/// What one [[nodes]] table says.
struct NodeGroup {
  std::uint16_t type = 0;
  scheduler::SiteIndex site = 0;
  std::int64_t count = 0, per_rack = 0, per_rail = 0, per_domain = 0;
  std::string name, rack, rail, domain;
  std::vector<scheduler::FeedIndex> feeds;
  std::int64_t rack_budget_mw = 0;
};

NodeGroup read_group(SiteReader& reader, TomlTable& table) {
  auto& config = reader.config;
  const auto& cluster = config.cluster;
  NodeGroup group;
  const auto site = table.text("site", cluster.sites.size() == 1 ? cluster.sites[0].name : "");
  group.site = static_cast<scheduler::SiteIndex>(index_of(table, "site", site, cluster.sites));
  const auto type = table.text("type", config.node_types.size() == 1 ? config.node_types[0].name : "");
  group.type = static_cast<std::uint16_t>(index_of(table, "type", type, config.node_types));
  group.count = table.integer("count", 1, kNodesMax);
  group.name = read_pattern(table, "name", site + "-n{0001}");
  group.per_rack = table.integer("per_rack", 0, kNodesMax, 0);
  group.rack = read_pattern(table, "rack", site + "-r{001}");
  group.per_rail = table.integer("per_rail", 0, kNodesMax, 0);
  group.rail = read_pattern(table, "rail", site + "-l{001}");
  group.per_domain = table.integer("per_domain", 0, kNodesMax, 0);
  group.domain = read_pattern(table, "domain", site + "-d{001}");
  group.rack_budget_mw = std::llround(table.number("rack_budget_kw", 0, 1e6, 0) * 1e6);
  if (group.rack_budget_mw != 0 && group.per_rack == 0) table.fail("rack_budget_kw", "needs per_rack");
  for (const auto& feed : table.texts("feeds")) {
    const auto found = std::ranges::find_if(
        cluster.feeds, [&](const auto& each) { return each.site == group.site && each.name == feed; });
    if (found == cluster.feeds.end()) {
      table.fail("feeds", fmt::format("site '{}' has no feed '{}'", site, feed));
      continue;
    }
    group.feeds.push_back(static_cast<scheduler::FeedIndex>(found - cluster.feeds.begin()));
  }
  if (!group.feeds.empty() && group.per_rack == 0)
    table.fail("feeds", "needs per_rack: a feed supplies racks");
  return group;
}

/// Index of the rack, rail or domain of the i-th node of a table; it is made with its first node.
template <typename Item>
std::uint32_t holder_of(std::vector<Item>& items, std::int64_t i, std::int64_t nodes_each,
                        std::string_view pattern, scheduler::SiteIndex site) {
  if (nodes_each == 0) return scheduler::kNoIndex;
  if (i % nodes_each == 0) {
    items.emplace_back();
    items.back().name = numbered(pattern, i / nodes_each);
    items.back().site = site;
  }
  return static_cast<std::uint32_t>(items.size() - 1);
}

void add_nodes(SiteConfig& config, const NodeGroup& group) {
  auto& cluster = config.cluster;
  for (std::int64_t i = 0; i < group.count; ++i) {
    auto node = config.node_types[group.type].node;
    node.name = numbered_of(group.name, i, group.count);
    node.site = group.site;
    node.rack = holder_of(cluster.racks, i, group.per_rack, group.rack, group.site);
    if (config.racks.size() < cluster.racks.size()) {
      const auto rack = static_cast<std::size_t>(i / group.per_rack);
      if (!group.feeds.empty()) cluster.racks.back().feed = group.feeds[rack % group.feeds.size()];
      config.racks.push_back({.budget_mw = group.rack_budget_mw});
    }
    node.rail = holder_of(cluster.rails, i, group.per_rail, group.rail, group.site);
    node.domain = holder_of(cluster.domains, i, group.per_domain, group.domain, group.site);
    cluster.nodes.push_back(std::move(node));
    config.node_type.push_back(group.type);
  }
}

template <typename Items>
std::optional<std::string> doubled_name(const Items& items) {
  std::vector<std::string_view> names;
  names.reserve(items.size());
  for (const auto& item : items) names.push_back(item.name);
  std::ranges::sort(names);
  const auto found = std::ranges::adjacent_find(names);
  return found == names.end() ? std::nullopt : std::optional<std::string>(*found);
}

}  // namespace

void read_kinds(SiteReader& reader, TomlTable& root) {
  for (auto& table : root.tables("kind")) {
    const auto name = read_name(table, "name", NamePlace::kInLists);
    auto kind = read_kind(table, name);
    if (find_kind(reader.config, name)) table.fail("name", "stands here twice");
    add_kind(reader.config, std::move(kind));
  }
}

void read_sites(SiteReader& reader, TomlTable& root) {
  auto tables = root.tables("site");
  if (tables.empty()) root.fail("site", "is missing: want at least one [[site]]");
  for (auto& table : tables) {
    scheduler::Site site;
    site.name = table.text("name");
    site.zone = read_name(table, "zone", NamePlace::kInLists);
    site.jurisdiction = table.text("jurisdiction", site.zone.substr(0, site.zone.find('-')));
    if (table.has("jurisdiction")) check_name(table, "jurisdiction", site.jurisdiction, NamePlace::kInLists);
    site.pue = table.number("pue", 1, 10, 1);
    SiteInfo info{.power = read_power(table),
                  .carbon = constant_series(reader.config.start, 0),
                  .carbon_source = {},
                  .price = constant_series(reader.config.start, 0),
                  .price_source = {}};
    read_carbon(reader, table, site, info);
    read_price(reader, table, site, info);
    info.capital_microeur = to_micro(table.number("capital_eur", 0, kEuroMax, 0));
    info.operations_microeur_per_year = to_micro(table.number("operations_eur_per_year", 0, kEuroMax, 0));
    info.demand_microeur_per_kw_year = to_micro(table.number("demand_eur_per_kw_year", 0, 1e6, 0));
    read_feeds(reader, table, static_cast<scheduler::SiteIndex>(reader.config.cluster.sites.size()));
    reader.config.cluster.sites.push_back(std::move(site));
    reader.config.sites.push_back(std::move(info));
    if (reader.config.sites.size() > 1000) return table.fail("name", "more than 1,000 sites");
  }
  if (const auto name = doubled_name(reader.config.cluster.sites)) {
    root.fail("site", fmt::format("there are two sites called '{}'", *name));
  }
}

void read_node_types(SiteReader& reader, TomlTable& root) {
  for (auto& table : root.tables("node_type")) {
    NodeType type;
    type.name = table.text("name");
    auto& node = type.node;
    node.accelerators =
        static_cast<std::int32_t>(table.integer("accelerators", 0, scheduler::kDevicesMax, 0));
    if (node.accelerators > 0) {
      node.kind = kind_of_type(reader, table);
    } else if (table.has("kind")) {
      table.fail("kind", "goes with accelerators only");
    }
    node.cpu_milli = to_milli(table.number("cpu_cores", 0.1, 1e5));
    node.memory_mib = std::llround(table.number("memory_gib", 0.1, 1e6) * 1024);
    node.attested = table.truth("attested", false);
    node.idle_mw = to_milli(table.number("idle_w", 0, 1e6));
    node.cpu_max_mw = to_milli(table.number("cpu_max_w", 0, 1e6));
    type.budget_mw = to_milli(table.number("budget_w", 0, 1e6, 0));
    if (type.budget_mw != 0 && type.budget_mw < node.idle_mw) table.fail("budget_w", "is below idle_w");
    type.failures = read_failures(table);
    type.capital_microeur = to_micro(table.number("capital_eur", 0, 1e9, 0));
    reader.config.node_types.push_back(std::move(type));
    if (reader.config.cluster.kinds.size() > kKindsMax)
      table.fail("kind", "more than 64 kinds of accelerator");
  }
  if (reader.config.node_types.empty()) root.fail("node_type", "is missing: want at least one [[node_type]]");
  if (const auto name = doubled_name(reader.config.node_types)) {
    root.fail("node_type", fmt::format("there are two node types called '{}'", *name));
  }
}

void read_nodes(SiteReader& reader, TomlTable& root) {
  auto tables = root.tables("nodes");
  if (tables.empty()) root.fail("nodes", "is missing: want at least one [[nodes]]");
  for (auto& table : tables) {
    const auto group = read_group(reader, table);
    if (reader.document.failed()) return;  // its references lead nowhere
    if (std::cmp_greater(reader.config.cluster.nodes.size() + static_cast<std::size_t>(group.count),
                         kNodesMax)) {
      return table.fail("count", fmt::format("more than {} nodes in all", kNodesMax));
    }
    add_nodes(reader.config, group);
  }
  const auto& cluster = reader.config.cluster;
  if (const auto name = doubled_name(cluster.nodes)) {
    root.fail("nodes",
              fmt::format("two nodes are called '{}': give each [[nodes]] a name of its own", *name));
  }
  if (const auto name = doubled_name(cluster.racks)) {
    root.fail("nodes",
              fmt::format("two racks are called '{}': give each [[nodes]] a rack of its own", *name));
  }
  if (const auto name = doubled_name(cluster.rails)) {
    root.fail("nodes",
              fmt::format("two rails are called '{}': give each [[nodes]] a rail of its own", *name));
  }
  if (const auto name = doubled_name(cluster.domains)) {
    root.fail("nodes",
              fmt::format("two domains are called '{}': give each [[nodes]] a domain of its own", *name));
  }
}

}  // namespace millrace::twin
