#include "host/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <variant>

#include "host/config_nodes.h"
#include "host/file.h"
#include "host/log.h"
#include "host/toml_library.h"

namespace millrace::host {
namespace {

using StringAt = std::string& (*)(Config&);
using IntegerAt = std::int64_t& (*)(Config&);
using DoubleAt = double& (*)(Config&);

struct Setting {
  std::string_view key;
  std::variant<StringAt, IntegerAt, DoubleAt> at;
  double least = 0, most = 1e18;  // numbers only
};

#define MILLRACE_AT(type, path) [](Config& config) -> type& { return config.path; }
const std::array kSettings = {
    Setting{"listen.address", MILLRACE_AT(std::string, listen.address)},
    Setting{"listen.tls_cert", MILLRACE_AT(std::string, listen.tls_cert)},
    Setting{"listen.tls_key", MILLRACE_AT(std::string, listen.tls_key)},
    Setting{"site.name", MILLRACE_AT(std::string, site.name)},
    Setting{"site.zone", MILLRACE_AT(std::string, site.zone)},
    Setting{"site.pue", MILLRACE_AT(double, site.pue), 1, 10},
    Setting{"site.jurisdiction", MILLRACE_AT(std::string, site.jurisdiction)},
    Setting{"site.power_budget_w", MILLRACE_AT(double, site.power_budget_w), 0, 1e12},
    Setting{"site.intensity", MILLRACE_AT(std::string, site.intensity)},
    Setting{"node.idle_w", MILLRACE_AT(double, node.idle_w), 0, 1e6},
    Setting{"node.max_w", MILLRACE_AT(double, node.max_w), 0, 1e6},
    Setting{"engine.root", MILLRACE_AT(std::string, engine.root)},
    Setting{"engine.path", MILLRACE_AT(std::string, engine.path)},
    Setting{"engine.threads", MILLRACE_AT(std::int64_t, engine.threads), 0, 1024},
    Setting{"engine.slots", MILLRACE_AT(std::int64_t, engine.slots), 1, 1024},
    Setting{"engine.context", MILLRACE_AT(std::int64_t, engine.context), 256, 1 << 24},
    Setting{"limits.connections", MILLRACE_AT(std::int64_t, limits.connections), 0, 1e7},
    Setting{"limits.body_bytes", MILLRACE_AT(std::int64_t, limits.body_bytes), 1024, 1 << 30},
    Setting{"limits.journal_slots", MILLRACE_AT(std::int64_t, limits.journal_slots), 16, 1 << 20},
    Setting{"policy.max_stale_s", MILLRACE_AT(std::int64_t, policy.max_stale_s), 1, 1e9},
    Setting{"environments.domain", MILLRACE_AT(std::string, environments.domain)},
    Setting{"environments.idle_s", MILLRACE_AT(std::int64_t, environments.idle_s), 0, 31'536'000},
    Setting{"jobs.mounts", MILLRACE_AT(std::string, jobs.mounts)},
    Setting{"jobs.keep_days", MILLRACE_AT(std::int64_t, jobs.keep_days), 0, 36500},
    Setting{"jobs.keep_most", MILLRACE_AT(std::int64_t, jobs.keep_most), 0, 1e7},
    Setting{"log.level", MILLRACE_AT(std::string, log.level)},
};
#undef MILLRACE_AT

constexpr std::string_view kNoSuchSection = "there is no such section";
/// Prices have versions, which a file has not.
constexpr std::string_view kPriceIsNoSetting =
    "prices are not set here any more: remove the section and say 'millrace price set "
    "--accelerator-eur-per-hour X --core-eur-per-hour Y'";

std::unexpected<Error> fault(std::string_view place, std::string_view key, std::string_view what) {
  return failure(ErrorCode::kInvalidArgument, fmt::format("{}: {}: {}", place, key, what));
}

const Setting* find_setting(std::string_view key) {
  const auto found = std::ranges::find(kSettings, key, &Setting::key);
  return found == kSettings.end() ? nullptr : &*found;
}

Result<void> set_number(Config& config, const Setting& setting, double value, std::string_view place) {
  if (!(value >= setting.least && value <= setting.most)) {
    return fault(place, setting.key,
                 fmt::format("{} is not in {} to {}", value, setting.least, setting.most));
  }
  if (const auto* real = std::get_if<DoubleAt>(&setting.at)) {
    (*real)(config) = value;
  } else {
    std::get<IntegerAt>(setting.at)(config) = static_cast<std::int64_t>(value);
  }
  return {};
}

Result<void> set_string(Config& config, const Setting& setting, std::string value, std::string_view place) {
  if (setting.key == "log.level" && !parse_log_level(value))
    return fault(place, setting.key, fmt::format("want debug, info, warning or error, found '{}'", value));
  std::get<StringAt>(setting.at)(config) = std::move(value);
  return {};
}

Result<void> set_from_toml(Config& config, const Setting& setting, const toml::node& node,
                           std::string_view place) {
  if (std::holds_alternative<StringAt>(setting.at)) {
    const auto* text = node.as_string();
    if (text == nullptr) return fault(place, setting.key, "want a string in quotes");
    return set_string(config, setting, text->get(), place);
  }
  if (const auto* whole = node.as_integer()) {
    return set_number(config, setting, static_cast<double>(whole->get()), place);
  }
  if (std::holds_alternative<IntegerAt>(setting.at)) return fault(place, setting.key, "want an integer");
  const auto* real = node.as_floating_point();
  if (real == nullptr) return fault(place, setting.key, "want a number");
  return set_number(config, setting, real->get(), place);
}

Result<void> set_from_text(Config& config, const ConfigOverride& override) {
  const Setting* setting = find_setting(override.key);
  if (setting == nullptr) return fault(override.source, override.key, "there is no such setting");
  if (std::holds_alternative<StringAt>(setting->at))
    return set_string(config, *setting, override.value, override.source);
  double value = 0;
  const char* last = override.value.data() + override.value.size();
  const auto [end, failed] = std::from_chars(override.value.data(), last, value);
  const bool want_whole = std::holds_alternative<IntegerAt>(setting->at);
  if (failed != std::errc{} || end != last || (want_whole && value != std::trunc(value))) {
    return fault(override.source, override.key,
                 fmt::format("want {}, found '{}'", want_whole ? "an integer" : "a number", override.value));
  }
  return set_number(config, *setting, value, override.source);
}

Result<void> apply_table(Config& config, const toml::table& table, const std::string& prefix,
                         const std::string& file) {
  for (const auto& [name, node] : table) {
    const auto key = prefix + std::string(name.str());
    const auto place = fmt::format("{}:{}", file, node.source().begin.line);
    if (const auto* tables = node.as_array(); tables != nullptr && key == "node") {
      config.nodes = TRY(read_nodes(*tables, file));
      continue;
    }
    if (const auto* section = node.as_table()) {
      const bool known = std::ranges::any_of(
          kSettings, [&](const Setting& setting) { return setting.key.starts_with(key + "."); });
      if (!known) return fault(place, key, key == "price" ? kPriceIsNoSetting : kNoSuchSection);
      TRY_VOID(apply_table(config, *section, key + ".", file));
      continue;
    }
    const Setting* setting = find_setting(key);
    if (setting == nullptr) return fault(place, key, "there is no such setting");
    TRY_VOID(set_from_toml(config, *setting, node, place));
  }
  return {};
}

Result<void> check_whole(const Config& config, const std::string& file) {
  if (config.listen.tls_cert.empty() != config.listen.tls_key.empty()) {
    return fault(file, "listen.tls_cert",
                 "listen.tls_cert and listen.tls_key belong together: set both or none");
  }
  if (config.node.max_w != 0 && config.node.max_w < config.node.idle_w) {
    return fault(file, "node.max_w", "is below node.idle_w");
  }
  return {};
}

/// Paths that do not start at the root lie below the home folder, whatever folder a process was started in.
void place_files(Config& config) {
  for (std::string* path : {&config.listen.tls_cert, &config.listen.tls_key, &config.site.intensity,
                            &config.engine.root, &config.engine.path}) {
    if (!path->empty() && path->front() != '/') *path = config.home + "/" + *path;
  }
}

}  // namespace

Result<Config> parse_config(std::string_view text, const std::string& file, const std::string& home,
                            const std::vector<ConfigOverride>& overrides) {
  Config config;
  config.home = home;
  const toml::parse_result parsed = toml::parse(text, file);
  if (!parsed) {
    const auto& problem = parsed.error();
    return failure(ErrorCode::kInvalidArgument, fmt::format("{}:{}: {}", file, problem.source().begin.line,
                                                            std::string_view(problem.description())));
  }
  TRY_VOID(apply_table(config, parsed.table(), "", file));
  for (const auto& override : overrides) TRY_VOID(set_from_text(config, override));
  TRY_VOID(check_whole(config, file));
  place_files(config);
  return config;
}

Result<Config> load_config(const std::string& home, const std::vector<ConfigOverride>& overrides) {
  const std::string file = home + "/config.toml";
  auto text = read_file(file, 1u << 20);
  if (!text) {
    if (text.error().code != ErrorCode::kNotFound) return std::unexpected(std::move(text.error()));
    text = std::string();
  }
  return parse_config(*text, file, home, overrides);
}

}  // namespace millrace::host
