#include "control/site_events.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "host/json.h"

namespace millrace::control {
namespace {

Result<SiteEvent> read(const host::JsonObject& o) {
  SiteEvent event;
  event.site = TRY(o.required_string("site"));
  const auto from = TRY(o.required_string("from"));
  const auto until = TRY(o.required_string("until"));
  event.from = TRY(parse_rfc3339(from));
  event.until = TRY(parse_rfc3339(until));
  event.budget_mw = TRY(o.optional_int("budget_mw"));
  event.budget_milli = TRY(o.optional_int("budget_milli"));
  if (event.until <= event.from) return failure(ErrorCode::kCorrupt, "until: is not after from");
  if (event.budget_mw.has_value() == event.budget_milli.has_value())
    return failure(ErrorCode::kCorrupt, "want one of budget_mw and budget_milli");
  if (event.budget_mw.value_or(0) < 0 || event.budget_milli.value_or(0) < 0)
    return failure(ErrorCode::kCorrupt, "the budget is below 0");
  return event;
}

}  // namespace

Result<SiteEvent> parse_site_event(std::string_view id, std::string_view json) {
  const auto fault = [&](const Error& error) {
    return failure(ErrorCode::kCorrupt, fmt::format("site event {}: {}", id, error.message));
  };
  const auto value = host::parse_json(json, {.max_depth = 2, .max_bytes = 4096});
  if (!value) return fault(value.error());
  const auto object = host::JsonObject::of(*value);
  if (!object) return fault(object.error());
  auto event = read(*object);
  if (!event) return fault(event.error());
  event->id = id;
  return event;
}

std::string to_json(const SiteEvent& event) {
  host::JsonWriter w;
  w.begin_object().field("site", event.site);
  w.field("from", to_rfc3339(event.from)).field("until", to_rfc3339(event.until));
  if (event.budget_mw) w.field("budget_mw", *event.budget_mw);
  if (event.budget_milli) w.field("budget_milli", *event.budget_milli);
  w.end_object();
  return w.take();
}

std::optional<std::int64_t> budget_at(const std::vector<SiteEvent>& events, const SiteBudget& site,
                                      TimePoint at) {
  std::optional<std::int64_t> least = site.configured_mw;
  for (const SiteEvent& event : events) {
    if (at < event.from || at >= event.until) continue;
    const std::int64_t base = site.configured_mw.value_or(site.greatest_mw);
    const std::int64_t budget = event.budget_mw ? *event.budget_mw : base / 1000 * *event.budget_milli;
    least = std::min(least.value_or(budget), budget);
  }
  return least;
}

std::vector<scheduler::BudgetChange> budget_changes(const std::vector<SiteEvent>& before,
                                                    const std::vector<SiteEvent>& after,
                                                    const SiteBudget& site, std::uint32_t site_index,
                                                    TimePoint now) {
  std::set<TimePoint> moments = {now};
  for (const auto* const events : {&before, &after}) {
    for (const SiteEvent& event : *events) {
      for (const TimePoint at : {event.from, event.until})
        if (at > now) moments.insert(at);
    }
  }
  std::vector<scheduler::BudgetChange> changes;
  for (const TimePoint at : moments) {
    changes.push_back({.scope = {.kind = scheduler::ScopeKind::kSite, .index = site_index},
                       .from = at,
                       .milliwatts = budget_at(after, site, at)});
  }
  return changes;
}

}  // namespace millrace::control
