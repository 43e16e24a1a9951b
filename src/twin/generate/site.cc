#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "energy/carbon.h"
#include "scheduler/catalogue.h"
#include "twin/generate/sampler.h"
#include "twin/generator.h"
#include "twin/site/kinds.h"

namespace millrace::twin {
namespace {

// Of one server with eight accelerators besides them: AcmeTrace's GPU servers idle at 1,500 W, of which eight A100 take
// 480 W (server_power, gpu_power); two processors of 350 W at full load.
constexpr double kChassisIdleW = 1020, kChassisIdleSmallW = 120, kCpuMaxW = 700;
constexpr std::int64_t kNodesPerRack = 4, kNodesPerDomain = 32;

struct Draw {
  double idle_w = 0, cpu_max_w = 0, full_w = 0;  // of a node
};

Draw draw_of(const GenerateSiteOptions& options, const Capability& kind) {
  const double part = options.accelerators / 8.0;
  const double idle = kind.power_idle_w.value_or(std::round(*kind.power_max_w * kIdlePartAssumed));
  Draw draw;
  draw.idle_w = std::round(kChassisIdleSmallW + (kChassisIdleW - kChassisIdleSmallW) * part +
                           idle * options.accelerators);
  draw.cpu_max_w = std::round(kCpuMaxW * std::max(part, 0.25));
  draw.full_w = draw.idle_w + draw.cpu_max_w + (*kind.power_max_w - idle) * options.accelerators;
  return draw;
}

std::string tenants_text(const GenerateSiteOptions& options) {
  constexpr std::array kNames = {"astronomy", "biology",  "chemistry", "climate",     "economics", "energy",
                                 "geology",   "language", "materials", "mathematics", "medicine",  "physics",
                                 "robotics",  "speech",   "vision",    "weather"};
  Sampler sampler(options.seed);
  std::string text;
  for (std::int32_t t = 0; t < options.tenants; ++t) {
    const auto round = static_cast<std::size_t>(t) / kNames.size();
    const auto* base = kNames[(static_cast<std::size_t>(t) + options.seed) % kNames.size()];
    text += fmt::format("\n[[tenant]]\nname = \"{}{}\"\nweight = {}\n", base,
                        round == 0 ? "" : fmt::format("-{}", round + 1), 1 + sampler.below(4));
    for (std::int32_t p = 1; p <= options.projects; ++p) {
      text += fmt::format("  [[tenant.project]]\n  name = \"project-{}\"\n  weight = {}\n", p,
                          1 + sampler.below(4));
    }
  }
  return text;
}

}  // namespace

Result<std::string> generate_site(const GenerateSiteOptions& options) {
  const auto invalid = [](std::string message) {
    return failure(ErrorCode::kInvalidArgument, std::move(message));
  };
  if (options.nodes < 1 || options.nodes > 100'000)
    return invalid(fmt::format("--nodes: {} is not in 1 to 100000", options.nodes));
  if (options.accelerators < 1 || options.accelerators > scheduler::kDevicesMax) {
    return invalid(
        fmt::format("--accelerators: {} is not in 1 to {}", options.accelerators, scheduler::kDevicesMax));
  }
  if (options.tenants < 1 || options.projects < 1 || options.tenants > 1000 || options.projects > 50) {
    return invalid("--tenants is 1 to 1000, --projects 1 to 50");
  }
  if (!(options.budget_kw >= 0))
    return invalid(fmt::format("--budget-kw: {} is below 0; 0 is what all draw at full load, less a tenth",
                               options.budget_kw));
  const auto kind = catalogue_kind(options.kind);
  if (!kind) return invalid("--kind: " + scheduler::find_kind(options.kind).error().message);
  if (!kind->capability.power_max_w)
    return invalid(fmt::format("--kind: the power of '{}' is not known", options.kind));
  if (!energy::yearly_intensity(options.zone))
    return invalid(fmt::format("--zone: no yearly mean is bundled for '{}'", options.zone));
  const auto draw = draw_of(options, kind->capability);
  constexpr double kPue = 1.2;
  const double full_kw = draw.full_w * kPue * static_cast<double>(options.nodes) / 1000;
  const double budget_kw = options.budget_kw > 0 ? options.budget_kw : std::round(full_kw * 0.9 * 10) / 10;
  if (!(budget_kw >= draw.idle_w * kPue * static_cast<double>(options.nodes) / 1000)) {
    return invalid(fmt::format("--budget-kw: {} is below what the nodes draw when nothing runs", budget_kw));
  }
  return fmt::format(
      "# {0} nodes with {1} x {2}: made by `millrace twin generate site`, seed {3}. Keys: docs/twin.md.\n"
      "name = \"{4} accelerators\"\n\n"
      "[[site]]\nname = \"hall\"\nzone = \"{5}\"\npue = {6}\n"
      "budget_kw = {7}  # all nodes at full load would draw {8:.1f} kW\n\n"
      "[[node_type]]\nname = \"node\"\nkind = \"{2}\"\naccelerators = {1}\ncpu_cores = {9}\nmemory_gib = "
      "{10}\n"
      "idle_w = {11}\ncpu_max_w = {12}\nmtbf_h = 8760\nrepair_h = 24\n\n"
      "[[nodes]]\ncount = {0}\nper_rack = {13}\nper_domain = {14}\n{15}",
      options.nodes, options.accelerators, options.kind, options.seed, options.nodes * options.accelerators,
      options.zone, kPue, budget_kw, full_kw, 16 * options.accelerators, 256 * options.accelerators,
      draw.idle_w, draw.cpu_max_w, kNodesPerRack, kNodesPerDomain, tenants_text(options));
}

}  // namespace millrace::twin
