#include "twin/generate/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

namespace millrace::twin {
namespace {

constexpr double kLn2High = 0x1.62e42fee00000p-1;  // few bits, so that k x kLn2High is exact
constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
constexpr std::uint64_t kMantissa = 0x000F'FFFF'FFFF'FFFF;

/// 2^exponent for a normal result.
double power_of_two(std::int64_t exponent) {
  return std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52);
}

}  // namespace

double Sampler::exp(double x) {
  const double k = std::floor(x * 1.4426950408889634 + 0.5);
  const double r = (x - k * kLn2High) - k * kLn2Low;
  double sum = 1.0;
  for (int n = 16; n >= 1; --n) sum = 1.0 + sum * r / n;  // |r| below 0.35: the next term is below 1e-22
  return sum * power_of_two(static_cast<std::int64_t>(k));
}

double Sampler::ln(double x) {
  const auto bits = std::bit_cast<std::uint64_t>(x);
  auto exponent = static_cast<double>(static_cast<std::int64_t>(bits >> 52) - 1023);
  double mantissa = std::bit_cast<double>((bits & kMantissa) | 0x3FF0'0000'0000'0000);
  if (mantissa > 1.4142135623730951) {
    mantissa *= 0.5;
    exponent += 1.0;
  }
  // ln m = 2 atanh((m - 1) / (m + 1)).
  const double t = (mantissa - 1.0) / (mantissa + 1.0);
  double sum = 0.0;
  for (int n = 23; n >= 1; n -= 2) sum = sum * (t * t) + 1.0 / n;
  return exponent * kLn2High + (2.0 * t * sum + exponent * kLn2Low);
}

double Sampler::unit() { return static_cast<double>((rng_.next() >> 11) + 1) * 0x1p-53; }

std::int64_t Sampler::below(std::int64_t bound) {
  return static_cast<std::int64_t>(
      (static_cast<unsigned __int128>(rng_.next()) * static_cast<std::uint64_t>(bound)) >> 64);
}

double Sampler::exponential() { return -ln(unit()); }

double Sampler::normal() {
  if (spare_) return *std::exchange(spare_, std::nullopt);
  for (;;) {
    const double u = 2.0 * unit() - 1.0, v = 2.0 * unit() - 1.0;
    const double square = u * u + v * v;
    if (square >= 1.0 || square == 0.0) continue;
    const double scale =
        std::sqrt(-2.0 * ln(square) / square);  // sqrt is exact to the last bit everywhere (IEEE 754)
    spare_ = v * scale;
    return u * scale;
  }
}

double Sampler::log_normal(double median, double sigma) { return median * exp(sigma * normal()); }

WeightedChoice::WeightedChoice(std::span<const std::int64_t> weights) {
  std::int64_t sum = 0;
  for (const auto weight : weights) sums_.push_back(sum += weight);
}

std::size_t WeightedChoice::draw(Sampler& sampler) const {
  const auto drawn = sampler.below(sums_.back());
  return static_cast<std::size_t>(std::ranges::upper_bound(sums_, drawn) - sums_.begin());
}

double mean_of_cut_log_normal(double median, double sigma, double least, double most) {
  // Midpoint rule over z in [-8, 8]; the rest holds 1e-15 of the probability.
  constexpr int kSteps = 4096;
  double sum = 0, weights = 0;
  for (int i = 0; i < kSteps; ++i) {
    const double z = -8.0 + 16.0 * (i + 0.5) / kSteps;
    const double weight = Sampler::exp(-0.5 * z * z);
    sum += weight * std::clamp(median * Sampler::exp(sigma * z), least, most);
    weights += weight;
  }
  return sum / weights;
}

}  // namespace millrace::twin
