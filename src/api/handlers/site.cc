// the site's power: what it draws, and events during which it may draw less
#include <cmath>

#include "api/handlers/handlers.h"

namespace millrace::api {

namespace json = boost::json;
using identity::Action;

namespace {

json::value watts(const std::optional<std::int64_t>& milliwatts) {
  return milliwatts ? json::value(double(*milliwatts) / 1e3) : json::value();
}

json::object event_json(const platform::SiteEvent& event) {
  return {
      {"id", event.id},
      {"site", event.site},
      {"from", to_rfc3339(event.from)},
      {"until", to_rfc3339(event.until)},
      {"budget_w", watts(event.budget_mw)},
      {"budget_percent", event.budget_milli ? json::value(double(*event.budget_milli) / 10) : json::value()}};
}

Result<Reply> show_power(Services& services, const Call&) {
  json::array sites;
  for (const control::SitePower& site : services.jobs.view().power()) {
    sites.push_back(json::object{{"site", site.site},
                                 {"zone", text_json(site.zone)},
                                 {"draw_w", double(site.draw_mw) / 1e3},
                                 {"budget_w", watts(site.budget_mw)},
                                 {"budget_until", time_json(site.budget_until)},
                                 {"infeasible", site.infeasible},
                                 {"nodes_to_switch_off", json::array(site.nodes_to_switch_off.begin(),
                                                                     site.nodes_to_switch_off.end())}});
  }
  return json_reply(200, json::object{{"data", std::move(sites)}});
}

Result<Reply> list_events(Services& services, const Call&) {
  json::array all;
  for (const auto& event : TRY(services.wishes.events())) all.push_back(event_json(event));
  return json_reply(200, json::object{{"data", std::move(all)}});
}

Result<Reply> create_event(Services& services, const Call& call) {
  const json::object& body = call.body.as_object();
  const TimePoint now = services.clock.now();
  platform::SiteEventRequest request;
  if (const auto* site = body.if_contains("site")) request.site = site->as_string();
  if (const auto* notice = body.if_contains("notice_s"))
    request.from = now + std::chrono::seconds(notice->as_int64());
  request.until = request.from.value_or(now) + std::chrono::seconds(body.at("for_s").as_int64());
  if (const auto* budget = body.if_contains("budget_w"))
    request.budget_mw = std::llround(budget->to_number<double>() * 1e3);
  if (const auto* part = body.if_contains("budget_percent"))
    request.budget_milli = std::llround(part->to_number<double>() * 10);
  return json_reply(201, event_json(TRY(services.wishes.create_event(request))));
}

Result<Reply> delete_event(Services& services, const Call& call) {
  TRY_VOID(services.wishes.cancel_event(call.path_text("id")));
  return Reply{204, "", "", {}};
}

}  // namespace

void add_site_routes(std::vector<Route>& routes) {
  routes.push_back({.method = "GET",
                    .path = "/api/v1/site/power",
                    .id = "showSitePower",
                    .tag = "nodes",
                    .summary = "What each site is predicted to draw, and may draw",
                    .access = needs(Action::kReadNodes, Scope::kShared),
                    .handler = show_power,
                    .answer = "SitePowerList"});
  routes.push_back({.method = "GET",
                    .path = "/api/v1/site/events",
                    .id = "listSiteEvents",
                    .tag = "nodes",
                    .summary = "Times of less power that are not over",
                    .access = needs(Action::kReadNodes, Scope::kShared),
                    .handler = list_events,
                    .answer = "SiteEventList"});
  routes.push_back({.method = "POST",
                    .path = "/api/v1/site/events",
                    .id = "createSiteEvent",
                    .tag = "nodes",
                    .summary = "Less power for a time: work is capped, paused and shed to keep within it",
                    .access = needs(Action::kManageSiteEvents, Scope::kPlatform),
                    .handler = create_event,
                    .body = "SiteEventCreate",
                    .success = 201,
                    .answer = "SiteEvent",
                    .takes_idempotency_key = true,
                    .errors = {404},
                    .changes_policy = false,
                    .links = {"deleteSiteEvent"}});
  routes.push_back({.method = "DELETE",
                    .path = "/api/v1/site/events/{id}",
                    .id = "deleteSiteEvent",
                    .tag = "nodes",
                    .summary = "End an event now, or before it begins",
                    .access = needs(Action::kManageSiteEvents, Scope::kPlatform),
                    .handler = delete_event,
                    .path_parameters = {{"id", kIdSchema, "Its id."}},
                    .success = 204,
                    .answer_type = "",
                    .changes_policy = false});
}

}  // namespace millrace::api
