#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "twin/site/kinds.h"
#include "twin/site/reader.h"

namespace millrace::twin {
namespace {

using host::TomlTable;

template <std::size_t Count>
void read_weights(TomlTable& table, std::string_view key, std::array<std::int32_t, Count>& weights) {
  if (!table.has(key)) return;
  const auto found = table.numbers(key, 0, 1e6);
  if (found.size() != Count) {
    table.fail(key, fmt::format("want {} numbers, found {}", Count, found.size()));
    return;
  }
  // Thousandths, so that 0.35 is exact; only their proportions count.
  std::ranges::transform(found, weights.begin(),
                         [](double value) { return static_cast<std::int32_t>(to_milli(value)); });
  if (std::ranges::all_of(weights, [](auto weight) { return weight == 0; })) table.fail(key, "all are 0");
}

std::vector<SizeShare> read_sizes(TomlTable& table) {
  std::vector<SizeShare> sizes;
  for (auto& each : table.tables("sizes")) {
    SizeShare size;
    size.accelerators = static_cast<std::int32_t>(each.integer("accelerators", 0, 1'000'000, 1));
    size.accelerator_milli = static_cast<std::int32_t>(to_milli(each.number("fraction", 0.001, 1, 1)));
    size.share = to_milli(each.number("share", 0.001, 1e9, 1));
    if (size.accelerator_milli < 1000 && size.accelerators != 1)
      each.fail("fraction", "goes with accelerators = 1 only");
    sizes.push_back(size);
  }
  if (sizes.empty()) table.fail("sizes", "is missing: want at least one { accelerators = 1, share = 1 }");
  return sizes;
}

template <typename Value>
Value read_choice(TomlTable& table, std::string_view key, std::string_view fallback,
                  std::initializer_list<std::pair<std::string_view, Value>> known) {
  const auto text = table.text(key, fallback);
  std::string list;
  for (const auto& [name, value] : known) {
    if (name == text) return value;
    list += (list.empty() ? "" : ", ") + std::string(name);
  }
  table.fail(key, fmt::format("'{}' is none of {}", text, list));
  return known.begin()->second;
}

void read_durations(TomlTable& table, WorkClass& work) {
  const auto seconds = [&](std::string_view key, std::chrono::seconds fallback) {
    return std::chrono::seconds(
        std::llround(table.number(key, 1, 3.2e9, static_cast<double>(fallback.count()))));
  };
  work.duration_median = seconds("duration_median_s", work.duration_median);
  work.duration_sigma = table.number("duration_sigma", 0, 4, work.duration_sigma);
  work.duration_min = seconds("duration_min_s", work.duration_min);
  work.duration_max = seconds("duration_max_s", work.duration_max);
  if (work.duration_max < work.duration_min) table.fail("duration_max_s", "is below duration_min_s");
}

void read_needs(SiteReader& reader, TomlTable& table, WorkNeeds& needs) {
  const auto& sites = reader.config.cluster.sites;
  const auto known = [&](std::string_view key, const std::vector<std::string>& names, auto name) {
    for (const auto& each : names) {
      if (std::ranges::find(sites, each, name) == sites.end())
        table.fail(key, fmt::format("no site of this file has '{}'", each));
    }
  };
  needs.zones = table.texts("zones");
  known("zones", needs.zones, &scheduler::Site::zone);
  needs.jurisdictions = table.texts("jurisdictions");
  known("jurisdictions", needs.jurisdictions, &scheduler::Site::jurisdiction);
  needs.attested = table.truth("attested", false);
  needs.accelerator_memory_mib = std::llround(1024 * table.number("accelerator_memory_gib", 0, 65536, 0));
}

WorkClass read_class(SiteReader& reader, TomlTable& table) {
  WorkClass work;
  work.name = table.text("name");
  work.share = to_milli(table.number("share", 0.001, 1e9, 1));
  work.priority_class = table.text("priority_class", "");
  if (!work.priority_class.empty()) {
    (void)index_of(table, "priority_class", work.priority_class, reader.config.priority_classes);
  }
  work.kind = read_choice<TraceJobKind>(table, "kind", "job",
                                        {{"job", TraceJobKind::kJob},
                                         {"service", TraceJobKind::kService},
                                         {"environment", TraceJobKind::kEnvironment}});
  work.profile = read_choice<WorkProfile>(table, "profile", "training",
                                          {{"training", WorkProfile::kTraining},
                                           {"prefill", WorkProfile::kPrefill},
                                           {"decode", WorkProfile::kDecode},
                                           {"cpu", WorkProfile::kCpu},
                                           {"unknown", WorkProfile::kUnknown}});
  work.sizes = read_sizes(table);
  read_durations(table, work);
  work.utilisation_milli = static_cast<std::int32_t>(
      to_milli(table.number("utilisation", 0.001, 1, work.utilisation_milli / 1e3)));
  work.deferrable_milli = to_milli(table.number("deferrable", 0, 1, 0));
  work.slack = hours_of(table.number("slack_h", 0, 1e5, static_cast<double>(work.slack.count()) / 3600));
  work.interruptible = table.truth("interruptible", false);
  work.one_domain = table.truth("one_domain", false);
  work.spread = read_choice<scheduler::Spread>(table, "spread", "none",
                                               {{"none", scheduler::Spread::kNone},
                                                {"node", scheduler::Spread::kNode},
                                                {"rack", scheduler::Spread::kRack},
                                                {"rail", scheduler::Spread::kRail}});
  work.kinds = table.texts("kinds");
  for (const auto& kind : work.kinds) {
    if (std::ranges::find(reader.config.cluster.kinds, kind, &Capability::kind) ==
        reader.config.cluster.kinds.end()) {
      table.fail("kinds", fmt::format("no node type of this file has '{}'", kind));
    }
  }
  read_needs(reader, table, work.needs);
  return work;
}

}  // namespace

void read_workload(SiteReader& reader, TomlTable& root) {
  auto table = root.table("workload");
  auto& workload = reader.config.workload;
  workload = default_workload();
  workload.jobs_per_day = table.number("jobs_per_day", 0, 1e8, workload.jobs_per_day);
  workload.load = table.number("load", 0.001, 100, workload.load);
  if (table.has("jobs_per_day") && table.has("load"))
    table.fail("load", "stands beside jobs_per_day: give one of the two");
  if (const std::string kind = table.text("reference_kind", ""); !kind.empty()) {
    const auto found = find_kind(reader.config, kind);
    const auto has = [&](const scheduler::Node& node) { return node.accelerators > 0 && node.kind == found; };
    if (!found || std::ranges::none_of(reader.config.cluster.nodes, has))
      table.fail("reference_kind", fmt::format("no node has '{}'", kind));
    workload.reference_kind = found.value_or(scheduler::kNoKind);
  }
  workload.jobs = table.integer("jobs", 0, 1'000'000'000, workload.jobs);
  workload.cpu_cores_per_accelerator_milli =
      to_milli(table.number("cpu_cores_per_accelerator", 0, 1024,
                            static_cast<double>(workload.cpu_cores_per_accelerator_milli) / 1e3));
  workload.memory_mib_per_accelerator =
      std::llround(1024 * table.number("memory_gib_per_accelerator", 0, 65536,
                                       static_cast<double>(workload.memory_mib_per_accelerator) / 1024));
  read_weights(table, "hour_weight", workload.hour_weight);
  read_weights(table, "weekday_weight", workload.weekday_weight);
  std::vector<WorkClass> classes;
  for (auto& each : table.tables("class")) classes.push_back(read_class(reader, each));
  if (!classes.empty()) workload.classes = std::move(classes);
}

}  // namespace millrace::twin
