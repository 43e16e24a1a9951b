// TokenBucket: a limit per minute, as a bucket of capacity `limit` that refills at limit/60 a second.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "core/clock.h"

namespace millrace::gateway {

/// Exact in integers: the level is kept in units of 1/60e9 of a token, so a nanosecond refills `limit` of them. Over any
/// time t, at most capacity + limit x t / 60 s can be taken. One thread.
class TokenBucket {
 public:
  TokenBucket(std::int64_t limit, MonotonicPoint now) : limit_(limit), level_(full()), at_(now) {}

  std::int64_t limit() const { return limit_; }

  /// A changed limit takes effect at once; what was used stays used.
  void set_limit(std::int64_t limit, MonotonicPoint now) {
    if (limit == limit_) return;
    refill(now);
    const Level used = full() - level_;
    limit_ = limit;
    level_ = full() - used;
  }

  /// Whole tokens that can be taken now; 0 if in debt.
  std::int64_t available(MonotonicPoint now) {
    refill(now);
    return level_ <= 0 ? 0 : static_cast<std::int64_t>(level_ / kUnit);
  }

  /// Takes without asking: the level may go below zero (use found out afterwards).
  void take(std::int64_t tokens, MonotonicPoint now) {
    refill(now);
    level_ -= static_cast<Level>(tokens) * kUnit;
  }

  void give_back(std::int64_t tokens, MonotonicPoint now) {
    refill(now);
    level_ = std::min(full(), level_ + static_cast<Level>(tokens) * kUnit);
  }

  /// Time until `tokens` can be taken; zero if now. A request above the capacity never can: the time to full.
  std::chrono::nanoseconds wait_for(std::int64_t tokens, MonotonicPoint now) {
    refill(now);
    const Level missing = static_cast<Level>(std::min(tokens, limit_)) * kUnit - level_;
    if (missing <= 0) return std::chrono::nanoseconds{0};
    if (limit_ <= 0) return std::chrono::hours{24};
    const Level wait_ns = (missing + limit_ - 1) / limit_;
    return std::chrono::nanoseconds{static_cast<std::int64_t>(wait_ns)};
  }

 private:
  using Level = __int128;
  static constexpr Level kUnit = 60'000'000'000;
  Level full() const { return static_cast<Level>(limit_) * kUnit; }

  void refill(MonotonicPoint now) {
    if (now <= at_) return;
    level_ = std::min(full(), level_ + static_cast<Level>((now - at_).count()) * limit_);
    at_ = now;
  }

  std::int64_t limit_;
  Level level_;
  MonotonicPoint at_;
};

}  // namespace millrace::gateway
