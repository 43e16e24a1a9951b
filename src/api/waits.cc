#include "api/waits.h"

#include <algorithm>

namespace millrace::api {
namespace {

constexpr std::chrono::milliseconds kFirstPause{2};
constexpr std::chrono::milliseconds kLastPause{30};

}  // namespace

void Waits::until(std::chrono::milliseconds most, const std::function<bool()>& done) {
  const auto end = clock_.monotonic() + std::min(most, kLongest);
  if (most.count() <= 0 || done()) return;
  std::unique_lock lock(mutex_);
  if (waiting_ == kMost) return;
  ++waiting_;
  std::chrono::nanoseconds pause = kFirstPause;
  for (auto now = clock_.monotonic(); !stopping_ && now < end; now = clock_.monotonic()) {
    stopped_.wait_for(lock, std::min(end - now, pause), [this] { return stopping_; });
    pause = std::min<std::chrono::nanoseconds>(pause * 2, kLastPause);
    lock.unlock();
    const bool is_done = done();
    lock.lock();
    if (is_done) break;
  }
  --waiting_;
}

int Waits::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

void Waits::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
}

}  // namespace millrace::api
