// PriceBook: what tokens of a model and hours of machines cost, in versions that never change once written.
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

/// What jobs and environments cost for what they hold.
struct MachinePrice {
  std::int64_t version = 0;  // 1, 2, ...; 0: no price was set, and everything costs 0
  std::int64_t accelerator_microeur_per_hour = 0, core_microeur_per_hour = 0;
  TimePoint since{};
  bool operator==(const MachinePrice&) const = default;
};

/// Records "price/<model>/<version, 10 digits>" and, the one in force, "price_current/<model>"; of machines
/// "machine_price/<version, 10 digits>" and "machine_price_current". Safe from any thread.
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
  /// Every version of every model, by model, first to last; each is in force until the next begins.
  Result<std::vector<Price>> all_versions() const;

  /// Likewise of machines; what is left out stays as it is. kInvalidArgument if a price is negative or above 10^15
  /// micro-euro.
  Result<MachinePrice> set_machine(std::optional<std::int64_t> accelerator_microeur_per_hour,
                                   std::optional<std::int64_t> core_microeur_per_hour, TimePoint now);
  /// The price of machines in force.
  Result<MachinePrice> machine() const;
  /// The one that was in force at that time.
  Result<MachinePrice> machine_at(TimePoint time) const;
  /// Every version, first to last.
  Result<std::vector<MachinePrice>> machine_versions() const;

 private:
  store::Store& store_;
};

}  // namespace millrace::ledger
