// Store: the port to durable state. Ordered records with revisions, and transactions over several keys.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace millrace::store {

/// Revisions count commits of the whole store from 1; a record's revision is that of the commit that last wrote it.
using Revision = std::int64_t;

struct Record {
  std::string key;
  std::string value;
  Revision revision = 0;
};

/// A change to several keys, passed by value: all of it happens, or none.
struct Transaction {
  struct Expect {
    std::string key;
    Revision revision = 0;  // 0: the key must be absent
  };
  struct Put {
    std::string key;
    std::string value;
  };
  std::vector<Expect> expect;
  std::vector<Put> put;
  std::vector<std::string> erase;  // an absent key is no error
};

/// Every method is safe from any thread.
class Store {
 public:
  virtual ~Store() = default;

  /// kNotFound if there is no such key.
  virtual Result<Record> get(std::string_view key) const = 0;

  /// nullopt if there is no such key. A read that failed says nothing of it, and is an error.
  Result<std::optional<Record>> find(std::string_view key) const {
    auto record = get(key);
    if (record) return *std::move(record);
    if (record.error().code == ErrorCode::kNotFound) return std::nullopt;
    return std::unexpected(record.error());
  }

  /// Records whose key starts with `prefix` and comes after `after`, in byte order, at most `limit`.
  virtual Result<std::vector<Record>> list(std::string_view prefix, std::string_view after = {},
                                           std::size_t limit = SIZE_MAX) const = 0;

  /// Returns once the change is durable (commits of several callers share one sync, within 5 ms).
  /// kConflict if an expectation does not hold (nothing changed); kDenied if the fence of `take_fence` was taken by
  /// another since. A failed sync ends the process: what is durable is no longer known.
  virtual Result<Revision> commit(Transaction transaction) = 0;

  /// Takes the right to write from every earlier holder, for this object.
  virtual Result<std::int64_t> take_fence() = 0;

  /// Calls `listener` after each commit that touched a key, in commit order, from the committing thread or the
  /// writer; it must return quickly and must not call commit.
  using Listener = std::function<void(Revision, const Transaction&)>;
  virtual void subscribe(Listener listener) = 0;
};

}  // namespace millrace::store
