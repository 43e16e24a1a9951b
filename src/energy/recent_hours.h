// RecentHours: what a forecast knows of the last weeks: level, daily profile, deviations, seasonal means.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace millrace::energy {

/// Small and copyable, so that a provider's forecast can be appended to a copy.
class RecentHours {
 public:
  /// Features that do not depend on the hour ahead.
  static constexpr std::size_t kShared = 12;

  /// The state in which a forecast is made.
  struct Origin {
    std::int64_t hour_of_week = 0;     // 0: Monday, 00:00 UTC
    double level = 0.0;                // mean of the last week
    double scale = 0.0;                // mean absolute deviation from the level, since the start
    std::array<double, 24> profile{};  // by hour of the day, relative to the last day's mean
    std::array<double, kShared> features{};
  };

  explicit RecentHours(std::int32_t hour_of_week) : next_hour_of_week_(hour_of_week) {}

  void push(double value);
  std::int64_t hours() const { return hours_; }
  Origin origin() const;
  /// What the seasonal means expect of the next hours, on average. Precondition: something was pushed.
  void seasonal(std::span<double> out) const;

 private:
  double back(std::size_t ago) const { return values_[values_.size() - 1 - ago]; }
  double mean_of_last(std::size_t hours) const;

  std::int64_t hours_ = 0;  // pushed so far
  std::int64_t next_hour_of_week_;
  std::vector<double> values_;  // the last ones, at least those that a seasonal mean reads
  double level_ = 0.0;
  double scale_ = 0.0;
  std::array<double, 24> profile_{};
  std::array<std::int32_t, 24> profile_days_{};
};

}  // namespace millrace::energy
