// PriceBook: what tokens of a model cost, in versions that never change once written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/result.h"
#include "store/store.h"

namespace millrace::ledger {

struct Price {
  std::string model;
  std::int64_t version = 0;  // 1, 2, ... of this model
  std::int64_t input_microeur_per_mtok = 0, output_microeur_per_mtok = 0;
  TimePoint since{};  // in force from here until the next version
  bool operator==(const Price&) const = default;
};

/// Records "price/<model>/<version, 10 digits>" and, the one in force, "price_current/<model>". Safe from any thread.
class PriceBook {
 public:
  explicit PriceBook(store::Store& store) : store_(store) {}

  /// Writes the next version and puts it in force, durably. kInvalidArgument if `model` is no name (core/id.h) or a
  /// price is negative or above 10^15 micro-euro.
  Result<Price> set(std::string_view model, std::int64_t input_microeur_per_mtok,
                    std::int64_t output_microeur_per_mtok, TimePoint now);

  /// nullopt if no price was ever set: everything costs 0 then.
  Result<std::optional<Price>> current(std::string_view model) const;
  /// Those in force, by model.
  Result<std::vector<Price>> all_current() const;
  /// Every version of a model, first to last.
  Result<std::vector<Price>> history(std::string_view model) const;

 private:
  store::Store& store_;
};

}  // namespace millrace::ledger
