// Cost: what tokens cost at a price version, in integer micro-euro.
#pragma once

#include <cstdint>

namespace millrace::energy {

/// Prices are micro-euro per million tokens. One rounding for the record, half up.
/// Saturates at the largest 64-bit value; negative counts or prices count as 0.
std::int64_t cost_microeur(std::int64_t input_tokens, std::int64_t output_tokens,
                           std::int64_t input_microeur_per_mtok, std::int64_t output_microeur_per_mtok);

}  // namespace millrace::energy
