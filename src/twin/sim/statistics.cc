#include "twin/sim/statistics.h"

#include <algorithm>

namespace millrace::twin {

double Sample::quantile(double part) {
  if (values_.empty()) return 0.0;
  const double scaled = part * static_cast<double>(values_.size());
  auto rank = static_cast<std::size_t>(scaled);
  if (static_cast<double>(rank) < scaled) ++rank;
  rank = std::clamp<std::size_t>(rank, 1, values_.size());
  const auto at = values_.begin() + static_cast<std::ptrdiff_t>(rank - 1);
  std::nth_element(values_.begin(), at, values_.end());
  return static_cast<double>(*at);
}

double jain_index(std::span<const double> shares) {
  double sum = 0.0;
  double squares = 0.0;
  for (const double share : shares) {
    sum += share;
    squares += share * share;
  }
  return squares > 0.0 ? sum * sum / (static_cast<double>(shares.size()) * squares) : 1.0;
}

}  // namespace millrace::twin
