#include "apps/work_site.h"

#include <fmt/format.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <thread>

#include "core/id.h"
#include "energy/carbon.h"
#include "energy/cost.h"
#include "executor/cgroup.h"
#include "host/file.h"
#include "twin/hourly_csv.h"

namespace millrace::apps {
namespace {

constexpr std::int64_t kMiB = 1 << 20;
constexpr double kMilli = 1000.0;
constexpr int kOutlookHours = 168;

std::int64_t milliwatts(double watts) { return static_cast<std::int64_t>(watts * kMilli); }

scheduler::KindIndex kind_of(scheduler::Cluster& cluster, const host::NodeConfig& node) {
  const auto known = std::ranges::find(cluster.kinds, node.kind, &Capability::kind);
  if (known != cluster.kinds.end()) return static_cast<scheduler::KindIndex>(known - cluster.kinds.begin());
  Capability kind;
  kind.kind = node.kind;
  if (node.accelerator_memory_bytes > 0) kind.memory_bytes = node.accelerator_memory_bytes;
  if (node.accelerator_max_w > 0) {
    kind.power_idle_w = node.accelerator_idle_w;
    kind.power_max_w = node.accelerator_max_w;
  }
  cluster.kinds.push_back(std::move(kind));
  return static_cast<scheduler::KindIndex>(cluster.kinds.size() - 1);
}

template <typename Index, typename Item>
Index named(std::vector<Item>& items, const std::string& name, Index none) {
  if (name.empty()) return none;
  const auto known = std::ranges::find(items, name, &Item::name);
  if (known != items.end()) return static_cast<Index>(known - items.begin());
  Item item;
  item.name = name;
  items.push_back(std::move(item));
  return static_cast<Index>(items.size() - 1);
}

void add_nodes(const host::NodeConfig& config, double pue, control::WorkOptions& options) {
  scheduler::Cluster& cluster = options.cluster;
  scheduler::Node node;
  node.rack = named<scheduler::RackIndex>(cluster.racks, config.rack, scheduler::kNoIndex);
  node.rail = named<scheduler::RailIndex>(cluster.rails, config.rail, scheduler::kNoIndex);
  node.domain = named<scheduler::DomainIndex>(cluster.domains, config.domain, scheduler::kNoIndex);
  node.cpu_milli = static_cast<std::int64_t>(config.cpus * kMilli);
  node.memory_mib = config.memory_bytes / kMiB;
  node.accelerators = static_cast<std::int32_t>(config.accelerators);
  if (config.accelerators > 0) node.kind = kind_of(cluster, config);
  const auto model = energy::default_power_model(std::max(1, static_cast<int>(config.cpus)), pue);
  const double idle_w = config.idle_w > 0 ? config.idle_w : model.idle_w;
  const double max_w = config.max_w > 0 ? config.max_w : std::max(idle_w, model.max_w);
  node.idle_mw = milliwatts(idle_w + config.accelerator_idle_w * static_cast<double>(config.accelerators));
  node.cpu_max_mw = milliwatts(max_w - idle_w);
  node.attested = config.attested;
  for (std::int64_t i = 0; i < config.count; ++i) {
    node.name = config.name_of(i);
    cluster.nodes.push_back(node);
    options.node_budgets_mw.push_back(config.budget_w > 0 ? std::optional(milliwatts(config.budget_w))
                                                          : std::nullopt);
  }
}

std::int64_t greatest_draw_mw(const scheduler::Cluster& cluster, double pue) {
  double sum = 0;
  for (const auto& node : cluster.nodes) {
    sum += static_cast<double>(node.idle_mw + node.cpu_max_mw);
    if (node.accelerators == 0) continue;
    const Capability& kind = cluster.kinds[node.kind];
    if (kind.power_max_w)
      sum += node.accelerators * (*kind.power_max_w - kind.power_idle_w.value_or(0)) * kMilli;
  }
  return static_cast<std::int64_t>(sum * pue);
}

std::int64_t cost_microeur(const control::RunUse& use, const ledger::MachinePrice& price) {
  constexpr std::int64_t kUsPerMs = 1000;
  const auto wall_ms = std::chrono::floor<std::chrono::milliseconds>(use.ended_at - use.started_at).count();
  const std::int64_t core_us = use.cpu_milli * wall_ms;  // thousandths of a core x ms
  return energy::machine_cost_microeur(use.accelerator_ms() * kUsPerMs, core_us,
                                       price.accelerator_microeur_per_hour, price.core_microeur_per_hour);
}

}  // namespace

Machine this_machine() {
  Machine machine;
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) == 0) machine.name = name.data();
  std::ranges::transform(machine.name, machine.name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (!is_name(machine.name)) machine.name = "local";
  machine.cores = std::max<std::int64_t>(std::thread::hardware_concurrency(), 1);
  machine.limits = executor::limits_here();
  struct sysinfo info{};
  if (::sysinfo(&info) == 0)
    machine.memory_mib = static_cast<std::int64_t>(info.totalram * info.mem_unit / kMiB);
  return machine;
}

