// Waits: lets a few requests at once wait for something, so that clients need not ask all the time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>

#include "core/clock.h"

namespace millrace::api {

/// Safe from any thread.
class Waits {
 public:
  /// Threads of the server that may wait at once; it has more of them, for everybody else.
  static constexpr int kMost = 10;
  static constexpr std::chrono::milliseconds kLongest{10'000};

  explicit Waits(const Clock& clock) : clock_(clock) {}

  /// Asks `done` again and again until it is true, `most` is over, or stop() was called. Where kMost wait already it asks
  /// once: then the client asks again, as it would without this.
  void until(std::chrono::milliseconds most, const std::function<bool()>& done);

  /// Ends every wait, and those to come, at once.
  void stop();
  /// How many wait now.
  int waiting() const;

 private:
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable stopped_;
  int waiting_ = 0;        // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
};

}  // namespace millrace::api
