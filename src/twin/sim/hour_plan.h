// Hour plan: when work that waits for clean or cheap hours is expected to start, to tell a person. Whether it goes now is
// decided by control (control/deferral.h), hour by hour, with what is known then.
#pragma once

#include "control/deferral.h"
#include "twin/sim/event_queue.h"

namespace millrace::twin {

class HourPlan {
 public:
  /// Once an hour.
  void set_outlook(control::HourOutlook outlook) { outlook_ = std::move(outlook); }

  /// Of work that does not go now, as it looks now: the beginning of the cheapest stretch of whole hours before its
  /// deadline or, if it can be paused, of the first of its cheapest hours. Never before the next hour, nor later than the
  /// deadline allows. The next hour where there is no outlook.
  VirtualTime start(VirtualTime now, VirtualTime work_us, VirtualTime deadline, bool interruptible) const;

 private:
  control::HourOutlook outlook_;
};

}  // namespace millrace::twin
