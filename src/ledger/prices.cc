#include "ledger/prices.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/id.h"
#include "host/json.h"

namespace millrace::ledger {
namespace {

constexpr std::int64_t kMostExpensive = 1'000'000'000'000'000;
constexpr int kAttempts = 16;

constexpr const char* kVersions = "price/";
std::string current_key(std::string_view model) { return fmt::format("price_current/{}", model); }
std::string versions_prefix(std::string_view model) { return fmt::format("{}{}/", kVersions, model); }
constexpr const char* kMachineCurrent = "machine_price_current";
constexpr const char* kMachineVersions = "machine_price/";

std::string encode(const Price& price) {
  host::JsonWriter out;
  out.begin_object().field("model", price.model).field("version", price.version);
  out.field("input_microeur_per_mtok", price.input_microeur_per_mtok);
  out.field("output_microeur_per_mtok", price.output_microeur_per_mtok);
  out.field("since", to_rfc3339(price.since)).end_object();
  return out.take();
}

std::string encode(const MachinePrice& price) {
  host::JsonWriter out;
  out.begin_object().field("version", price.version);
  out.field("accelerator_microeur_per_hour", price.accelerator_microeur_per_hour);
  out.field("core_microeur_per_hour", price.core_microeur_per_hour);
  out.field("since", to_rfc3339(price.since)).end_object();
  return out.take();
}

Result<void> read(const host::JsonObject& object, Price& price) {
  price.model = TRY(object.required_string("model"));
  price.input_microeur_per_mtok = TRY(object.required_int("input_microeur_per_mtok"));
  price.output_microeur_per_mtok = TRY(object.required_int("output_microeur_per_mtok"));
  return {};
}

Result<void> read(const host::JsonObject& object, MachinePrice& price) {
  price.accelerator_microeur_per_hour = TRY(object.required_int("accelerator_microeur_per_hour"));
  price.core_microeur_per_hour = TRY(object.required_int("core_microeur_per_hour"));
  return {};
}

template <typename AnyPrice>
Result<AnyPrice> decode_fields(std::string_view text) {
  const auto value = TRY(host::parse_json(text));
  const auto object = TRY(host::JsonObject::of(value));
  AnyPrice price;
  TRY_VOID(read(object, price));
  price.version = TRY(object.required_int("version"));
  const std::string since = TRY(object.required_string("since"));
  price.since = TRY(parse_rfc3339(since));
  return price;
}

template <typename AnyPrice>
Result<AnyPrice> decode(const store::Record& record) {
  auto price = decode_fields<AnyPrice>(record.value);
  if (price) return price;
  return failure(ErrorCode::kCorrupt, fmt::format("record '{}': {}", record.key, price.error().message));
}

template <typename AnyPrice>
Result<std::vector<AnyPrice>> decode_all(const std::vector<store::Record>& records) {
  std::vector<AnyPrice> prices;
  for (const auto& record : records) prices.push_back(TRY(decode<AnyPrice>(record)));
  return prices;
}

template <typename AnyPrice>
Result<std::optional<AnyPrice>> find(const store::Store& store, const std::string& key) {
  const auto found = TRY(store.find(key));
  return found ? std::optional{TRY(decode<AnyPrice>(*found))} : std::nullopt;
}

bool is_price(std::int64_t microeur) { return microeur >= 0 && microeur <= kMostExpensive; }

/// Commits what `change` makes of the price in force as its next version, which is in force from then on.
template <typename AnyPrice, typename Change>
Result<AnyPrice> set_next(store::Store& store, const std::string& pointer, std::string_view versions,
                          TimePoint now, Change change) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto found = TRY(store.find(pointer));
    AnyPrice price;
    if (found) price = TRY(decode<AnyPrice>(*found));
    change(price);
    ++price.version;
    price.since = now;
    const std::string versioned = fmt::format("{}{:010}", versions, price.version);
    store::Transaction put;
    put.expect = {{pointer, found ? found->revision : 0}, {versioned, 0}};
    put.put = {{versioned, encode(price)}, {pointer, encode(price)}};
    const auto committed = store.commit(std::move(put));
    if (committed) return price;
    if (committed.error().code != ErrorCode::kConflict) return std::unexpected(committed.error());
  }
  return failure(ErrorCode::kConflict, "price: others keep changing it at the same time; try again");
}

}  // namespace

Result<Price> PriceBook::set(std::string_view model, std::int64_t input, std::int64_t output, TimePoint now) {
  if (!is_name(model)) return failure(ErrorCode::kInvalidArgument, "price: the model's name is malformed");
  if (!is_price(input) || !is_price(output)) {
    return failure(ErrorCode::kInvalidArgument, "price: want 0 to 10^9 euro per million tokens");
  }
  return set_next<Price>(store_, current_key(model), versions_prefix(model), now, [&](Price& price) {
    price.model = model;
    price.input_microeur_per_mtok = input;
    price.output_microeur_per_mtok = output;
  });
}

Result<MachinePrice> PriceBook::set_machine(std::optional<std::int64_t> accelerator,
                                            std::optional<std::int64_t> core, TimePoint now) {
  if (!is_price(accelerator.value_or(0)) || !is_price(core.value_or(0))) {
    return failure(ErrorCode::kInvalidArgument, "price: want 0 to 10^9 euro an hour");
  }
  return set_next<MachinePrice>(store_, kMachineCurrent, kMachineVersions, now, [&](MachinePrice& price) {
    if (accelerator) price.accelerator_microeur_per_hour = *accelerator;
    if (core) price.core_microeur_per_hour = *core;
  });
}

Result<std::optional<Price>> PriceBook::current(std::string_view model) const {
  return find<Price>(store_, current_key(model));
}

Result<std::vector<Price>> PriceBook::all_current() const {
  return decode_all<Price>(TRY(store_.list("price_current/")));
}

Result<std::vector<Price>> PriceBook::all_versions() const {
  return decode_all<Price>(TRY(store_.list(kVersions)));
}

Result<MachinePrice> PriceBook::machine() const {
  return TRY(find<MachinePrice>(store_, kMachineCurrent)).value_or(MachinePrice());
}

Result<MachinePrice> PriceBook::machine_at(TimePoint time) const {
  // Most runs begin and end under one price.
  const MachinePrice current = TRY(machine());
  if (current.since <= time) return current;
  const auto versions = TRY(machine_versions());
  const auto before = std::ranges::find_if(versions.rbegin(), versions.rend(),
                                           [&](const MachinePrice& price) { return price.since <= time; });
  return before == versions.rend() ? MachinePrice() : *before;
}

Result<std::vector<MachinePrice>> PriceBook::machine_versions() const {
  return decode_all<MachinePrice>(TRY(store_.list(kMachineVersions)));
}

}  // namespace millrace::ledger
