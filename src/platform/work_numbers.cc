#include "platform/work_numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>

namespace millrace::platform {
namespace {

constexpr std::chrono::milliseconds kSoon{100};  // a reservation used up within it was too small

}  // namespace

Result<std::uint64_t> WorkNumbers::take() {
  const std::lock_guard lock(mutex_);
  if (next_ > last_) TRY_VOID(reserve());
  return next_++;
}

Result<void> WorkNumbers::reserve() {
  const MonotonicPoint now = clock_.monotonic();
  const bool soon = reserved_at_ && now - *reserved_at_ < kSoon;
  amount_ = soon ? std::min(amount_ * 2, kMostReserved) : 1;
  for (;;) {
    const auto record = TRY(store_.find(kWorkSequenceKey));
    std::uint64_t highest = 0;
    if (record) {
      const char* end = record->value.data() + record->value.size();
      const auto [at, fault] = std::from_chars(record->value.data(), end, highest);
      if (fault != std::errc() || at != end) {
        return failure(ErrorCode::kCorrupt, fmt::format("record {}: is not a number", kWorkSequenceKey));
      }
    }
    const auto done =
        store_.commit({.expect = {{std::string(kWorkSequenceKey), record ? record->revision : 0}},
                       .put = {{std::string(kWorkSequenceKey), fmt::format("{}", highest + amount_)}},
                       .erase = {}});
    if (!done && done.error().code == ErrorCode::kConflict) continue;
    if (!done) return std::unexpected(done.error());
    next_ = highest + 1;
    last_ = highest + amount_;
    reserved_at_ = now;
    return {};
  }
}

}  // namespace millrace::platform
