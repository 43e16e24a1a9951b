// The Store in memory: for tests, the twin and nothing that must last.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "store/store.h"

namespace millrace::store {

class MemoryStore final : public Store {
 public:
  MemoryStore();
  /// Another handle to the same data, with a fence of its own, as a second server process would have.
  std::unique_ptr<MemoryStore> share() const;

  Result<Record> get(std::string_view key) const override;
  Result<std::vector<Record>> list(std::string_view prefix, std::string_view after,
                                   std::size_t limit) const override;
  Result<Revision> commit(Transaction transaction) override;
  Result<std::int64_t> take_fence() override;
  void subscribe(Listener listener) override;

 private:
  struct Value {
    std::string value;
    Revision revision = 0;
  };
  struct Data {
    std::mutex commit_mutex;  // held over a commit and its listeners, so that they hear in order
    std::mutex mutex;         // guards everything below; a listener may read the store
    std::map<std::string, Value, std::less<>> values;
    Revision revision = 0;
    std::int64_t fence = 0;
    std::vector<Listener> listeners;
  };
  explicit MemoryStore(std::shared_ptr<Data> data) : data_(std::move(data)) {}

  const std::shared_ptr<Data> data_;
  std::int64_t fence_ = 0;  // guarded by data_->mutex
};

}  // namespace millrace::store