control::WorkOptions work_options(const host::Config& config, const Machine& machine,
                                  const energy::LinearPowerModel& model) {
  control::WorkOptions options;
  options.limits_kind = machine.limits.kind;
  options.limits_why = machine.limits.why;
  scheduler::Site site;
  site.name = config.site.name;
  site.zone = config.site.zone;
  site.jurisdiction =
      config.site.jurisdiction.empty() ? config.site.zone.substr(0, 2) : config.site.jurisdiction;
  site.pue = config.site.pue;
  options.cluster.sites.push_back(site);
  for (const auto& node : config.nodes) add_nodes(node, config.site.pue, options);
  if (config.nodes.empty()) {
    host::NodeConfig whole;
    whole.name = machine.name;
    whole.cpus = static_cast<double>(machine.cores);
    whole.memory_bytes = machine.memory_mib * kMiB;
    whole.idle_w = model.idle_w;
    whole.max_w = model.max_w;
    add_nodes(whole, config.site.pue, options);
  }
  control::SiteBudget budget;
  if (config.site.power_budget_w > 0) budget.configured_mw = milliwatts(config.site.power_budget_w);
  // People watch: what waits learns soon when it is expected to start. A full pass over 10,000 costs some 30 ms.
  options.policies.replan_every = std::chrono::seconds(1);
  // Starts take time. What ends, is cancelled or must draw less is heard in between, and what comes takes its turn.
  options.policies.starts_per_pass = 16;
  budget.greatest_mw = greatest_draw_mw(options.cluster, config.site.pue);
  options.budgets.push_back(budget);
  return options;
}

control::ChargeRun run_charge(const scheduler::Cluster& cluster, const energy::LinearPowerModel& model,
                              MeanIntensity intensity, const ledger::PriceBook& prices) {
  std::map<std::string, double> held_w;
  for (const Capability& kind : cluster.kinds) {
    if (kind.power_max_w) held_w[kind.kind] = *kind.power_max_w - kind.power_idle_w.value_or(0);
  }
  return [=, &prices](const control::RunUse& use) -> Result<control::RunCharge> {
    const auto price = TRY(prices.machine_at(use.started_at));
    control::RunCharge charge;
    charge.cost_microeur = cost_microeur(use, price);
    charge.price_version = price.version;
    std::int64_t energy_uj = energy::dynamic_energy_uj(model, use.cpu_us * 1000);
    for (const auto& held : use.accelerators) {
      const auto watts = held_w.find(held.kind);
      // What an accelerator draws is not known: nothing is made up, and the record says so.
      if (watts == held_w.end()) return charge;
      energy_uj += static_cast<std::int64_t>(watts->second * model.pue *
                                             static_cast<double>(held.accelerator_ms) * kMilli);
    }
    charge.energy_uj = energy_uj;
    charge.co2e_ug = energy::co2e_ug(energy_uj, intensity(use.started_at, use.ended_at));
    charge.energy_model = kRunEnergyModel;
    charge.basis = "modelled";
    return charge;
  };
}

Result<double> zone_intensity(const host::Config& config) {
  const auto known = energy::yearly_intensity(config.site.zone);
  if (known) return *known;
  return failure(ErrorCode::kInvalidArgument,
                 fmt::format("config.toml: site.zone: no carbon intensity is known for zone '{}'; use a code "
                             "of Electricity Maps such as FR, DE or SE-SE3",
                             config.site.zone));
}

namespace {

Result<std::shared_ptr<const energy::HourlySeries>> read_hours(const std::string& path,
                                                               const std::string& zone) {
  const auto text = TRY(host::read_file(path));
  return std::make_shared<const energy::HourlySeries>(TRY(twin::read_hourly_csv(text, path, zone)));
}

}  // namespace

Result<MeanIntensity> mean_intensity(const host::Config& config) {
  const double yearly = TRY(zone_intensity(config));
  if (config.site.intensity.empty()) return MeanIntensity([yearly](TimePoint, TimePoint) { return yearly; });
  const auto hours = TRY(read_hours(config.site.intensity, config.site.zone));
  return MeanIntensity([yearly, hours](TimePoint from, TimePoint to) {
    const TimePoint until = std::max(to, from + std::chrono::microseconds(1));
    const auto sum = hours->integral(from, until);  // thousandths of g/kWh x microseconds
    if (!sum) return yearly;
    return static_cast<double>(*sum) / 1000 / static_cast<double>((until - from).count());
  });
}

Result<std::function<std::optional<control::HourOutlook>(TimePoint)>> intensity_outlook(
    const std::string& path, const std::string& zone) {
  using Outlook = std::function<std::optional<control::HourOutlook>(TimePoint)>;
  if (path.empty()) return Outlook();
  const auto series = TRY(read_hours(path, zone));
  return Outlook([series](TimePoint now) -> std::optional<control::HourOutlook> {
    const auto hour = std::chrono::floor<std::chrono::hours>(now);
    control::HourOutlook outlook;
    outlook.hour = hour;
    const auto value = [&](int ahead) {
      return static_cast<double>(series->at(hour + std::chrono::hours(ahead)).value_or(0));
    };
    outlook.now = value(0);
    for (int ahead = 1; ahead <= kOutlookHours; ++ahead) outlook.coming.push_back(value(ahead));
    return outlook;
  });
}

}  // namespace millrace::apps
