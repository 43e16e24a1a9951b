// prices, usage and energy
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "api/handlers/handlers.h"
#include "api/handlers/paging.h"

namespace millrace::api {

namespace json = boost::json;
using identity::Action;
using ledger::AttributedInterval;
using ledger::MachinePrice;
using ledger::Price;

namespace {

constexpr std::int64_t kIntervalsDefault = 1000;

json::object price_json(const Price& price) {
  return {{"model", price.model},
          {"version", price.version},
          {"input_eur_per_mtok", double(price.input_microeur_per_mtok) / 1e6},
          {"output_eur_per_mtok", double(price.output_microeur_per_mtok) / 1e6},
          {"effective_from", to_rfc3339(price.since)}};
}

Result<Reply> list_prices(Services& services, const Call& call) {
  auto page = page_of(TRY(services.prices.all_current()), call.query_text("after"), limit_of(call),
                      [](const Price& price) { return price.model; });
  return page_reply(page, price_json);
}

/// The cursor of a version: in byte order they follow one another, up to 10^10 of them.
std::string padded(std::int64_t version) { return fmt::format("{:010}", version); }

Result<Reply> list_price_versions(Services& services, const Call& call) {
  auto page =
      page_of(TRY(services.prices.all_versions()), call.query_text("after"), limit_of(call),
              [](const Price& price) { return fmt::format("{}/{}", price.model, padded(price.version)); });
  return page_reply(page, price_json);
}

Result<Reply> set_price(Services& services, const Call& call) {
  const json::object& body = call.body.as_object();
  const auto microeur = [&](std::string_view name) { return microeur_of(body.at(name).to_number<double>()); };
  const auto price = TRY(services.prices.set(call.path_text("model"), microeur("input_eur_per_mtok"),
                                             microeur("output_eur_per_mtok"), services.clock.now()));
  return json_reply(200, price_json(price));
}

json::object machine_price_json(const MachinePrice& price) {
  const bool is_set = price.version > 0;
  return {{"version", price.version},
          {"accelerator_eur_per_hour", double(price.accelerator_microeur_per_hour) / 1e6},
          {"core_eur_per_hour", double(price.core_microeur_per_hour) / 1e6},
          {"effective_from", is_set ? json::value(to_rfc3339(price.since)) : json::value()}};
}

Result<Reply> show_machine_price(Services& services, const Call& /*call*/) {
  return json_reply(200, machine_price_json(TRY(services.prices.machine())));
}

Result<Reply> list_machine_price_versions(Services& services, const Call& call) {
  auto page = page_of(TRY(services.prices.machine_versions()), call.query_text("after"), limit_of(call),
                      [](const MachinePrice& price) { return padded(price.version); });
  return page_reply(page, machine_price_json);
}

Result<Reply> set_machine_price(Services& services, const Call& call) {
  const json::object& body = call.body.as_object();
  const auto microeur = [&](std::string_view name) -> std::optional<std::int64_t> {
    const json::value* eur = body.if_contains(name);
    return eur != nullptr ? std::optional(microeur_of(eur->to_number<double>())) : std::nullopt;
  };
  const auto price = TRY(services.prices.set_machine(microeur("accelerator_eur_per_hour"),
                                                     microeur("core_eur_per_hour"), services.clock.now()));
  return json_reply(200, machine_price_json(price));
}

Result<std::optional<TimePoint>> time_of(const Call& call, std::string_view name) {
  const std::string_view text = call.query_text(name);
  if (text.empty()) return std::nullopt;
  return TRY(parse_rfc3339(text));
}

Result<store::UsageFilter> filter_of(const Call& call) {
  Reachable within = TRY(reachable(call, Action::kReadUsage));
  store::UsageFilter filter;
  filter.from = TRY(time_of(call, "from"));
  filter.to = TRY(time_of(call, "to"));
  filter.tenant = std::move(within.tenant);
  filter.project = std::move(within.project);
  return filter;
}

store::UsageDimension dimension_of(std::string_view by) {
  if (by == "key") return store::UsageDimension::kKey;
  if (by == "project") return store::UsageDimension::kProject;
  if (by == "tenant") return store::UsageDimension::kTenant;
  if (by == "day") return store::UsageDimension::kDay;
  return store::UsageDimension::kModel;
}

/// {"data":[...],"next":...} from JSON texts that the ledger writes exactly (six decimals, never through a double).
template <typename T, typename Write>
Reply written_page(const std::vector<T>& items, std::string_view next, Write write) {
  host::JsonWriter out;
  out.begin_object().key("data").begin_array();
  for (const T& item : items) write(out, item);
  out.end_array().key("next");
  if (next.empty()) {
    out.raw("null");
  } else {
    out.value(next);
  }
  out.end_object();
  return Reply{200, "application/json", out.take(), {}};
}

Result<Reply> sum_usage(Services& services, const Call& call) {
  const auto filter = TRY(filter_of(call));
  const auto sums = TRY(services.usage.sum(filter, dimension_of(call.query_text("by", "model"))));
  return written_page(sums, "", ledger::write_usage_sum);
}

Result<Reply> list_records(Services& services, const Call& call) {
  const std::size_t limit = limit_of(call);
  const auto filter = TRY(filter_of(call));
  auto records = TRY(services.usage.list(filter, call.query_text("after"), limit + 1));
  const bool more = records.size() > limit;
  if (more) records.pop_back();
  return written_page(records, more ? std::string_view(records.back().request_id) : std::string_view(),
                      ledger::write_usage);
}

Result<Reply> list_energy(Services& services, const Call& call) {
  TimePoint from = TRY(time_of(call, "from")).value_or(TimePoint{});
  const TimePoint to = TRY(time_of(call, "to")).value_or(services.clock.now() + std::chrono::hours(1));
  if (const auto after = call.query_text("after"); !after.empty()) {
    from = std::max(from, TRY(parse_rfc3339(after)) + std::chrono::microseconds(1));
  }
  const auto limit = std::size_t(call.query_int("limit", kIntervalsDefault));
  std::vector<AttributedInterval> intervals;
  {
    const std::lock_guard lock(services.energy_mutex);
    intervals = TRY(services.energy.query(from, to, limit + 1));
  }
  const bool more = intervals.size() > limit;
  if (more) intervals.pop_back();
  return written_page(intervals, more ? to_rfc3339(intervals.back().interval.from) : std::string(),
                      ledger::write_interval);
}

std::vector<Parameter> range_parameters(std::vector<Parameter> more) {
  more.push_back(
      {"from", kTimeSchema, "Only what began at this time or later; a date is its midnight in UTC."});
  more.push_back({"to", kTimeSchema, "Only what began before this time."});
  return more;
}

std::vector<Parameter> owner_parameters() {
  return {{"tenant", kNameSchema, "Only this tenant's."}, {"project", kNameSchema, "Only this project's."}};
}

void add_price_routes(std::vector<Route>& routes) {
  routes.push_back({.method = "GET",
                    .path = "/api/v1/prices",
                    .id = "listPrices",
                    .tag = "prices",
                    .summary = "The prices in force",
                    .access = needs(Action::kReadPrices, Scope::kShared),
                    .handler = list_prices,
                    .query = page_parameters(),
                    .answer = "PricePage"});
  routes.push_back(
      {.method = "GET",
       .path = "/api/v1/price-versions",
       .id = "listPriceVersions",
       .tag = "prices",
       .summary = "Every version of every price, past ones too: each is in force until the next begins",
       .access = needs(Action::kReadPrices, Scope::kShared),
       .handler = list_price_versions,
       .query = page_parameters(),
       .answer = "PricePage"});
  routes.push_back({.method = "PUT",
                    .path = "/api/v1/prices/{model}",
                    .id = "setPrice",
                    .tag = "prices",
                    .summary = "Put the next version of a model's price in force",
                    .access = needs(Action::kManagePrices, Scope::kShared),
                    .handler = set_price,
                    .path_parameters = {{"model", kNameSchema, "Its name."}},
                    .body = "PriceSet",
                    .answer = "Price",
                    .errors = {409}});
}

void add_machine_price_routes(std::vector<Route>& routes) {
  routes.push_back({.method = "GET",
                    .path = "/api/v1/machine-price",
                    .id = "showMachinePrice",
                    .tag = "prices",
                    .summary = "The price of machines in force",
                    .access = needs(Action::kReadPrices, Scope::kShared),
                    .handler = show_machine_price,
                    .answer = "MachinePrice"});
  routes.push_back(
      {.method = "GET",
       .path = "/api/v1/machine-price/versions",
       .id = "listMachinePriceVersions",
       .tag = "prices",
       .summary = "Every version of the price of machines: each is in force until the next begins",
       .access = needs(Action::kReadPrices, Scope::kShared),
       .handler = list_machine_price_versions,
       .query = page_parameters(),
       .answer = "MachinePricePage"});
  routes.push_back(
      {.method = "PATCH",
       .path = "/api/v1/machine-price",
       .id = "setMachinePrice",
       .tag = "prices",
       .summary = "Put the next version of the price of machines in force, for runs that start from now on",
       .access = needs(Action::kManagePrices, Scope::kShared),
       .handler = set_machine_price,
       .body = "MachinePriceChange",
       .answer = "MachinePrice",
       .errors = {409},
       .changes_policy = false});
}

void add_usage_routes(std::vector<Route>& routes) {
  auto by = range_parameters(owner_parameters());
  by.push_back({"by", R"({"enum": ["model", "key", "project", "tenant", "day"], "default": "model"})",
                "What to sum by."});
  routes.push_back({.method = "GET",
                    .path = "/api/v1/usage",
                    .id = "sumUsage",
                    .tag = "usage",
                    .summary = "Usage, summed",
                    .access = needs(Action::kReadUsage, Scope::kReach),
                    .handler = sum_usage,
                    .query = std::move(by),
                    .answer = "UsageSums"});
  routes.push_back({.method = "GET",
                    .path = "/api/v1/usage/records",
                    .id = "listUsage",
                    .tag = "usage",
                    .summary = "Usage, request by request",
                    .access = needs(Action::kReadUsage, Scope::kReach),
                    .handler = list_records,
                    .query = page_parameters(range_parameters(owner_parameters())),
                    .answer = "UsagePage"});
  auto energy = range_parameters({});
  energy.push_back({"limit", R"({"type": "integer", "minimum": 1, "maximum": 10000, "default": 1000})",
                    "Intervals in one answer, at most."});
  energy.push_back({"after", R"({"type": "string", "format": "date-time", "maxLength": 40})",
                    "The value of `next` in the answer before."});
  routes.push_back({.method = "GET",
                    .path = "/api/v1/usage/energy",
                    .id = "listEnergy",
                    .tag = "usage",
                    .summary = "Energy of the site by interval: attributed to requests, and idle",
                    .access = needs(Action::kReadEnergy, Scope::kPlatform),
                    .handler = list_energy,
                    .query = std::move(energy),
                    .answer = "EnergyPage"});
}

}  // namespace

Power power_of(Services& services) {
  const TimePoint now = services.clock.now();
  const std::lock_guard lock(services.energy_mutex);
  const auto intervals =
      services.energy.query(now - std::chrono::minutes(2), now + std::chrono::seconds(1), 1000);
  if (!intervals || intervals->empty()) return {};
  const ledger::EnergyInterval& last = intervals->back().interval;
  const double seconds = std::chrono::duration<double>(last.to - last.from).count();
  if (seconds <= 0) return {};
  const double watts = double(last.site_uj) / 1e6 / seconds;
  return {watts, watts / 1000 * services.intensity_g_per_kwh, last.basis};
}

void add_ledger_routes(std::vector<Route>& routes) {
  add_price_routes(routes);
  add_machine_price_routes(routes);
  add_usage_routes(routes);
}

}  // namespace millrace::api
