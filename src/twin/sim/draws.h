// Draws: random variables from an Rng, by arithmetic whose last bit is the same on every machine (no libm).
#pragma once

#include <bit>
#include <cstdint>

#include "core/rng.h"

namespace millrace::twin {

/// Uniform in (0, 1]: 53 random bits.
inline double draw_unit(Rng& rng) { return static_cast<double>((rng.next() >> 11) + 1) * 0x1.0p-53; }

/// Uniform in [0, bound), by the high half of a product; bound at least 1. The bias is below bound / 2^64.
inline std::uint64_t draw_below(Rng& rng, std::uint64_t bound) {
  return static_cast<std::uint64_t>((static_cast<unsigned __int128>(rng.next()) * bound) >> 64);
}

/// ln(x) for x in (0, 1], to about 1e-15: x = m 2^e with m in [sqrt(1/2), sqrt(2)), ln m = 2 atanh((m - 1) / (m + 1)).
inline double ln_unit(double x) {
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(x);
  std::int64_t exponent = static_cast<std::int64_t>((bits >> 52) & 0x7FF) - 1023;
  double mantissa = std::bit_cast<double>((bits & 0x000FFFFFFFFFFFFFULL) | 0x3FF0000000000000ULL);
  if (mantissa > 1.4142135623730951) {
    mantissa *= 0.5;
    ++exponent;
  }
  const double t = (mantissa - 1.0) / (mantissa + 1.0);
  const double square = t * t;
  double sum = 0.0;
  for (int k = 23; k >= 1; k -= 2)
    sum = sum * square + 1.0 / k;  // t is below 0.172: t^25 / 25 is below 1e-20
  return 2.0 * t * sum + static_cast<double>(exponent) * 0.6931471805599453;
}

/// Exponential with this mean.
inline double draw_exponential(Rng& rng, double mean) { return -mean * ln_unit(draw_unit(rng)); }

}  // namespace millrace::twin
