// Site events: for some time a site may draw less. Records in, changes of the budget out. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/result.h"
#include "scheduler/power.h"

namespace millrace::control {

/// Record "site-event/<id>", see work_view.h.
struct SiteEvent {
  std::string id, site;
  TimePoint from{}, until{};
  std::optional<std::int64_t> budget_mw;     // one of the two
  std::optional<std::int64_t> budget_milli;  // thousandths of the base
  bool operator==(const SiteEvent&) const = default;
};

/// kCorrupt naming the key that is wrong: both budgets or none, or an end that is not after the start.
Result<SiteEvent> parse_site_event(std::string_view id, std::string_view json);
std::string to_json(const SiteEvent& event);

struct SiteBudget {
  std::optional<std::int64_t> configured_mw;  // when no event is on; nullopt: any
  std::int64_t greatest_mw = 0;               // what the site draws when everything is busy
};

/// The budget at `at`: the least of the configured one and of those of the events that are on.
std::optional<std::int64_t> budget_at(const std::vector<SiteEvent>& events, const SiteBudget& site,
                                      TimePoint at);

/// What to tell a scheduler that may have been told of `before`, so that it knows `after`: at `now` and at every later
/// moment at which an event of either begins or ends. In order of time.
std::vector<scheduler::BudgetChange> budget_changes(const std::vector<SiteEvent>& before,
                                                    const std::vector<SiteEvent>& after,
                                                    const SiteBudget& site, std::uint32_t site_index,
                                                    TimePoint now);

}  // namespace millrace::control
