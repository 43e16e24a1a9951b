// EndpointUse: what this gateway tells the server of an endpoint's load, for its scaling.
#pragma once

#include <cstdint>

#include "core/clock.h"

namespace millrace::gateway {

/// Requests on their way through one endpoint. Sums go on for the gateway's life. One thread.
class EndpointUse {
 public:
  void begin() { ++begun_; }
  /// Sent to a replica.
  void sent(MonotonicPoint now) {
    settle(now);
    ++running_;
  }
  void left(MonotonicPoint now) {
    settle(now);
    --running_;
  }
  void first_token(std::chrono::nanoseconds after) {
    ++first_tokens_;
    first_token_ += after;
  }

  std::int64_t begun() const { return begun_; }
  std::int64_t running() const { return running_; }
  std::int64_t first_tokens() const { return first_tokens_; }
  std::int64_t first_token_ms() const { return ms(first_token_); }
  /// Summed over requests: time at a replica until now.
  std::int64_t busy_ms(MonotonicPoint now) {
    settle(now);
    return ms(busy_);
  }

 private:
  static std::int64_t ms(std::chrono::nanoseconds time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
  }
  void settle(MonotonicPoint now) {
    busy_ += (now - since_) * running_;
    since_ = now;
  }

  std::int64_t begun_ = 0, running_ = 0, first_tokens_ = 0;
  std::chrono::nanoseconds busy_{0}, first_token_{0};
  MonotonicPoint since_{};
};

}  // namespace millrace::gateway
