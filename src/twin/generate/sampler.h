// Sampler: random variables whose bits are the same on every machine: no libm, no fused multiply-add.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/rng.h"

namespace millrace::twin {

class Sampler {
 public:
  explicit Sampler(std::uint64_t seed) : rng_(seed) {}

  /// In (0, 1]: 53 random bits.
  double unit();
  /// In [0, bound); bound at least 1. The bias is below bound / 2^64.
  std::int64_t below(std::int64_t bound);
  /// Mean 1.
  double exponential();
  /// Mean 0, variance 1 (polar method: Marsaglia and Bray, 1964).
  double normal();
  /// median x exp(sigma z).
  double log_normal(double median, double sigma);

  /// e^x to about 1e-15 for |x| < 700, and ln x for normal x > 0, by arithmetic alone.
  static double exp(double x);
  static double ln(double x);

 private:
  SeededRng rng_;
  std::optional<double> spare_;  // the second value of the polar method
};

/// Draws an index with probability weight / sum of weights.
class WeightedChoice {
 public:
  /// At least one weight above 0; none below.
  explicit WeightedChoice(std::span<const std::int64_t> weights);
  std::size_t draw(Sampler& sampler) const;

 private:
  std::vector<std::int64_t> sums_;
};

/// Mean of a log-normal variable that is cut to [least, most] (values beyond become the bound).
double mean_of_cut_log_normal(double median, double sigma, double least, double most);

}  // namespace millrace::twin
