#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string>

#include "twin/site/kinds.h"
#include "twin/site/reader.h"
#include "twin/stable_order.h"

namespace millrace::twin {
namespace {

using host::TomlTable;

constexpr double kAcceleratorsMax = 1e7;
constexpr std::size_t kAccountsMax = 60'000;

std::int64_t quota_part(TomlTable& table, std::string_view key, std::int64_t fallback) {
  const auto accelerators = table.maybe_number(key, 0, kAcceleratorsMax);
  return accelerators ? to_milli(*accelerators) : fallback;
}

/// Quotas count accelerators; cores and memory follow freely.
scheduler::Quota read_quota(TomlTable& table) {
  auto quota = scheduler::kUnlimitedQuota;
  quota.nominal.accelerators_milli = quota_part(table, "quota", scheduler::kUnlimited);
  const bool has_quota = quota.nominal.accelerators_milli != scheduler::kUnlimited;
  if (!has_quota && table.has("borrow")) table.fail("borrow", "needs a quota");
  quota.borrow.accelerators_milli = quota_part(table, "borrow", has_quota ? scheduler::kUnlimited : 0);
  quota.ceiling.accelerators_milli = quota_part(table, "ceiling", scheduler::kUnlimited);
  if (has_quota && quota.ceiling.accelerators_milli < quota.nominal.accelerators_milli) {
    table.fail("ceiling", "is below the quota");
  }
  return quota;
}

scheduler::Reclaim read_reclaim(TomlTable& table) {
  const auto text = table.text("reclaim", "any");
  if (text == "never") return scheduler::Reclaim::kNever;
  if (text == "lower-priority") return scheduler::Reclaim::kLowerPriority;
  if (text != "any") table.fail("reclaim", "want never, lower-priority or any");
  return scheduler::Reclaim::kAny;
}

void read_account(SiteReader& reader, TomlTable& table, scheduler::AccountIndex parent,
                  std::set<std::string>& known) {
  auto& accounts = reader.config.accounts;
  scheduler::Account account;
  account.name = read_name(table, "name");
  if (parent != scheduler::kNoAccount) account.name = accounts[parent].name + "/" + account.name;
  account.parent = parent;
  account.weight_milli = static_cast<std::int32_t>(to_milli(table.number("weight", 0.001, 1e6, 1)));
  account.quota = read_quota(table);
  account.reclaim = read_reclaim(table);
  if (!known.insert(account.name).second) {
    table.fail("name", fmt::format("'{}' stands here twice", account.name));
  }
  const auto index = static_cast<scheduler::AccountIndex>(accounts.size());
  accounts.push_back(std::move(account));
  if (accounts.size() > kAccountsMax) return table.fail("name", "too many accounts");
  auto projects = parent == scheduler::kNoAccount ? table.tables("project") : std::vector<TomlTable>();
  if (projects.empty()) reader.config.leaves.push_back(index);
  for (auto& project : projects) read_account(reader, project, index, known);
}

std::string one_of(TomlTable& table, std::string_view key, std::string_view fallback,
                   std::initializer_list<std::string_view> known) {
  auto text = table.text(key, fallback);
  if (std::ranges::find(known, text) == known.end()) {
    std::string list;
    for (const auto& each : known) list += (list.empty() ? "" : ", ") + std::string(each);
    table.fail(key, fmt::format("'{}' is none of {}", text, list));
  }
  return text;
}

std::chrono::seconds seconds_of(TomlTable& table, std::string_view key, std::int64_t most,
                                std::chrono::seconds fallback) {
  return std::chrono::seconds(table.integer(key, 0, most, fallback.count()));
}

}  // namespace

void read_accounts(SiteReader& reader, TomlTable& root) {
  std::set<std::string> known;
  for (auto& tenant : root.tables("tenant")) read_account(reader, tenant, scheduler::kNoAccount, known);
  if (!reader.config.accounts.empty()) return;
  reader.config.accounts.push_back({.name = "default", .quota = scheduler::kUnlimitedQuota});
  reader.config.leaves.push_back(0);
}

void read_classes(SiteReader& reader, TomlTable& root) {
  auto& classes = reader.config.priority_classes;
  std::string chosen;
  for (auto& table : root.tables("priority_class")) {
    PriorityClassConfig one;
    one.name = read_name(table, "name");
    one.priority = static_cast<std::int32_t>(table.integer("priority", -1'000'000, 1'000'000));
    one.preemptible = table.truth("preemptible", true);
    one.grace = seconds_of(table, "grace_s", 86'400, one.grace);
    if (table.truth("default", false)) {
      if (!chosen.empty()) table.fail("default", fmt::format("'{}' is the default already", chosen));
      chosen = one.name;
    }
    if (std::ranges::find(classes, one.name, &PriorityClassConfig::name) != classes.end()) {
      table.fail("name", fmt::format("'{}' stands here twice", one.name));
    }
    classes.push_back(std::move(one));
  }
  if (classes.empty()) {
    classes = {{.name = "high", .priority = 200, .preemptible = false},
               {.name = "normal", .priority = 100},
               {.name = "low", .priority = 50}};
    chosen = "normal";
  }
  if (classes.size() > 1000) root.fail("priority_class", "more than 1,000 classes");
  sort_stably(classes, [](const auto& one) { return -one.priority; });
  const auto found = std::ranges::find(classes, chosen, &PriorityClassConfig::name);
  reader.config.default_class =
      found == classes.end() ? 0 : static_cast<std::uint16_t>(found - classes.begin());
}

void read_scheduler(SiteReader& reader, TomlTable& root) {
  auto table = root.table("scheduler");
  auto& policy = reader.config.policy;
  auto& rules = policy.scheduler;
  policy.placement = one_of(table, "placement", policy.placement,
                            {"dotprod", "packing", "bestfit", "fgd", "millrace", "tightest"});
  rules.reservations =
      static_cast<std::int32_t>(table.integer("reservations", 0, 1'000'000, rules.reservations));
  rules.reservations_behind = static_cast<std::int32_t>(
      table.integer("reservations_behind", 0, 1'000'000, rules.reservations_behind));
  rules.replan_every = seconds_of(table, "replan_every_s", 86'400, rules.replan_every);
  rules.half_life =
      hours_of(table.number("half_life_h", 0.01, 1e6, static_cast<double>(rules.half_life.count()) / 3600));
  if (const auto hours = table.maybe_number("starvation_h", 0, 1e6)) {
    rules.starvation.reset();
    if (*hours > 0) rules.starvation = hours_of(*hours);
  }
  rules.preempt = table.truth("preempt", rules.preempt);
  rules.preemptors_per_pass = static_cast<std::int32_t>(
      table.integer("preemptors_per_pass", 0, 1'000'000, rules.preemptors_per_pass));
  rules.cap_floor_milli =
      static_cast<std::int32_t>(to_milli(table.number("cap_floor", 0, 1, rules.cap_floor_milli / 1e3)));
  rules.start_capped = table.truth("start_capped", rules.start_capped);
  rules.power_lead = seconds_of(table, "power_lead_s", 86'400, rules.power_lead);
  policy.checkpoint = std::chrono::seconds(std::llround(
      60 * table.number("checkpoint_min", 0, 1e6, static_cast<double>(policy.checkpoint.count()) / 60)));
  policy.kind_slowdown_max = table.number("kind_slowdown_max", 0, 1e6, policy.kind_slowdown_max);
  if (policy.kind_slowdown_max > 0 && policy.kind_slowdown_max < 1)
    table.fail("kind_slowdown_max",
               "is below 1: even the best kind is once as slow as itself; 0 is no bound");
  policy.shift = one_of(table, "shift", policy.shift, {"now", "history", "forecast", "oracle"});
  policy.shift_by = one_of(table, "shift_by", policy.shift_by, {"carbon", "price"});
}

void read_economics(SiteReader& reader, TomlTable& root) {
  auto table = root.table("economics");
  auto& economics = reader.config.economics;
  economics.lifetime_years = table.number("lifetime_years", 0.1, 100, economics.lifetime_years);
  economics.site_lifetime_years =
      table.number("site_lifetime_years", 0.1, 100, economics.site_lifetime_years);
  economics.interest_rate = table.number("interest_rate", 0, 1, economics.interest_rate);
  economics.microeur_per_cpu_core_hour = to_micro(table.number("cpu_core_eur_per_hour", 0, 1e4, 0));
  economics.input_microeur_per_mtok = to_micro(table.number("input_eur_per_mtok", 0, 1e6, 0));
  economics.output_microeur_per_mtok = to_micro(table.number("output_eur_per_mtok", 0, 1e6, 0));
  economics.deferrable_discount_milli = to_milli(table.number("deferrable_discount", 0, 1, 0));
  economics.prices.resize(reader.config.cluster.kinds.size());
  std::set<scheduler::KindIndex> priced;
  for (auto& price : table.tables("price")) {
    const auto name = price.text("kind");
    const auto amount = to_micro(price.number("eur_per_accelerator_hour", 0, 1e4));
    const auto kind = find_kind(reader.config, name);
    if (!kind) {
      price.fail("kind", fmt::format("no node type of this file has '{}'", name));
      continue;
    }
    if (!priced.insert(*kind).second) price.fail("kind", fmt::format("'{}' has two prices", name));
    economics.prices[*kind].microeur_per_accelerator_hour = amount;
  }
}

void read_grid(SiteReader& reader, TomlTable& root) {
  auto table = root.table("grid");
  auto& config = reader.config;
  const auto path = table.text("events_csv", "");
  if (!path.empty()) {
    const auto text = read_named_file(reader, table, "events_csv", path);
    auto events = read_grid_events(text, path, config.cluster, config.start);
    if (!events) return table.fail("events_csv", events.error().message);
    config.grid_events = std::move(*events);
  }
  for (auto& each : table.tables("event")) {
    GridEvent event;
    const auto at = each.maybe_time("at");
    if (!at) each.fail("at", "is missing: want a time");
    event.at = at.value_or(config.start);
    const auto site = each.text("site", config.cluster.sites.empty() ? "" : config.cluster.sites[0].name);
    event.site = static_cast<scheduler::SiteIndex>(index_of(each, "site", site, config.cluster.sites));
    if (const auto kilowatts = each.maybe_number("budget_kw", 0, 1e8))
      event.budget_mw = std::llround(*kilowatts * 1e6);
    event.notice = seconds_of(each, "notice_s", 366LL * 86'400, event.notice);
    event.at += event.notice;
    config.grid_events.push_back(event);
  }
  sort_stably(config.grid_events, &GridEvent::at);
}

}  // namespace millrace::twin
