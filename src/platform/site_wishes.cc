#include "platform/site_wishes.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "core/id.h"

namespace millrace::platform {
namespace {

constexpr std::chrono::hours kLongest{366 * 24};
constexpr std::int64_t kMilliMost = 1000;
constexpr std::int64_t kMilliwattsMost = 1'000'000'000'000;  // a gigawatt

std::unexpected<Error> bad(std::string_view what) {
  return failure(ErrorCode::kInvalidArgument, std::string(what));
}

std::string wish_key(std::string_view node) {
  return std::string(control::kNodeWishPrefix) + std::string(node);
}

std::string event_key(std::string_view id) {
  return std::string(control::kSiteEventPrefix) + std::string(id);
}

Result<void> check_budget(const SiteEventRequest& request) {
  if (request.budget_mw.has_value() == request.budget_milli.has_value()) {
    return bad("budget: give watts, or a part of the site's budget; one of them");
  }
  if (request.budget_mw && (*request.budget_mw < 0 || *request.budget_mw > kMilliwattsMost)) {
    return bad("budget: want 0 W to 1 GW");
  }
  if (request.budget_milli && (*request.budget_milli < 0 || *request.budget_milli > kMilliMost)) {
    return bad("budget: want 0 % to 100 % of the site's budget");
  }
  return {};
}

}  // namespace

SiteWishes::SiteWishes(store::Store& store, const Clock& clock, Rng& rng, control::WorkView& view)
    : store_(store), clock_(clock), rng_(rng), view_(view) {}

Result<control::NodeStatus> SiteWishes::node(std::string_view name) const {
  auto nodes = view_.nodes();
  const auto found = std::ranges::find(nodes, name, &control::NodeStatus::name);
  if (found != nodes.end()) return std::move(*found);
  return failure(ErrorCode::kNotFound,
                 fmt::format("there is no node '{}'; see: millrace node list", name.substr(0, 64)));
}

Result<NodeWish> SiteWishes::wish(std::string_view name) const {
  const auto record = TRY(store_.find(wish_key(name)));
  return record ? control::parse_node_wish(record->value) : NodeWish{};
}

Result<NodeWish> SiteWishes::set_wish(std::string_view name, const NodeWish& wish) {
  TRY_VOID(node(name));
  store::Transaction change;
  if (wish == NodeWish{}) {
    change.erase = {wish_key(name)};
  } else {
    change.put = {{wish_key(name), control::to_json(wish)}};
  }
  TRY_VOID(store_.commit(std::move(change)));
  return wish;
}

Result<std::string> SiteWishes::site_of(const SiteEventRequest& request) const {
  const auto sites = view_.power();
  if (request.site.empty() && sites.size() == 1) return sites.front().site;
  if (request.site.empty()) return bad(fmt::format("site: there are {} sites; say which", sites.size()));
  if (std::ranges::find(sites, request.site, &control::SitePower::site) != sites.end()) return request.site;
  return failure(ErrorCode::kNotFound, fmt::format("there is no site '{}'", request.site.substr(0, 64)));
}

Result<SiteEvent> SiteWishes::create_event(const SiteEventRequest& request) {
  TRY_VOID(check_budget(request));
  const TimePoint now = clock_.now();
  SiteEvent event;
  event.site = TRY(site_of(request));
  event.from = request.from.value_or(now);
  event.until = request.until;
  event.budget_mw = request.budget_mw;
  event.budget_milli = request.budget_milli;
  if (event.until <= event.from || event.until <= now) return bad("until: must lie after `from`, and ahead");
  if (event.until > now + kLongest) return bad("until: lies more than a year ahead");
  if (TRY(events()).size() >= kMostEvents) {
    return failure(ErrorCode::kExhausted, fmt::format("there are {} events already", kMostEvents));
  }
  event.id = make_id("event", now, rng_);
  TRY_VOID(store_.commit({.expect = {{event_key(event.id), 0}},
                          .put = {{event_key(event.id), control::to_json(event)}},
                          .erase = {}}));
  return event;
}

Result<std::vector<SiteEvent>> SiteWishes::all_events() const {
  std::vector<SiteEvent> all;
  for (const store::Record& record : TRY(store_.list(control::kSiteEventPrefix))) {
    all.push_back(
        TRY(control::parse_site_event(record.key.substr(control::kSiteEventPrefix.size()), record.value)));
  }
  return all;
}

Result<std::vector<SiteEvent>> SiteWishes::events() const {
  auto all = TRY(all_events());
  const TimePoint now = clock_.now();
  std::erase_if(all, [&](const SiteEvent& event) { return event.until <= now; });
  std::ranges::sort(all, {}, [](const SiteEvent& event) { return std::pair(event.from, event.id); });
  return all;
}

Result<void> SiteWishes::cancel_event(std::string_view id) {
  for (const SiteEvent& event : TRY(events())) {
    if (event.id != id) continue;
    TRY_VOID(store_.commit({.expect = {}, .put = {}, .erase = {event_key(id)}}));
    return {};
  }
  return failure(
      ErrorCode::kNotFound,
      fmt::format("there is no event '{}' that is not over; see: millrace site events", id.substr(0, 64)));
}

Result<std::size_t> SiteWishes::sweep() {
  store::Transaction change;
  for (const SiteEvent& event : TRY(all_events())) {
    if (event.until <= clock_.now()) change.erase.push_back(event_key(event.id));
  }
  const std::size_t removed = change.erase.size();
  if (removed > 0) TRY_VOID(store_.commit(std::move(change)));
  return removed;
}

}  // namespace millrace::platform
