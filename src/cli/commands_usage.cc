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

}  // namespace

int price_set(const Client& client, const PriceOptions& options, bool as_json) {
  const json::value body = {{"input_eur_per_mtok", options.input_eur_per_mtok},
                            {"output_eur_per_mtok", options.output_eur_per_mtok}};
  const auto answer = client.call("PUT", "/api/v1/prices/" + url_encode(options.model), &body);
  if (!answer) return report(answer.error());
  if (as_json) {
    print_json(*answer);
  } else {
    fmt::print(
        "price of {} set: {} EUR per million input tokens, {} EUR per million output tokens (version {})\n",
        options.model, options.input_eur_per_mtok, options.output_eur_per_mtok, cell(*answer, "version"));
  }
  return kOk;
}

int price_list(const Client& client, bool as_json) {
  return print_list(client, "/api/v1/prices",
                    {"model", "version", "input_eur_per_mtok", "output_eur_per_mtok", "effective_from"},
                    as_json);
}

int usage_sum(const Client& client, const UsageOptions& options, bool as_json) {
  const auto answer =
      client.call("GET", "/api/v1/usage" + range_query(options, "?by=" + url_encode(options.by)));
  if (!answer) return report(answer.error());
  return print_items(answer->at("data").as_array(),
                     {"name", "requests", "input_tokens", "cached_tokens", "output_tokens", "energy_j",
                      "co2e_g", "cost_eur"},
                     as_json);
}

int usage_records(const Client& client, const UsageOptions& options, bool as_json) {
  const std::vector<std::string> members = {"request_id",    "started_at", "project",
                                            "endpoint",      "status",     "input_tokens",
                                            "output_tokens", "energy_j",   "cost_microeur"};
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
