#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "twin/csv.h"
#include "twin/site_config.h"
#include "twin/stable_order.h"

namespace millrace::twin {
namespace {

/// "25 MW", "25000 kW", "25000": without a unit, kilowatts.
std::optional<std::int64_t> parse_power_mw(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  auto unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (unit.starts_with(' ')) unit.remove_prefix(1);
  const double scale = unit == "W" ? 1e3 : unit.empty() || unit == "kW" ? 1e6 : unit == "MW" ? 1e9 : 0;
  if (error != std::errc{} || scale == 0 || !(value >= 0 && value * scale <= 1e17)) return std::nullopt;
  return std::llround(value * scale);
}

/// Seconds since `start`, or RFC 3339.
std::optional<TimePoint> parse_moment(std::string_view text, TimePoint start) {
  if (auto time = parse_time_field(text)) return *time;
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc{} || end != text.data() + text.size() || !(seconds >= 0 && seconds <= 1e10))
    return std::nullopt;
  return start + std::chrono::microseconds(std::llround(seconds * 1e6));
}

}  // namespace

Result<std::vector<GridEvent>> read_grid_events(std::string_view text, const std::string& file,
                                                const scheduler::Cluster& cluster, TimePoint start) {
  CsvReader csv(text, file, ',', true);
  const auto time = csv.column("time"), notice = csv.column("notice_s"), site = csv.maybe_column("site");
  const auto kilowatts = csv.maybe_column("budget_kw");
  const auto budget = kilowatts == kNoColumn ? csv.column("budget") : kilowatts;
  csv.refuse_others();
  std::vector<GridEvent> events;
  while (csv.next()) {
    GridEvent event;
    if (const auto at = parse_moment(csv.text(time), start)) {
      event.at = *at;
    } else {
      csv.fail(time, "want a time as 2026-01-31T12:00:00Z, or seconds since the start of the run");
    }
    if (!csv.text(budget).empty()) {
      event.budget_mw = parse_power_mw(csv.text(budget));
      if (!event.budget_mw)
        csv.fail(budget,
                 fmt::format("want a power as 25000, 25000 kW or 25 MW, found '{}'", csv.text(budget)));
    }
    event.notice = std::chrono::seconds(csv.integer(notice, 0, 366LL * 86'400));
    event.at += event.notice;
    if (!csv.text(site).empty()) {
      const auto found = std::ranges::find(cluster.sites, csv.text(site), &scheduler::Site::name);
      if (found == cluster.sites.end()) csv.fail(site, "there is no such site");
      event.site = static_cast<scheduler::SiteIndex>(found - cluster.sites.begin());
    }
    events.push_back(event);
  }
  TRY_VOID(csv.finish());
  sort_stably(events, &GridEvent::at);
  return events;
}

}  // namespace millrace::twin
