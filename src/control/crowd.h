// Crowd: how much deferrable work there is, and how long it may wait all together. One by one each could wait until the last
// hour before its deadline; there the machines would not do for all of it.
#pragma once

#include <array>
#include <chrono>
#include <vector>

#include "core/clock.h"
#include "scheduler/accounts.h"

namespace millrace::control {

/// Deferrable work that is not over.
struct CrowdMember {
  scheduler::Amount request;  // of all its tasks
  bool runs = false;
  std::chrono::microseconds left{};  // of work
  TimePoint deadline{};
};

class Crowd {
 public:
  /// Replaces what is known; as an hour begins. `used` of `capacity` is taken by what runs, the crowd's own included.
  void set(TimePoint now, const std::vector<CrowdMember>& members, const scheduler::Amount& used,
           const scheduler::Amount& capacity);

  /// Whether such work must not wait for another hour: all that is due by its deadline, or by a later one that is as tight,
  /// would then need more than the machines that other work leaves (the processor demand criterion: Baruah, Rosier, Howell,
  /// Real-Time Systems 2, 1990; an hour is left for what comes between). Alone it may wait as long as it likes.
  bool must_go(const scheduler::Amount& request, TimePoint deadline) const;

 private:
  // Of accelerators, and of cores: work goes that is due by then.
  std::array<TimePoint, 2> go_until_{TimePoint::min(), TimePoint::min()};
};

}  // namespace millrace::control
