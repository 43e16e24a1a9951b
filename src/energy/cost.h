// Cost: what tokens, or machines for a time, cost at a price version, in integer micro-euro.
#pragma once

#include <cstdint>

namespace millrace::energy {

/// Prices are micro-euro per million tokens. One rounding for the record, half up.
/// Saturates at the largest 64-bit value; negative counts or prices count as 0.
std::int64_t cost_microeur(std::int64_t input_tokens, std::int64_t output_tokens,
                           std::int64_t input_microeur_per_mtok, std::int64_t output_microeur_per_mtok);

/// Accelerators and cores that were held, times microseconds, at micro-euro an hour for each. Rounded and bounded likewise.
std::int64_t machine_cost_microeur(std::int64_t accelerator_us, std::int64_t core_us,
                                   std::int64_t accelerator_microeur_per_hour,
                                   std::int64_t core_microeur_per_hour);

}  // namespace millrace::energy
