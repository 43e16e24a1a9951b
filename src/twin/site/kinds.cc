#include "twin/site/kinds.h"

#include <fmt/format.h>

#include <cmath>

#include "scheduler/catalogue.h"

namespace millrace::twin {

std::optional<SourcedKind> catalogue_kind(std::string_view name) {
  const auto entry = scheduler::find_kind(name);
  if (!entry) return std::nullopt;
  return SourcedKind{.capability = (*entry)->capability(), .source = std::string((*entry)->source)};
}

SourcedKind read_kind(host::TomlTable& table, const std::string& name) {
  SourcedKind kind;
  const auto like = table.text("like", "");
  if (!like.empty()) {
    if (auto known = catalogue_kind(like)) {
      kind = std::move(*known);
      kind.source += "; changed in the site file";
    } else {
      table.fail("like", scheduler::find_kind(like).error().message);
    }
  }
  auto& figures = kind.capability;
  figures.kind = name;
  if (const auto memory = table.maybe_number("memory_gib", 0.1, 1e6)) {
    figures.memory_bytes = std::llround(*memory * 0x1p30);
  }
  const auto set = [&](std::string_view key, std::optional<double>& figure) {
    if (const auto value = table.maybe_number(key, 0, 1e7)) figure = value;
  };
  set("compute_tflops_bf16", figures.compute_tflops_bf16);
  set("memory_bandwidth_gb_per_s", figures.memory_bandwidth_gb_per_s);
  set("interconnect_gb_per_s", figures.interconnect_gb_per_s);
  set("power_idle_w", figures.power_idle_w);
  set("power_max_w", figures.power_max_w);
  if (figures.power_idle_w && figures.power_max_w && *figures.power_idle_w > *figures.power_max_w) {
    table.fail("power_idle_w", "is above power_max_w");
  }
  kind.source = table.text("source", like.empty() ? "site file" : kind.source);
  return kind;
}

std::optional<scheduler::KindIndex> find_kind(const SiteConfig& config, std::string_view name) {
  for (std::size_t i = 0; i < config.cluster.kinds.size(); ++i) {
    if (config.cluster.kinds[i].kind == name) return static_cast<scheduler::KindIndex>(i);
  }
  return std::nullopt;
}

scheduler::KindIndex add_kind(SiteConfig& config, SourcedKind kind) {
  auto& figures = kind.capability;
  if (figures.power_max_w && !figures.power_idle_w) {
    figures.power_idle_w = std::round(*figures.power_max_w * kIdlePartAssumed);
    kind.source += fmt::format("; idle draw assumed, {:.0f} % of the maximum", kIdlePartAssumed * 100);
  }
  config.cluster.kinds.push_back(std::move(figures));
  config.kind_sources.push_back(std::move(kind.source));
  return static_cast<scheduler::KindIndex>(config.cluster.kinds.size() - 1);
}

scheduler::KindIndex kind_of_type(SiteReader& reader, host::TomlTable& table) {
  const auto name = table.text("kind");
  auto index = find_kind(reader.config, name);
  if (!index) {
    auto known = catalogue_kind(name);
    if (!known) {
      table.fail("kind", fmt::format("'{}' is neither a [[kind]] of this file nor in the catalogue: {}", name,
                                     scheduler::find_kind(name).error().message));
      return 0;
    }
    index = add_kind(reader.config, std::move(*known));
  }
  if (!reader.config.cluster.kinds[*index].power_max_w) {
    table.fail("kind",
               fmt::format("the power of '{}' is not known: give a [[kind]] like it with power_max_w", name));
  }
  return *index;
}

}  // namespace millrace::twin
