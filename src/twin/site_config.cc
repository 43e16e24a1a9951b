#include "twin/site_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/file.h"
#include "twin/site/reader.h"

namespace millrace::twin {
namespace {

std::int64_t with_pue(std::int64_t milliwatts, double pue) {
  return std::llround(static_cast<double>(milliwatts) * pue);
}

std::int64_t accelerators_max_mw(const scheduler::Cluster& cluster, const scheduler::Node& node) {
  if (node.accelerators == 0) return 0;
  const auto& kind = cluster.kinds[node.kind];
  return std::llround((kind.power_max_w.value_or(0) - kind.power_idle_w.value_or(0)) * 1e3) *
         node.accelerators;
}

void check_whole(SiteReader& reader, host::TomlTable& root) {
  const auto& config = reader.config;
  for (std::size_t i = 0; i < config.sites.size(); ++i) {
    const auto site = static_cast<scheduler::SiteIndex>(i);
    const auto holds =
        std::ranges::any_of(config.cluster.nodes, [&](const auto& node) { return node.site == site; });
    if (!holds) root.fail("nodes", fmt::format("site '{}' has no nodes", config.cluster.sites[i].name));
    for (const auto& stage : config.sites[i].power) {
      if (stage.budget_mw < config.idle_mw(site)) {
        root.fail("site",
                  fmt::format("budget_kw of '{}' is {:.1f}, but its idle nodes draw {:.1f} kW with PUE",
                              config.cluster.sites[i].name, static_cast<double>(stage.budget_mw) / 1e6,
                              static_cast<double>(config.idle_mw(site)) / 1e6));
      }
    }
  }
}

void read_all(SiteReader& reader, host::TomlTable root) {
  auto& config = reader.config;
  config.name = root.text("name", "site");
  auto run = root.table("run");
  const auto start = run.maybe_time("start");
  config.start =
      start ? *start : TimePoint(std::chrono::sys_days(std::chrono::year(2026) / 1 / 5));  // a Monday
  config.days = run.number("days", 0.001, 3660, config.days);
  using Part = void (*)(SiteReader&, host::TomlTable&);
  for (const Part part : {read_kinds, read_sites, read_node_types, read_nodes, read_accounts, read_classes,
                          read_scheduler, read_economics, read_grid, read_workload}) {
    part(reader, root);
  }
  if (!reader.document.failed()) check_whole(reader, root);
}

}  // namespace

std::optional<std::int64_t> budget_at(const PowerStages& stages, TimePoint time) {
  std::optional<std::int64_t> budget;
  for (const auto& stage : stages) {
    if (stage.since <= time) budget = stage.budget_mw;
  }
  return budget;
}

std::int64_t SiteConfig::accelerators() const {
  std::int64_t sum = 0;
  for (const auto& node : cluster.nodes) sum += node.accelerators;
  return sum;
}

std::int64_t SiteConfig::idle_mw(scheduler::SiteIndex site) const {
  std::int64_t sum = 0;
  for (const auto& node : cluster.nodes) sum += node.site == site ? node.idle_mw : 0;
  return with_pue(sum, cluster.sites[site].pue);
}

std::int64_t SiteConfig::max_mw(scheduler::SiteIndex site) const {
  std::int64_t sum = 0;
  for (const auto& node : cluster.nodes) {
    if (node.site == site) sum += node.idle_mw + node.cpu_max_mw + accelerators_max_mw(cluster, node);
  }
  return with_pue(sum, cluster.sites[site].pue);
}

std::vector<std::int64_t> leaf_weights(const SiteConfig& site) {
  const auto& accounts = site.accounts;
  std::vector<std::int64_t> sums(accounts.size(), 0);  // of the children's weights
  std::int64_t roots = 0;
  for (const auto& account : accounts) {
    (account.parent == scheduler::kNoAccount ? roots : sums[account.parent]) += account.weight_milli;
  }
  std::vector<double> parts(accounts.size(), 0);  // parents come first
  for (std::size_t i = 0; i < accounts.size(); ++i) {
    const bool root = accounts[i].parent == scheduler::kNoAccount;
    const double whole = root ? 1.0 : parts[accounts[i].parent];
    const auto siblings = root ? roots : sums[accounts[i].parent];
    parts[i] = whole * accounts[i].weight_milli / static_cast<double>(siblings);
  }
  std::vector<std::int64_t> weights;
  for (const auto leaf : site.leaves)
    weights.push_back(std::max<std::int64_t>(1, std::llround(parts[leaf] * 1e9)));
  return weights;
}

Result<SiteConfig> parse_site(std::string_view text, const std::string& file, const std::string& folder) {
  const auto document = TRY(host::TomlDocument::parse(text, file));
  SiteConfig config;
  SiteReader reader{*document, folder, config};
  read_all(reader, document->root());
  TRY_VOID(document->finish());
  return config;
}

Result<SiteConfig> load_site(const std::string& path) {
  constexpr std::size_t kBytesMax = 4u << 20;
  const auto text = TRY(host::read_file(path, kBytesMax));
  const auto slash = path.find_last_of('/');
  return parse_site(text, path, slash == std::string::npos ? "." : path.substr(0, slash));
}

std::set<std::string> site_keys() {
  // A file with one of every table, so that every part asks for its keys; that it is wrong elsewhere does not matter.
  constexpr std::string_view kEveryTable =
      "[[kind]]\n[[site]]\npower = [{}]\n[[site.feed]]\npower = [{}]\n[[node_type]]\naccelerators = "
      "1\n[[nodes]]\n"
      "[[tenant]]\n[[tenant.project]]\n[[priority_class]]\n[[economics.price]]\n[[grid.event]]\n"
      "[[workload.class]]\nsizes = [{}]\n";
  const auto document = host::TomlDocument::parse(kEveryTable, "");
  if (!document) return {};
  SiteConfig config;
  SiteReader reader{**document, ".", config};
  read_all(reader, (*document)->root());
  return (*document)->asked();
}

}  // namespace millrace::twin
