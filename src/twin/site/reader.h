// The parts of the site.toml reader: each reads its tables into the SiteConfig and leaves faults in the document.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "host/toml.h"
#include "twin/site_config.h"

namespace millrace::twin {

struct SiteReader {
  host::TomlDocument& document;
  std::string folder;  // where relative paths begin
  SiteConfig& config;
};

/// In this order: later parts refer to earlier ones by name.
void read_kinds(SiteReader& reader, host::TomlTable& root);
void read_sites(SiteReader& reader, host::TomlTable& root);  // [[site]], [[site.feed]]
void read_node_types(SiteReader& reader, host::TomlTable& root);
void read_nodes(SiteReader& reader, host::TomlTable& root);     // [[nodes]]: nodes, racks, rails, domains
void read_accounts(SiteReader& reader, host::TomlTable& root);  // [[tenant]], [[tenant.project]]
void read_classes(SiteReader& reader, host::TomlTable& root);   // [[priority_class]]
void read_scheduler(SiteReader& reader, host::TomlTable& root);
void read_economics(SiteReader& reader, host::TomlTable& root);
void read_grid(SiteReader& reader, host::TomlTable& root);
void read_workload(SiteReader& reader, host::TomlTable& root);

/// The text of the file named at `key`, relative to the folder; empty with a fault if it cannot be read.
std::string read_named_file(SiteReader& reader, host::TomlTable& table, std::string_view key,
                            const std::string& path);
/// Index in `items` (with members `name`) of the one called `name`; a fault at `key` that lists the names otherwise.
template <typename Items>
std::size_t index_of(host::TomlTable& table, std::string_view key, std::string_view name,
                     const Items& items) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (items[i].name == name) return i;
  }
  std::string known;
  for (const auto& item : items) {
    if (known.size() > 200) break;
    known += (known.empty() ? "" : ", ") + item.name;
  }
  table.fail(key, "there is no '" + std::string(name) + "'; there is " + (known.empty() ? "none" : known));
  return 0;
}

/// The name at `key`; a fault unless a field of a CSV can hold it. In lists: also among others with "|" between, as kinds,
/// zones and jurisdictions stand there.
enum class NamePlace : std::uint8_t { kAlone, kInLists };
std::string read_name(host::TomlTable& table, std::string_view key, NamePlace place = NamePlace::kAlone);
void check_name(host::TomlTable& table, std::string_view key, std::string_view name, NamePlace place);

/// Whole milliwatts, micro-euro and seconds of a decimal figure.
std::int64_t to_milli(double value);
std::int64_t to_micro(double value);
std::chrono::seconds hours_of(double hours);

/// "mtbf_h" and "repair_h" of a table.
FailureRate read_failures(host::TomlTable& table);
/// "budget_kw" (one stage from the beginning of time) or "power" (an array of {from, budget_kw}).
PowerStages read_power(host::TomlTable& table);

/// A pattern of names for `numbered` at `key`, or `fallback`; a fault if it holds too much, or no first number in its braces.
std::string read_pattern(host::TomlTable& table, std::string_view key, std::string_view fallback);
/// "gpu-{001}" and 41 -> "gpu-042": the braces hold the first number, with its width. Without braces: the pattern and "-",
/// and the number counted from 1.
std::string numbered(std::string_view pattern, std::int64_t number);
/// The same, but a pattern without braces is the name of the only one there is.
std::string numbered_of(std::string_view pattern, std::int64_t number, std::int64_t count);

}  // namespace millrace::twin
