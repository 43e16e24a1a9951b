// Statistics: order statistics and fairness of what a run measured.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace millrace::twin {

/// Values of a million jobs as 32-bit floats (4 MB); the mean is kept in double.
class Sample {
 public:
  void add(double value) {
    sum_ += value;
    values_.push_back(static_cast<float>(value));
  }
  std::int64_t count() const { return static_cast<std::int64_t>(values_.size()); }
  /// 0 without values.
  double mean() const { return values_.empty() ? 0.0 : sum_ / static_cast<double>(values_.size()); }
  /// The smallest value that at least `part` (0 to 1) of all values do not exceed (nearest rank); 0 without values.
  double quantile(double part);

 private:
  double sum_ = 0.0;
  std::vector<float> values_;
};

/// Jain's index (Jain, Chiu, Hawe, DEC-TR-301, 1984): (sum x)^2 / (n sum x^2), from 1/n to 1 (all equal). 1 for none.
double jain_index(std::span<const double> shares);

}  // namespace millrace::twin
