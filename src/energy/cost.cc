#include "energy/cost.h"

#include <algorithm>
#include <limits>

namespace millrace::energy {

std::int64_t cost_microeur(std::int64_t input_tokens, std::int64_t output_tokens,
                           std::int64_t input_microeur_per_mtok, std::int64_t output_microeur_per_mtok) {
  using Wide = __int128;
  const auto product = [](std::int64_t tokens, std::int64_t price) {
    return static_cast<Wide>(std::max<std::int64_t>(tokens, 0)) * std::max<std::int64_t>(price, 0);
  };
  const Wide exact =
      product(input_tokens, input_microeur_per_mtok) + product(output_tokens, output_microeur_per_mtok);
  const Wide rounded = (exact + 500'000) / 1'000'000;
  return static_cast<std::int64_t>(std::min<Wide>(rounded, std::numeric_limits<std::int64_t>::max()));
}

}  // namespace millrace::energy
