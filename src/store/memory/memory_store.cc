#include "store/memory/memory_store.h"

#include <fmt/format.h>

#include "store/rules.h"

namespace millrace::store {

MemoryStore::MemoryStore() : data_(std::make_shared<Data>()) {}

std::unique_ptr<MemoryStore> MemoryStore::share() const {
  return std::unique_ptr<MemoryStore>(new MemoryStore(data_));
}

Result<Record> MemoryStore::get(std::string_view key) const {
  const std::lock_guard lock(data_->mutex);
  const auto found = data_->values.find(key);
  if (found == data_->values.end()) return no_such_record(key);
  return Record{found->first, found->second.value, found->second.revision};
}

Result<std::vector<Record>> MemoryStore::list(std::string_view prefix, std::string_view after,
                                              std::size_t limit) const {
  const std::lock_guard lock(data_->mutex);
  std::vector<Record> records;
  auto at = after < prefix ? data_->values.lower_bound(prefix) : data_->values.upper_bound(after);
  for (; at != data_->values.end() && at->first.starts_with(prefix) && records.size() < limit; ++at) {
    records.push_back({at->first, at->second.value, at->second.revision});
  }
  return records;
}

Result<Revision> MemoryStore::commit(Transaction transaction) {
  const std::lock_guard commit_lock(data_->commit_mutex);
  std::unique_lock lock(data_->mutex);
  TRY_VOID(check_fence(fence_, data_->fence));
  for (const auto& expect : transaction.expect) {
    const auto found = data_->values.find(expect.key);
    TRY_VOID(check_expectation(expect, found == data_->values.end() ? 0 : found->second.revision));
  }
  const Revision revision = ++data_->revision;
  for (const auto& put : transaction.put) data_->values[put.key] = {put.value, revision};
  for (const auto& key : transaction.erase) data_->values.erase(key);
  const auto listeners = data_->listeners;
  lock.unlock();
  for (const auto& listener : listeners) listener(revision, transaction);
  return revision;
}

Result<std::int64_t> MemoryStore::take_fence() {
  const std::lock_guard lock(data_->mutex);
  return fence_ = ++data_->fence;
}

void MemoryStore::subscribe(Listener listener) {
  const std::lock_guard lock(data_->mutex);
  data_->listeners.push_back(std::move(listener));
}

}  // namespace millrace::store
