// SystemClock: the real time.
#pragma once

#include "core/clock.h"

namespace millrace::host {

class SystemClock final : public Clock {
 public:
  TimePoint now() const override {
    return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
  }
  MonotonicPoint monotonic() const override { return std::chrono::steady_clock::now(); }
};

}  // namespace millrace::host
