#include "api/idempotency.h"

#include <iterator>

namespace millrace::api {

void IdempotencyKeys::make_room() {
  const MonotonicPoint now = clock_.monotonic();
  for (auto name = by_age_.begin(); name != by_age_.end();) {
    const auto entry = entries_.find(*name);
    const bool old = now - entry->second.at >= options_.kept_for;
    if (!old && entries_.size() < options_.entries_max) return;
    if (entry->second.done) {
      entries_.erase(entry);
      name = by_age_.erase(name);
    } else {
      ++name;
    }
  }
}

IdempotencyKeys::Begin IdempotencyKeys::begin(const std::string& scope, const std::string& key,
                                              std::string_view body) {
  const host::Sha256Digest digest = host::sha256(body);
  const std::lock_guard lock(mutex_);
  make_room();
  if (const auto found = entries_.find({scope, key}); found != entries_.end()) {
    const Entry& entry = found->second;
    if (entry.body != digest) return {State::kMismatch, {}};
    if (!entry.done) return {State::kInWork, {}};
    return {State::kReplay, entry.answer};
  }
  if (entries_.size() >= options_.entries_max) return {State::kFull, {}};
  by_age_.push_back({scope, key});
  entries_.emplace(Name{scope, key}, Entry{digest, false, {}, clock_.monotonic(), std::prev(by_age_.end())});
  return {State::kFresh, {}};
}

void IdempotencyKeys::finish(const std::string& scope, const std::string& key, const Reply& answer) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find({scope, key});
  if (found == entries_.end()) return;
  if (answer.status >= 500) {
    by_age_.erase(found->second.place);
    entries_.erase(found);
    return;
  }
  found->second.done = true;
  found->second.answer = answer;
}

}  // namespace millrace::api
