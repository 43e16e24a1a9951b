// Eventually: what a test waits for while other threads are at work.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace millrace::control {

/// Waits for conditions, and looks again whenever it is told that something has changed.
class Eventually {
 public:
  /// From any thread.
  void note() {
    {
      const std::lock_guard lock(mutex_);
      ++changes_;
    }
    changed_.notify_all();
  }

  /// True as soon as `condition` is; false after `patience`. What changes without a note is seen a little later. A machine
  /// that stands still in between takes no more than one look of the patience.
  template <typename Condition>
  bool holds(Condition condition, std::chrono::nanoseconds patience) {
    constexpr std::chrono::nanoseconds kLook = std::chrono::milliseconds(20);
    std::unique_lock lock(mutex_);
    while (true) {
      const auto seen = changes_;
      lock.unlock();
      if (condition()) return true;
      lock.lock();
      if (patience.count() <= 0) return false;
      const auto begin = std::chrono::steady_clock::now();
      changed_.wait_for(lock, kLook, [&] { return changes_ != seen; });
      patience -= std::min<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - begin, kLook);
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t changes_ = 0;  // guarded by mutex_
};

}  // namespace millrace::control
