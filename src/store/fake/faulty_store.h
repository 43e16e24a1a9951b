// The hostile twins of Store and UsageTable: pass calls on, and fail on demand.
#pragma once

#include <atomic>

#include "store/store.h"
#include "store/usage_table.h"

namespace millrace::store {

/// When and how the next calls fail. `after_effect`: the change is made and the caller told that it failed, as when an
/// answer is lost.
class Faults {
 public:
  void fail_next(int calls, ErrorCode code, bool after_effect = false) {
    code_ = code;
    after_effect_ = after_effect;
    good_ = 0;
    left_ = calls;
  }
  /// One call, after so many that do not.
  void fail_once_after(int good, ErrorCode code, bool after_effect = false) {
    fail_next(1, code, after_effect);
    good_ = good;
  }
  int failed() const { return failed_; }

  template <typename Call>
  auto pass(Call&& call) const -> decltype(call()) {
    if (left_ <= 0) return call();
    if (good_ > 0) {
      --good_;
      return call();
    }
    --left_;
    ++failed_;
    if (after_effect_) static_cast<void>(call());
    return failure(code_, "made to fail by a test");
  }

 private:
  mutable std::atomic<int> good_ = 0, left_ = 0, failed_ = 0;
  std::atomic<ErrorCode> code_ = ErrorCode::kInternal;
  std::atomic<bool> after_effect_ = false;
};

class FaultyStore final : public Store {
 public:
  explicit FaultyStore(Store& real) : real_(real) {}
  Faults reads, writes;

  Result<Record> get(std::string_view key) const override {
    return reads.pass([&] { return real_.get(key); });
  }
  Result<std::vector<Record>> list(std::string_view prefix, std::string_view after,
                                   std::size_t limit) const override {
    return reads.pass([&] { return real_.list(prefix, after, limit); });
  }
  Result<Revision> commit(Transaction transaction) override {
    return writes.pass([&] { return real_.commit(transaction); });
  }
  Result<std::int64_t> take_fence() override {
    return writes.pass([&] { return real_.take_fence(); });
  }
  void subscribe(Listener listener) override { real_.subscribe(std::move(listener)); }

 private:
  Store& real_;
};

class FaultyUsageTable final : public UsageTable {
 public:
  explicit FaultyUsageTable(UsageTable& real) : real_(real) {}
  Faults reads, writes;

  Result<std::int64_t> append(std::span<const UsageRecord> records) override {
    return writes.pass([&] { return real_.append(records); });
  }
  Result<std::vector<UsageRecord>> list(const UsageFilter& filter, std::string_view after,
                                        std::size_t limit) const override {
    return reads.pass([&] { return real_.list(filter, after, limit); });
  }
  Result<std::vector<UsageSum>> sum(const UsageFilter& filter, UsageDimension by) const override {
    return reads.pass([&] { return real_.sum(filter, by); });
  }
  Result<std::vector<UsageRecord>> overlapping(TimePoint from, TimePoint to) const override {
    return reads.pass([&] { return real_.overlapping(from, to); });
  }

 private:
  UsageTable& real_;
};

}  // namespace millrace::store
