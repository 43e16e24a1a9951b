#include "ledger/prices.h"

#include <fmt/format.h>

#include "core/id.h"
#include "host/json.h"

namespace millrace::ledger {
namespace {

constexpr std::int64_t kMostExpensive = 1'000'000'000'000'000;
constexpr int kAttempts = 16;

std::string current_key(std::string_view model) { return fmt::format("price_current/{}", model); }

std::string encode(const Price& price) {
  host::JsonWriter out;
  out.begin_object().field("model", price.model).field("version", price.version);
  out.field("input_microeur_per_mtok", price.input_microeur_per_mtok);
  out.field("output_microeur_per_mtok", price.output_microeur_per_mtok);
  out.field("since", to_rfc3339(price.since)).end_object();
  return out.take();
}

Result<Price> decode_fields(std::string_view text) {
  const auto value = TRY(host::parse_json(text));
  const auto object = TRY(host::JsonObject::of(value));
  Price price;
  price.model = TRY(object.required_string("model"));
  price.version = TRY(object.required_int("version"));
  price.input_microeur_per_mtok = TRY(object.required_int("input_microeur_per_mtok"));
  price.output_microeur_per_mtok = TRY(object.required_int("output_microeur_per_mtok"));
  const std::string since = TRY(object.required_string("since"));
  price.since = TRY(parse_rfc3339(since));
  return price;
}

Result<Price> decode(const store::Record& record) {
  auto price = decode_fields(record.value);
  if (price) return price;
  return failure(ErrorCode::kCorrupt, fmt::format("record '{}': {}", record.key, price.error().message));
}

Result<std::vector<Price>> decode_all(const std::vector<store::Record>& records) {
  std::vector<Price> prices;
  for (const auto& record : records) prices.push_back(TRY(decode(record)));
  return prices;
}

}  // namespace

Result<Price> PriceBook::set(std::string_view model, std::int64_t input, std::int64_t output, TimePoint now) {
  if (!is_name(model)) return failure(ErrorCode::kInvalidArgument, "price: the model's name is malformed");
  if (input < 0 || output < 0 || input > kMostExpensive || output > kMostExpensive) {
    return failure(ErrorCode::kInvalidArgument, "price: want 0 to 10^9 euro per million tokens");
  }
  const std::string pointer = current_key(model);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto found = store_.get(pointer);
    if (!found && found.error().code != ErrorCode::kNotFound) return std::unexpected(found.error());
    Price price{std::string(model), 1, input, output, now};
    if (found) price.version = TRY(decode(*found)).version + 1;
    const std::string versioned = fmt::format("price/{}/{:010}", model, price.version);
    store::Transaction change;
    change.expect = {{pointer, found ? found->revision : 0}, {versioned, 0}};
    change.put = {{versioned, encode(price)}, {pointer, encode(price)}};
    const auto committed = store_.commit(std::move(change));
    if (committed) return price;
    if (committed.error().code != ErrorCode::kConflict) return std::unexpected(committed.error());
  }
  return failure(ErrorCode::kConflict, "price: others keep changing it at the same time; try again");
}

Result<std::optional<Price>> PriceBook::current(std::string_view model) const {
  const auto found = store_.get(current_key(model));
  if (found) return TRY(decode(*found));
  if (found.error().code == ErrorCode::kNotFound) return std::nullopt;
  return std::unexpected(found.error());
}

Result<std::vector<Price>> PriceBook::all_current() const {
  return decode_all(TRY(store_.list("price_current/")));
}

Result<std::vector<Price>> PriceBook::history(std::string_view model) const {
  return decode_all(TRY(store_.list(fmt::format("price/{}/", model))));
}

}  // namespace millrace::ledger
