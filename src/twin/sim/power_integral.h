// Power integral: the energy of a draw that changes at moments, exactly.
#pragma once

#include <cstdint>

#include "twin/sim/event_queue.h"

namespace millrace::twin {

/// Milliwatts x microseconds. 128 bits hold 1 GW for 10,000 centuries, so sums of any run are exact.
using NanoJoule = __int128;

inline double joules(NanoJoule energy) { return static_cast<double>(energy) * 1e-9; }

/// Energy of a draw that changes at moments.
class PowerIntegral {
 public:
  explicit PowerIntegral(VirtualTime from) : since_(from) {}

  std::int64_t milliwatts() const { return milliwatts_; }
  /// `at` is never before the call before.
  void set(VirtualTime at, std::int64_t milliwatts) {
    settle(at);
    milliwatts_ = milliwatts;
  }
  void add(VirtualTime at, std::int64_t milliwatts) { set(at, milliwatts_ + milliwatts); }
  /// Counts the energy up to `at`.
  void settle(VirtualTime at) {
    energy_ += static_cast<NanoJoule>(milliwatts_) * (at - since_);
    since_ = at;
  }
  NanoJoule energy() const { return energy_; }

 private:
  std::int64_t milliwatts_ = 0;
  VirtualTime since_;
  NanoJoule energy_ = 0;
};

}  // namespace millrace::twin
