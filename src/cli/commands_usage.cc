// price, usage
#include <fmt/format.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/output.h"

namespace millrace::cli {
namespace {

namespace json = boost::json;

std::string range_query(const UsageOptions& options, std::string query) {
  if (!options.from.empty()) query += (query.empty() ? "?from=" : "&from=") + url_encode(options.from);
  if (!options.to.empty()) query += (query.empty() ? "?to=" : "&to=") + url_encode(options.to);
  return query;
}

std::string price_fault(const PriceOptions& options) {
  const bool is_of_model =
      !options.model.empty() || options.input_eur_per_mtok || options.output_eur_per_mtok;
  const bool is_of_machines = options.accelerator_eur_per_hour || options.core_eur_per_hour;
  if (is_of_model && is_of_machines)
    return "price set: the price of a model is per mtok, that of machines per hour: set one, then the other";
  if (is_of_machines) return {};
  if (options.model.empty() || !options.input_eur_per_mtok || !options.output_eur_per_mtok)
    return "price set: give --model, --input-eur-per-mtok and --output-eur-per-mtok; or, for machines, "
           "--accelerator-eur-per-hour, --core-eur-per-hour or both";
  return {};
}

Result<json::value> set_model_price(const Client& client, const PriceOptions& options) {
  const json::value body = {{"input_eur_per_mtok", *options.input_eur_per_mtok},
                            {"output_eur_per_mtok", *options.output_eur_per_mtok}};
  return client.call("PUT", "/api/v1/prices/" + url_encode(options.model), &body);
}

constexpr const char* kMachinePrice = "/api/v1/machine-price";
constexpr const char* kMachinePriceVersions = "/api/v1/machine-price/versions";

Result<json::value> set_machine_price(const Client& client, const PriceOptions& options) {
  json::object change;
  if (options.accelerator_eur_per_hour)
    change["accelerator_eur_per_hour"] = *options.accelerator_eur_per_hour;
  if (options.core_eur_per_hour) change["core_eur_per_hour"] = *options.core_eur_per_hour;
  const json::value body = std::move(change);
  return client.call("PATCH", kMachinePrice, &body);
}

/// Requests are priced by their endpoint's model, which a slip of the pen is not.
void note_unused_model(const Client& client, const std::string& model) {
  bool is_used = false;
  std::string models;
  const auto looked = client.each("/api/v1/endpoints", [&](const json::value& endpoint) {
    for (const char* const member : {"model", "upstream_model"}) {
      const auto name = cell(endpoint, member);
      is_used = is_used || name == model;
      if (name != "-" && !models.contains(name)) models += (models.empty() ? "" : ", ") + name;
    }
  });
  if (looked && !is_used)
    fmt::print(stderr, "no endpoint has a model '{}' yet; theirs: {}\n", model,
               models.empty() ? "none" : models);
}

Result<json::array> collect(const Client& client, const char* path) {
  json::array items;
  TRY_VOID(client.each(path, [&](const json::value& item) { items.push_back(item); }));
  return items;
}

/// None before the first was set.
Result<json::array> machine_price_in_force(const Client& client) {
  json::value price = TRY(client.call("GET", kMachinePrice));
  json::array prices;
  if (price.at("version") != 0) prices.push_back(std::move(price));
  return prices;
}

}  // namespace

int price_set(const Client& client, const PriceOptions& options, bool as_json) {
  if (auto fault = price_fault(options); !fault.empty())
    return report({ErrorCode::kInvalidArgument, std::move(fault)});
  const bool is_of_model = !options.model.empty();
  const auto answer = is_of_model ? set_model_price(client, options) : set_machine_price(client, options);
  if (!answer) return report(answer.error());
  const auto shown = [&](std::string_view member) { return cell(*answer, member); };
  if (is_of_model) note_unused_model(client, options.model);
  if (as_json) {
    print_json(*answer);
  } else if (is_of_model) {
    fmt::print(
        "price of {} set: {} EUR per million input tokens, {} EUR per million output tokens (version {})\n",
        options.model, shown("input_eur_per_mtok"), shown("output_eur_per_mtok"), shown("version"));
  } else {
    fmt::print("price of machines set: {} EUR per accelerator hour, {} EUR per core hour (version {})\n",
               shown("accelerator_eur_per_hour"), shown("core_eur_per_hour"), shown("version"));
  }
  return kOk;
}

int price_list(const Client& client, bool all, bool as_json) {
  const auto of_models = collect(client, all ? "/api/v1/price-versions" : "/api/v1/prices");
  if (!of_models) return report(of_models.error());
  const auto of_machines = all ? collect(client, kMachinePriceVersions) : machine_price_in_force(client);
  if (!of_machines) return report(of_machines.error());
  if (as_json) {
    json::array prices = *of_models;
    prices.insert(prices.end(), of_machines->begin(), of_machines->end());
    print_json(prices);
    return kOk;
  }
  if (!of_models->empty() || of_machines->empty())
    print_items(*of_models,
                {"model", "version", "input_eur_per_mtok", "output_eur_per_mtok", "effective_from"}, false);
  if (!of_models->empty() && !of_machines->empty()) fmt::print("\n");
  if (!of_machines->empty())
    print_items(*of_machines, {"version", "accelerator_eur_per_hour", "core_eur_per_hour", "effective_from"},
                false);
  return kOk;
}

int usage_sum(const Client& client, const UsageOptions& options, bool as_json) {
  const auto answer =
      client.call("GET", "/api/v1/usage" + range_query(options, "?by=" + url_encode(options.by)));
  if (!answer) return report(answer.error());
  return print_items(answer->at("data").as_array(),
                     {"name", "requests", "input_tokens", "cached_tokens", "output_tokens",
                      "reasoning_tokens", "accelerator_s", "cpu_s", "energy_j", "co2e_g", "cost_eur"},
                     as_json);
}

int usage_records(const Client& client, const UsageOptions& options, bool as_json) {
  const std::vector<std::string> members = {"request_id", "started_at",   "project",       "endpoint",
                                            "status",     "input_tokens", "output_tokens", "accelerator_s",
                                            "cpu_s",      "energy_j",     "cost_microeur"};
  std::vector<json::value> records;  // for the table; JSON Lines go out one by one
  const auto listed =
      client.each("/api/v1/usage/records" + range_query(options, ""), [&](const json::value& item) {
        if (as_json) {
          print_json(item);
        } else {
          records.push_back(item);
        }
      });
  if (!listed) return report(listed.error());
  if (!as_json) print_table(members, rows_of(records, members));
  return kOk;
}

int usage_energy(const Client& client, const UsageOptions& options, bool as_json) {
  return print_list(client, "/api/v1/usage/energy" + range_query(options, ""),
                    {"from", "to", "site_j", "attributed_j", "idle_j", "basis"}, as_json);
}

}  // namespace millrace::cli
