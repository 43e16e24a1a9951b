// Usage records as JSON, the form that the API and `millrace usage records` show.
#pragma once

#include <string>

#include "host/json.h"
#include "store/usage_table.h"

namespace millrace::ledger {

/// One object: request_id, client_request_id, tenant, project, key_id, endpoint, model, status, input_tokens,
/// cached_tokens, output_tokens, reasoning_tokens, energy_j, co2e_g, energy_model, accelerator_s, cpu_s, cost_microeur,
/// price_version, basis, site, zone, started_at, ended_at. energy_j and co2e_g have exactly six decimals; they, energy_model and client_request_id are
/// null when unknown.
void write_usage(host::JsonWriter& out, const store::UsageRecord& record);

/// The reverse; exact for energies below 4 GJ.
Result<store::UsageRecord> parse_usage(const host::JsonObject& object);

/// {"name", "requests", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "energy_j", "co2e_g",
/// "accelerator_s", "cpu_s", "cost_microeur", "cost_eur"}
void write_usage_sum(host::JsonWriter& out, const store::UsageSum& sum);

/// A number of millionths as an exact decimal: 1234567 -> "1.234567".
std::string decimal_of_millionths(std::int64_t millionths);

}  // namespace millrace::ledger
