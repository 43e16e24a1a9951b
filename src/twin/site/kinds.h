// Kinds of accelerator in a site.toml: from the catalogue by name, from figures in the file, or one like another.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/capability.h"
#include "host/toml.h"
#include "twin/site/reader.h"

namespace millrace::twin {

struct SourcedKind {
  Capability capability;
  std::string source;
};

/// Idle draw that is assumed where none is known, in parts of the maximum: A100s in AcmeTrace idle at 60 W of 400 W (gpu_power).
inline constexpr double kIdlePartAssumed = 0.15;

/// The kind of the bundled catalogue; nullopt if it is not there.
std::optional<SourcedKind> catalogue_kind(std::string_view name);

/// Reads one [[kind]] called `name`.
SourcedKind read_kind(host::TomlTable& table, const std::string& name);

std::optional<scheduler::KindIndex> find_kind(const SiteConfig& config, std::string_view name);
scheduler::KindIndex add_kind(SiteConfig& config, SourcedKind kind);

/// The kind that a [[node_type]] names: one of the file, or of the catalogue, which is added then. A fault if its power is
/// not known.
scheduler::KindIndex kind_of_type(SiteReader& reader, host::TomlTable& table);

}  // namespace millrace::twin
