// Deferral: when work that may wait for clean or cheap hours goes. Pure: the hour's outlook in, a time out; for the many
// workloads of a site the decisions of an hour are made once (scheduler/shift.h).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/clock.h"

namespace millrace::control {

/// What is known and expected as an hour begins: carbon intensity or price, of one kind.
struct HourOutlook {
  TimePoint hour{};  // when it began; a whole hour
  double now = 0.0;
  std::vector<double> coming;  // coming[0] is the hour after
  std::vector<double> error;   // expected absolute error of each; hours without an entry are certain
};

class Deferral {
 public:
  /// Replaces what is known; once an hour.
  void set_outlook(HourOutlook outlook);

  /// nullopt: it goes (or goes on) now. Otherwise it waits, and is to be asked about again then, at the next hour: what would
  /// miss its deadline by that goes. `work` is how long it takes at full speed, rounded up to whole
  /// hours for the decision. Without an outlook everything goes.
  std::optional<TimePoint> wait_until(TimePoint now, std::chrono::microseconds work, TimePoint deadline,
                                      bool interruptible);

  /// nullopt: what runs goes on. Otherwise interruptible work had better stop now, and is to be asked about again then: as
  /// wait_until, but only if what it saves in the rest of this hour is clear (kClearSaving of this hour's value) and at least
  /// twice what the pause costs: `lost`, time that it has to run once more.
  std::optional<TimePoint> pause_until(TimePoint now, std::chrono::microseconds work, TimePoint deadline,
                                       std::chrono::microseconds lost);
  static constexpr double kClearSaving = 0.1;

  /// To tell a person: when work that waits is expected to start, as it looks now: the beginning of the cheapest stretch of
  /// whole hours before its deadline or, if it can be paused, of the first of its cheapest hours. Never before the next
  /// hour, nor later than the deadline allows. The next hour where there is no outlook.
  TimePoint expected_start(TimePoint now, std::chrono::microseconds work, TimePoint deadline,
                           bool interruptible) const;

 private:
  const std::vector<bool>& starts_of(std::int32_t work_h);

  HourOutlook outlook_;
  bool known_ = false;
  std::vector<std::int32_t> least_work_;  // scheduler::least_work_that_runs
  std::vector<std::vector<bool>>
      starts_;  // by work in hours: scheduler::starts_now, made when first asked for
  std::vector<bool> made_;
};

}  // namespace millrace::control
