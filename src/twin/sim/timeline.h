// Timeline: series over virtual time in bounded memory, for plots and tables.
#pragma once

#include <cstdint>
#include <vector>

#include "twin/sim/event_queue.h"

namespace millrace::twin {

/// A value that changes at moments, kept as time-weighted mean and greatest value of equal intervals. When the
/// intervals run out, pairs of them are joined; so memory is constant and every interval's mean stays exact.
class Timeline {
 public:
  struct Interval {
    double mean = 0.0;
    double max = 0.0;
  };

  explicit Timeline(VirtualTime from, VirtualTime width = 60'000'000)
      : from_(from), since_(from), width_(width) {}

  /// The value from `at` on. `at` is never before the call before.
  void set(VirtualTime at, double value) {
    settle(at);
    value_ = value;
    open_max_ = value > open_max_ ? value : open_max_;
  }
  /// Counts up to `at`.
  void settle(VirtualTime at) {
    while (at >= open_end()) close();
    open_sum_ += value_ * static_cast<double>(at - since_);
    since_ = at;
  }

  double value() const { return value_; }
  VirtualTime width() const { return width_; }
  /// Whole intervals so far; the last one may be short.
  std::vector<Interval> intervals() const;

 private:
  static constexpr std::size_t kIntervalsMax = 4096;

  VirtualTime open_end() const { return from_ + (static_cast<VirtualTime>(sums_.size()) + 1) * width_; }
  void close();
  void halve();

  VirtualTime from_;
  VirtualTime since_;
  VirtualTime width_;
  double value_ = 0.0;
  double open_sum_ = 0.0;  // value x microseconds in the interval that is open
  double open_max_ = 0.0;
  std::vector<double> sums_;
  std::vector<double> greatest_;
};

}  // namespace millrace::twin
