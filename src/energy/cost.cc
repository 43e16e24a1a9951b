#include "energy/cost.h"

#include <algorithm>
#include <limits>

namespace millrace::energy {
namespace {

using Wide = __int128;

Wide product(std::int64_t amount, std::int64_t price) {
  return static_cast<Wide>(std::max<std::int64_t>(amount, 0)) * std::max<std::int64_t>(price, 0);
}

std::int64_t rounded(Wide exact, std::int64_t unit) {
  return static_cast<std::int64_t>(
      std::min<Wide>((exact + unit / 2) / unit, std::numeric_limits<std::int64_t>::max()));
}

}  // namespace

std::int64_t cost_microeur(std::int64_t input_tokens, std::int64_t output_tokens,
                           std::int64_t input_microeur_per_mtok, std::int64_t output_microeur_per_mtok) {
  return rounded(
      product(input_tokens, input_microeur_per_mtok) + product(output_tokens, output_microeur_per_mtok),
      1'000'000);
}

std::int64_t machine_cost_microeur(std::int64_t accelerator_us, std::int64_t core_us,
                                   std::int64_t accelerator_microeur_per_hour,
                                   std::int64_t core_microeur_per_hour) {
  constexpr std::int64_t kUsPerHour = 3'600'000'000;
  return rounded(
      product(accelerator_us, accelerator_microeur_per_hour) + product(core_us, core_microeur_per_hour),
      kUsPerHour);
}

}  // namespace millrace::energy
