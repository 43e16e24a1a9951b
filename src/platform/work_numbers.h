// WorkNumbers: the numbers that jobs and environments are known by, each given once.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>

#include "core/clock.h"
#include "core/result.h"
#include "store/store.h"

namespace millrace::platform {

/// Record: the highest number that may have been given, as decimal text.
inline constexpr std::string_view kWorkSequenceKey = "work-sequence";

/// Safe from any thread. Several of them on one store never give the same number. Numbers are reserved before they are
/// given: one at a time, or up to kMostReserved while many are asked for; a restart leaves a gap of as many at most.
class WorkNumbers {
 public:
  static constexpr std::uint64_t kMostReserved = 64;

  /// Both are borrowed and outlive this.
  WorkNumbers(store::Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  /// From 1 on. kCorrupt if the record is not a number.
  Result<std::uint64_t> take();

 private:
  Result<void> reserve();

  store::Store& store_;
  const Clock& clock_;
  std::mutex mutex_;
  std::uint64_t next_ = 1, last_ = 0;               // guarded by mutex_: reserved, not given
  std::uint64_t amount_ = 1;                        // guarded by mutex_: of the next reservation
  std::optional<MonotonicPoint> reserved_at_ = {};  // guarded by mutex_
};

}  // namespace millrace::platform
