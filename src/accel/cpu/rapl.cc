#include "accel/cpu/rapl.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "host/file.h"

namespace millrace::accel {
namespace {

Result<std::int64_t> read_number(const std::string& path) {
  const std::string text = TRY(host::read_file(path, 64));
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value < 0)
    return failure(ErrorCode::kCorrupt, path + ": want a number, found: " + text);
  return value;
}

bool is_package_zone(const std::string& name) {
  return name.starts_with("intel-rapl:") && std::count(name.begin(), name.end(), ':') == 1;
}

}  // namespace

Result<std::unique_ptr<Rapl>> Rapl::open(const std::string& root) {
  std::vector<Zone> zones;
  const auto names = host::list_dir(root);
  if (names) {
    for (const std::string& name : *names) {
      if (!is_package_zone(name)) continue;
      Zone zone{.file = fmt::format("{}/{}/energy_uj", root, name)};
      zone.range_uj = TRY(read_number(fmt::format("{}/{}/max_energy_range_uj", root, name)));
      auto now = read_number(zone.file);
      if (!now) return failure(ErrorCode::kDenied, "read the energy counter: " + now.error().message);
      zone.last_uj = *now;
      zones.push_back(std::move(zone));
    }
  }
  if (zones.empty())
    return failure(ErrorCode::kNotFound, "looked for a processor energy counter in " + root + ", found none");
  return std::unique_ptr<Rapl>(new Rapl(std::move(zones)));
}

Result<std::int64_t> Rapl::read_uj() {
  const std::lock_guard lock(mutex_);
  for (Zone& zone : zones_) {
    const std::int64_t now = TRY(read_number(zone.file));
    total_uj_ += now >= zone.last_uj ? now - zone.last_uj : now + zone.range_uj - zone.last_uj;
    zone.last_uj = now;
  }
  return total_uj_;
}

}  // namespace millrace::accel
