#include "twin/sim/timeline.h"

#include <algorithm>

namespace millrace::twin {

void Timeline::close() {
  const VirtualTime end = open_end();
  sums_.push_back(open_sum_ + value_ * static_cast<double>(end - since_));
  greatest_.push_back(open_max_);
  since_ = end;
  open_sum_ = 0.0;
  open_max_ = value_;
  if (sums_.size() == kIntervalsMax) halve();
}

// kIntervalsMax is even and all intervals are closed here, so no pair is half full.
void Timeline::halve() {
  for (std::size_t i = 0; i < kIntervalsMax / 2; ++i) {
    sums_[i] = sums_[2 * i] + sums_[2 * i + 1];
    greatest_[i] = std::max(greatest_[2 * i], greatest_[2 * i + 1]);
  }
  sums_.resize(kIntervalsMax / 2);
  greatest_.resize(kIntervalsMax / 2);
  width_ *= 2;
}

std::vector<Timeline::Interval> Timeline::intervals() const {
  std::vector<Interval> all;
  all.reserve(sums_.size() + 1);
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    all.push_back({.mean = sums_[i] / static_cast<double>(width_), .max = greatest_[i]});
  }
  const VirtualTime open_from = from_ + static_cast<VirtualTime>(sums_.size()) * width_;
  if (since_ > open_from)
    all.push_back({.mean = open_sum_ / static_cast<double>(since_ - open_from), .max = open_max_});
  return all;
}

}  // namespace millrace::twin
